// HeadSample draws from the distribution it says: literals that a reader can check, and chi-square tests.
#include "op_cases/op_case.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

// A head of one hidden element, 1, so that the weights are the logits: here logs of probabilities.
class Coin : public OpCase {
 public:
  Coin(Ops& ops, const std::vector<double>& probabilities) : OpCase(ops), ops_(ops) {
    logits_ = New(DType::kF32, static_cast<int64_t>(probabilities.size()), 1);
    for (int64_t v = 0; v < logits_.rows(); ++v) logits_.Set(v, 0, std::log(probabilities[static_cast<size_t>(v)]));
    weight_ = std::make_unique<CaseWeight>(type_, DType::kF32, logits_, false);
    weight_->Pack(ops);
    hidden_ = New(type_, kRows, 1);
    Fill(hidden_, 1);
    uniform_ = New(DType::kF64, 1, kRows);
    tokens_ = New(DType::kI32, 1, kRows);
    out_.logprob = New(type_, 1, kRows);
    out_.entropy = New(type_, 1, kRows);
  }
  void Forward(Ops&) override {}

  struct Draw {
    int64_t token;
    double logprob;
    double entropy;
  };
  Draw Sample(const SamplingParams& sampling, double uniform) {
    uniform_.Set(0, 0, uniform);
    ops_.HeadSample(hidden_.Rows(0, 1), {weight_->packed()}, sampling, uniform_.Cols(0, 1), tokens_.Cols(0, 1),
                    First(out_));
    return {static_cast<int64_t>(tokens_.At(0, 0)), out_.logprob.At(0, 0), out_.entropy.At(0, 0)};
  }
  double Logprob(const SamplingParams& sampling, int64_t token) {
    tokens_.Set(0, 0, static_cast<double>(token));
    ops_.HeadLogprobs(hidden_.Rows(0, 1), {weight_->packed()}, sampling, tokens_.Cols(0, 1), First(out_));
    return out_.logprob.At(0, 0);
  }
  // Which tokens `count` draws with seeded uniform numbers gave, how often.
  std::vector<int64_t> Count(const SamplingParams& sampling, int64_t count) {
    std::vector<int64_t> counts(static_cast<size_t>(logits_.rows()), 0);
    for (int64_t done = 0; done < count; done += kRows) {
      for (int64_t r = 0; r < kRows; ++r) uniform_.Set(0, r, UniformFor(3, 0, 0, static_cast<uint32_t>(done + r)));
      ops_.HeadSample(hidden_, {weight_->packed()}, sampling, uniform_, tokens_, out_);
      for (int64_t r = 0; r < kRows; ++r) ++counts[static_cast<size_t>(tokens_.At(0, r))];
    }
    return counts;
  }

 private:
  static constexpr int64_t kRows = 250;
  static HeadOutputs First(HeadOutputs out) {
    out.logprob = out.logprob.Cols(0, 1);
    out.entropy = out.entropy.Cols(0, 1);
    return out;
  }
  Ops& ops_;
  std::unique_ptr<CaseWeight> weight_;
  Tensor logits_, hidden_, uniform_, tokens_;
  HeadOutputs out_;
};

// Tokens that come out over a fine grid of uniform numbers, in the order they appear.
std::vector<int64_t> Support(Coin& coin, const SamplingParams& sampling) {
  std::vector<int64_t> seen;
  for (int i = 0; i < 400; ++i) {
    const int64_t token = coin.Sample(sampling, (i + 0.5) / 400).token;
    if (seen.empty() || seen.back() != token) seen.push_back(token);
  }
  return seen;
}

double ChiSquare(const std::vector<int64_t>& counts, const std::vector<double>& probabilities) {
  int64_t total = 0;
  for (int64_t count : counts) total += count;
  double sum = 0;
  for (size_t v = 0; v < counts.size(); ++v) {
    const double expected = probabilities[v] * static_cast<double>(total);
    if (expected == 0) {
      if (counts[v] > 0) return INFINITY;
    } else {
      sum += std::pow(static_cast<double>(counts[v]) - expected, 2) / expected;
    }
  }
  return sum;
}

// Exceeded once in a million samples (Wilson and Hilferty's approximation).
double ChiSquareLimit(double degrees) {
  const double z = 4.7534, v = 2 / (9 * degrees);
  return degrees * std::pow(1 - v + z * std::sqrt(v), 3);
}

const std::vector<double> kEight = {0.05, 0.3, 0.02, 0.2, 0.08, 0.15, 0.1, 0.1};

std::vector<double> Power(std::vector<double> p, double exponent) {
  double sum = 0;
  for (double& value : p) sum += value = std::pow(value, exponent);
  for (double& value : p) value /= sum;
  return p;
}

