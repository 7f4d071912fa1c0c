// Attention on the emulated card against double: trees, widths, windows, decoding, FP8 pages.
#include "cuda_attention.h"
#include "test.h"

namespace rlvr::test {

namespace {

double Rms(const Numbers& numbers) {
  double sum = 0;
  for (double x : numbers) sum += x * x;
  return numbers.empty() ? 0 : std::sqrt(sum / static_cast<double>(numbers.size()));
}

// The largest |a - b| / (|b| + rms(b) + floor); infinite when something was not written.
double Distance(const Numbers& a, const Numbers& b, double floor) {
  if (a.size() != b.size()) return INFINITY;
  const double rms = Rms(b);
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(a[i] - b[i]) / (std::fabs(b[i]) + rms + floor);
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  return worst;
}

std::vector<AttentionSpec> MoreSpecs() {
  const std::vector<TreeSpan> group = {{-1, 40}, {0, 11}, {0, 9}, {0, 20}};
  std::vector<AttentionSpec> specs;
  for (const int64_t dim : {16, 48, 64, 80, 96, 128, 176, 256}) {
    specs.push_back({.name = Concat("head ", dim), .spans = group, .heads = 4, .kv_heads = 2, .head_dim = dim});
  }
  specs.push_back({.name = "several tiles of a span", .spans = {{-1, 150}, {0, 140}}, .heads = 3, .kv_heads = 1});
  specs.push_back({.name = "several tiles, window",
                   .spans = {{-1, 150}, {0, 140}, {0, 70}},
                   .heads = 2,
                   .kv_heads = 1,
                   .window = 50});
  specs.push_back({.name = "head 256, soft cap, window",
                   .spans = group,
                   .heads = 2,
                   .kv_heads = 1,
                   .head_dim = 256,
                   .window = 33,
                   .softcap = 4});
  return specs;
}

void ExpectNear(const AttentionSpec& spec, AttentionCard& card) {
  const AttentionProblem problem(spec);
  const AttentionResults expected = InDouble(problem), got = card.Run(problem);
  const auto check = [&](const char* what, const Numbers& a, const Numbers& b, double relative, double floor) {
    const double distance = Distance(a, b, floor);
    if (std::getenv("SHOW")) std::printf("%-50s %-4s %.2e of %.2e\n", spec.name.c_str(), what, distance, relative);
    if (!(distance <= relative)) Fail(__FILE__, __LINE__, Concat(spec.name, ": ", what, " is off by ", distance));
  };
  check("out", got.out, expected.out, 0.008, 0.1);
  check("lse", got.lse, expected.lse, 2e-5, 1);
  check("dq", got.dq, expected.dq, 0.02, 0.1);
  check("dk", got.dk, expected.dk, 0.02, 0.05 * spec.q_scale);  // an error of ds is one of dk times q
  check("dv", got.dv, expected.dv, 0.02, 0.1);
}

}  // namespace

TEST("cuda attention of every width is near double, forward and backward") {
  AttentionCard card;
  for (const AttentionSpec& spec : MoreSpecs()) ExpectNear(spec, card);
}

}  // namespace rlvr::test