void ExpectSampled(const std::string& backend_name, int64_t draws) {
  TestBackend backend(backend_name);
  Coin coin(*backend, kEight);
  const double limit = ChiSquareLimit(7);
  EXPECT_LE(ChiSquare(coin.Count({}, draws), kEight), limit);
  const std::vector<double> cold = Power(kEight, 1 / 0.7);
  const std::vector<int64_t> counts = coin.Count({.temperature = 0.7}, draws);
  EXPECT_LE(ChiSquare(counts, cold), limit);
  // top-k 4 keeps tokens 1, 3, 5 and, of the two with 0.1, the one with the smaller id: 6.
  const std::vector<double> four = {0, 0.3 / 0.75, 0, 0.2 / 0.75, 0, 0.15 / 0.75, 0.1 / 0.75, 0};
  EXPECT_LE(ChiSquare(coin.Count({.top_k = 4}, draws), four), ChiSquareLimit(3));
  // Negative control: probabilities that are off by one percent are told apart.
  std::vector<double> biased = cold;
  double half = 0;
  for (size_t v = 0; v < 4; ++v) half += biased[v];
  for (size_t v = 0; v < 8; ++v) biased[v] *= v < 4 ? 1.01 : (1 - 1.01 * half) / (1 - half);
  EXPECT(ChiSquare(counts, biased) > limit);
}

TEST("a million draws of the cpu follow the softmax, and a bias of one percent would be seen") {
  ExpectSampled("cpu", 1000000);
}
TEST("a million draws of the reference follow the softmax, and a bias of one percent would be seen") {
  ExpectSampled("reference", 1000000);
}

void ExpectEdges(const std::string& backend_name) {
  using Tokens = std::vector<int64_t>;
  TestBackend backend(backend_name);
  Coin coin(*backend, {0.125, 0.5, 0.125, 0.25});
  EXPECT_EQ(Support(coin, {}), (Tokens{0, 1, 2, 3}));  // not truncated: by id
  EXPECT_EQ(Support(coin, {.top_k = 4, .min_p = 1e-9}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(coin, {.top_k = 3}), (Tokens{1, 3, 0}));  // of equals the smaller id
  EXPECT_EQ(Support(coin, {.top_k = 1}), (Tokens{1}));
  EXPECT_EQ(Support(coin, {.top_p = 0.49}), (Tokens{1}));
  EXPECT_EQ(Support(coin, {.top_p = 0.6}), (Tokens{1, 3}));  // the one that crosses is included
  EXPECT_EQ(Support(coin, {.top_p = 0.8}), (Tokens{1, 3, 0}));
  EXPECT_EQ(Support(coin, {.top_p = 0.9}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(coin, {.min_p = 0.3}), (Tokens{1, 3}));
  EXPECT_EQ(Support(coin, {.min_p = 0.2}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(coin, {.top_k = 2, .top_p = 0.6}), (Tokens{1}));  // 0.5 of 0.75 is two thirds
  EXPECT_EQ(Support(coin, {.temperature = 0}), (Tokens{1}));

  // Drawn by cumulated probability: 0.125, 0.625, 0.75, 1 by id.
  EXPECT_EQ(coin.Sample({}, 0).token, 0);
  EXPECT_EQ(coin.Sample({}, 0.124).token, 0);
  EXPECT_EQ(coin.Sample({}, 0.126).token, 1);
  EXPECT_EQ(coin.Sample({}, 0.624).token, 1);
  EXPECT_EQ(coin.Sample({}, 0.626).token, 2);
  EXPECT_EQ(coin.Sample({}, 0.751).token, 3);
  EXPECT_EQ(coin.Sample({}, 1 - 0x1.0p-53).token, 3);

  // The logprob is that of the truncated and renormalised distribution; outside of it, of the whole.
  EXPECT_NEAR(coin.Sample({}, 0.3).logprob, std::log(0.5), 1e-6);
  EXPECT_NEAR(coin.Sample({.top_k = 3}, 0.3).logprob, std::log(0.5 / 0.875), 1e-6);
  EXPECT_NEAR(coin.Logprob({.top_k = 3}, 0), std::log(0.125 / 0.875), 1e-6);
  EXPECT_NEAR(coin.Logprob({.top_k = 3}, 2), std::log(0.125), 1e-6);
  EXPECT_NEAR(coin.Logprob({.temperature = 0.5}, 1), std::log(0.25 / 0.34375), 1e-6);
  EXPECT_NEAR(coin.Logprob({.temperature = 0, .top_k = 1}, 3), std::log(0.25), 1e-6);  // greedy: as if untruncated
  EXPECT_NEAR(coin.Sample({.temperature = 0}, 0.9).logprob, std::log(0.5), 1e-6);

  // Entropies: 1.75 bits; of 2/3, 1/3; none.
  EXPECT_NEAR(coin.Sample({}, 0.3).entropy, 1.75 * std::log(2.0), 1e-6);
  EXPECT_NEAR(coin.Sample({.top_k = 2}, 0.3).entropy, std::log(3.0) - 2.0 / 3 * std::log(2.0), 1e-6);
  EXPECT_NEAR(coin.Sample({.top_k = 1}, 0.3).entropy, 0, 1e-6);

  Coin equal(*backend, {0.25, 0.25, 0.25, 0.25});
  EXPECT_EQ(equal.Sample({.temperature = 0}, 0.9).token, 0);
  EXPECT_EQ(Support(equal, {.min_p = 1}), (Tokens{0, 1, 2, 3}));
}

TEST("truncation of the reference keeps what its definition says at the edges") { ExpectEdges("reference"); }
TEST("truncation of the cpu keeps what its definition says at the edges") { ExpectEdges("cpu"); }

TEST("an unknown backend is an error that names the known ones") {
  ThreadPool pool(1);
  EXPECT_THROW_CODE(CreateBackend("tpu", pool), ErrorCode::kUnsupported,
                    "cpu, cuda, cuda-emulated, reference, reference-f64");
}

}  // namespace
}  // namespace rlvr::test
