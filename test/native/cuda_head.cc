// The head of the cuda backend, emulated: against the reference in double, bit for bit against itself in other chunks,
// batches and orders of threads, and its memory traffic.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/reference/reference_backend.h"
#include "compare.h"
#include "op_cases/head.h"
#include "staged_ops.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

// The emulated backend with a workspace for these limits, behind host tensors.
class HeadCard {
 public:
  explicit HeadCard(const WorkspaceLimits& limits)
      : backend_(cuda::CudaOptions{}), bytes_(backend_.WorkspaceBytes(limits)), staged_(backend_) {
    workspace_ = backend_.memory().Allocate(bytes_, false);
    backend_.SetWorkspace(limits, workspace_, bytes_);
  }
  ~HeadCard() {
    EXPECT(!staged_.overran());
    backend_.memory().Free(workspace_, bytes_);
  }
  HeadCard(const HeadCard&) = delete;
  Ops& operator*() { return staged_; }

 private:
  cuda::CudaBackend backend_;
  size_t bytes_;
  std::byte* workspace_;
  StagedOps staged_;
};

// dhidden is rounded to BF16, 2^-9; so is each logit's gradient before, and where few tokens share a row's gradient its
// parts may be larger than their sum. What is no gradient keeps the tolerance of F32.
Tolerance Bf16Gradient(const Tolerance& t) {
  return t.relative == kSoftmaxGradient.relative ? Tolerance{1.0 / 128} : t;
}

void Compare(const CaseList& cases, const WorkspaceLimits& limits) {
  constexpr double kGradientStart = 0.5;
  const Bf16Inputs rounded;
  const auto reference = CreateReferenceBackend(DType::kF64);
  HeadCard card(limits);
  for (const CaseEntry& entry : cases) {
    const auto expected = entry.make(*reference), actual = entry.make(*card);
    expected->gradient_start = actual->gradient_start = kGradientStart;
    expected->Run(*reference);
    actual->Run(*card);
    const std::string differences = Differences(*actual, *expected, Bf16Gradient);
    if (!differences.empty()) Fail(__FILE__, __LINE__, Concat(entry.name, ": ", differences));
  }
  EXPECT(!cases.empty());
}

// The shared list, whose large vocabularies are small for this backend, and whose weight types are others' concern.
TEST("the emulated head agrees with the reference for every distribution and loss") {
  CaseList cases;
  for (const CaseEntry& entry : HeadCases()) {
    if (entry.name.find("large vocabulary") == std::string::npos) cases.push_back(entry);
    if (entry.name == "head: policy, most rows without an advantage but with a KL") break;
  }
  EXPECT_LE(30u, cases.size());
  Compare(cases, kTestLimits);
}

// A part is 4096 tokens, a segment 16384; rows of odd width end inside of four.
TEST("the emulated head agrees with the reference where vocabularies end inside and at the edge of a block") {
  std::vector<HeadSpec> specs;
  for (int64_t vocab : {7, 512, 4097, 8192, 16386}) {
    for (const SamplingParams& sampling :
         {SamplingParams{}, SamplingParams{.temperature = 0.8, .top_k = 40, .top_p = 0.9, .min_p = 0.01}}) {
      specs.push_back({.name = Concat(vocab, " tokens", sampling.truncates() ? ", truncated" : ""),
                       .rows = 3,
                       .dim = 16,
                       .vocab = vocab,
                       .softcap = vocab == 512 || vocab == 16386 ? 20.0 : 0.0,
                       .sampling = sampling,
                       .loss = {.beta = 0.04},
                       .weight_grad = !sampling.truncates() && vocab < 5000,
                       .differentiate = false});
    }
  }
  WorkspaceLimits limits = kTestLimits;
  limits.vocab = 20001;
  Compare(MakeCases<HeadCase>("head", specs), limits);
}

TEST("the emulated head agrees with the reference on 262,208 tokens") {
  std::vector<HeadSpec> specs;
  for (const SamplingParams& sampling : {SamplingParams{}, SamplingParams{.top_k = 64, .top_p = 0.95}}) {
    specs.push_back({.name = Concat("Gemma's vocabulary, top-k ", sampling.top_k, ", top-p ", sampling.top_p),
                     .rows = 1,
                     .dim = 4,
                     .vocab = 262208,
                     .sampling = sampling,
                     .logit_scale = 3,
                     .differentiate = false});
  }
  WorkspaceLimits limits = kTestLimits;
  limits.vocab = 262208;
  Compare(MakeCases<HeadCase>("head", specs), limits);
}

// Rows of given logits: the hidden state of row r picks column r of the weight. Logits must be BF16 numbers.
class GivenLogits : public OpCase {
 public:
  GivenLogits(Ops& ops, const std::vector<std::vector<double>>& rows, int64_t copies = 1) : OpCase(ops), ops_(ops) {
    const auto count = static_cast<int64_t>(rows.size()), vocab = static_cast<int64_t>(rows[0].size());
    const Tensor w = New(DType::kF32, vocab, count);
    for (int64_t v = 0; v < vocab; ++v) {
      for (int64_t r = 0; r < count; ++r) w.Set(v, r, rows[static_cast<size_t>(r)][static_cast<size_t>(v)]);
    }
    weight_ = std::make_unique<CaseWeight>(DType::kF32, DType::kF32, w, false);
    weight_->Pack(ops);
    hidden = New(type_, count * copies, count);
    for (int64_t r = 0; r < hidden.rows(); ++r) hidden.Set(r, r % count, 1);
    uniform = New(DType::kF64, 1, hidden.rows());
    tokens = New(DType::kI32, 1, hidden.rows());
    out.logprob = New(type_, 1, hidden.rows());
    out.entropy = New(type_, 1, hidden.rows());
  }
  void Forward(Ops&) override {}
  HeadParams head(double softcap = 0) const { return {weight_->packed(), softcap}; }
  // Token by row.
  std::vector<int64_t> Sample(const SamplingParams& sampling) {
    ops_.HeadSample(hidden, head(), sampling, uniform, tokens, out);
    std::vector<int64_t> drawn;
    for (int64_t r = 0; r < tokens.cols(); ++r) drawn.push_back(static_cast<int64_t>(tokens.At(0, r)));
    return drawn;
  }
  Tensor hidden, uniform, tokens;
  HeadOutputs out;

 private:
  Ops& ops_;
  std::unique_ptr<CaseWeight> weight_;
};

// Logits that are powers of two's logarithms at this temperature: 0, -1, -2 have probabilities 1, 1/2, 1/4 in
// proportion.
const double kBaseTwo = 1 / std::log(2.0);

TEST("the emulated head draws each token as often as its probability says, on a fine grid of uniform numbers") {
  constexpr int kGrid = 2048;
  HeadCard card(kTestLimits);
  // In sixteenths: 1, 4, 1, 2, 4, 2, 1, 1.
  GivenLogits rows(*card, {{-4, -2, -4, -3, -2, -3, -4, -4}}, 256);
  const std::vector<int64_t> sixteenths = {1, 4, 1, 2, 4, 2, 1, 1};
  std::vector<int64_t> counts(8, 0);
  std::vector<int64_t> order;
  for (int done = 0; done < kGrid; done += 256) {
    for (int64_t r = 0; r < 256; ++r) rows.uniform.Set(0, r, (static_cast<double>(done + r) + 0.5) / kGrid);
    for (int64_t token : rows.Sample({.temperature = kBaseTwo})) {
      ++counts[static_cast<size_t>(token)];
      if (order.empty() || order.back() != token) order.push_back(token);
    }
  }
  for (size_t v = 0; v < 8; ++v) EXPECT_LE(std::abs(counts[v] - sixteenths[v] * kGrid / 16), 1);
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

std::vector<int64_t> Support(GivenLogits& rows, SamplingParams sampling) {
  sampling.temperature = sampling.greedy() ? 0 : kBaseTwo;
  const int64_t count = rows.uniform.cols();
  for (int64_t r = 0; r < count; ++r) {
    rows.uniform.Set(0, r, (static_cast<double>(r) + 0.5) / static_cast<double>(count));
  }
  std::vector<int64_t> seen;
  for (int64_t token : rows.Sample(sampling)) {
    if (seen.empty() || seen.back() != token) seen.push_back(token);
  }
  return seen;
}

TEST("truncation of the emulated head keeps what its definition says at the edges") {
  using Tokens = std::vector<int64_t>;
  HeadCard card(kTestLimits);
  GivenLogits rows(*card, {{-3, -1, -3, -2}}, 32);  // 1/8, 1/2, 1/8, 1/4
  EXPECT_EQ(Support(rows, {}), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(Support(rows, {.top_k = 4, .min_p = 1e-9}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(rows, {.top_k = 3}), (Tokens{1, 3, 0}));
  EXPECT_EQ(Support(rows, {.top_k = 1}), (Tokens{1}));
  EXPECT_EQ(Support(rows, {.top_p = 1e-12}), (Tokens{1}));
  EXPECT_EQ(Support(rows, {.top_p = 0.49}), (Tokens{1}));
  EXPECT_EQ(Support(rows, {.top_p = 0.5}), (Tokens{1}));  // reached, not passed
  EXPECT_EQ(Support(rows, {.top_p = 0.51}), (Tokens{1, 3}));
  EXPECT_EQ(Support(rows, {.top_p = 0.8}), (Tokens{1, 3, 0}));
  EXPECT_EQ(Support(rows, {.top_p = 0.9}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(rows, {.min_p = 0.3}), (Tokens{1, 3}));
  EXPECT_EQ(Support(rows, {.min_p = 0.2}), (Tokens{1, 3, 0, 2}));
  EXPECT_EQ(Support(rows, {.min_p = 1}), (Tokens{1}));
  EXPECT_EQ(Support(rows, {.top_k = 2, .top_p = 0.6}), (Tokens{1}));
  EXPECT_EQ(Support(rows, {.temperature = 0}), (Tokens{1}));
  GivenLogits equal(*card, {{0.5, 0.5, 0.5, 0.5}}, 32);
  EXPECT_EQ(Support(equal, {.min_p = 1}), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(Support(equal, {.top_k = 2}), (Tokens{0, 1}));
  EXPECT_EQ(Support(equal, {.top_p = 0.6}), (Tokens{0, 1, 2}));
  EXPECT_EQ(Support(equal, {.temperature = 0}), (Tokens{0}));
  GivenLogits zeros(*card, {{-0.0, 0.0, -1, -0.0}}, 32);  // both zeros are one number
  EXPECT_EQ(Support(zeros, {.top_k = 2}), (Tokens{0, 1}));
}

// Ties that lie in other parts and segments than the best: all but a few of 20,001 logits are equal.
TEST("a tie over many blocks is cut after its smallest ids") {
  std::vector<double> logits(20001, 1.0);
  logits[17000] = 3;
  logits[5] = 0;
  WorkspaceLimits limits = kTestLimits;
  limits.vocab = 20001;
  HeadCard card(limits);
  GivenLogits rows(*card, {logits}, 3);
  rows.uniform.Set(0, 0, 0);
  rows.uniform.Set(0, 1, 0.9999);
  rows.uniform.Set(0, 2, 0.2);
  // The best weighs exp(2) = 7.389 of 17012.389; ids 0 to 17006 without 5 and 17000 follow it.
  EXPECT_EQ(rows.Sample({.top_k = 17006}), (std::vector<int64_t>{17000, 17005, 3396}));
  rows.uniform.Set(0, 1, 1 - 0x1.0p-53);
  EXPECT_EQ(rows.Sample({.top_k = 17006})[1], 17006);
  EXPECT_NEAR(rows.out.entropy.At(0, 0), 9.74083, 1e-4);
}

// The token of every uniform number, but where rounding may move it over the edge of a token: a mass is an expf with
// about 1e-7 of error, and logits of about 10 are rounded by 5e-7.
TEST("the emulated head draws the reference's tokens for the same uniform numbers") {
  constexpr double kEdge = 2e-6;
  constexpr int64_t kRows = 60, kVocab = 8192;
  const auto reference = CreateReferenceBackend(DType::kF64);
  HeadCard card(kTestLimits);
  int compared = 0, moved = 0;
  for (const SamplingParams& sampling :
       {SamplingParams{}, SamplingParams{.temperature = 0.7}, SamplingParams{.top_p = 0.95},
        SamplingParams{.temperature = 1.3, .top_k = 500, .top_p = 0.9, .min_p = 1e-3}}) {
    std::vector<double> logits;
    for (int64_t v = 0; v < kVocab; ++v) {
      logits.push_back(Bf16ToF32(F32ToBf16(static_cast<float>(12 * UniformFor(5, 0, 0, static_cast<uint32_t>(v))))));
    }
    GivenLogits want(*reference, {logits}, kRows), got(*card, {logits}, kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      const double u = r == 0 ? 0 : r == 1 ? 1 - 0x1.0p-53 : UniformFor(7, 1, 0, static_cast<uint32_t>(r));
      want.uniform.Set(0, r, u);
      got.uniform.Set(0, r, u);
    }
    const std::vector<int64_t> expected = want.Sample(sampling), drawn = got.Sample(sampling);
    GivenLogits above(*reference, {logits}, kRows), below(*reference, {logits}, kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      above.uniform.Set(0, r, std::min(want.uniform.At(0, r) + kEdge, 1 - 0x1.0p-53));
      below.uniform.Set(0, r, std::max(want.uniform.At(0, r) - kEdge, 0.0));
    }
    const std::vector<int64_t> high = above.Sample(sampling), low = below.Sample(sampling);
    for (size_t r = 0; r < kRows; ++r) {
      ++compared;
      if (drawn[r] == expected[r]) continue;
      ++moved;
      EXPECT(drawn[r] == high[r] || drawn[r] == low[r]);
    }
  }
  std::printf("  %d of %d draws at the edge of a token went to its neighbour\n", moved, compared);
  EXPECT_LE(moved, compared / 100);
}

// What the three ops give for rows of random hidden states: all outputs, bit for bit. Hidden states and weights are
// sixteenths, so that logits are exact whichever kernel multiplies.
class WholeHead : public OpCase {
 public:
  WholeHead(Ops& ops, int64_t rows, int64_t vocab) : OpCase(ops, 3), rows_(rows) {
    const Tensor w = Sixteenths(vocab, 1.5);
    weight_ = std::make_unique<CaseWeight>(type_, DType::kF32, w, false);
    weight_->Pack(ops);
    hidden_ = Sixteenths(rows, 1);
    uniform_ = New(DType::kF64, 1, rows);
    for (int64_t r = 0; r < rows; ++r) uniform_.Set(0, r, Uniform(1, r));
    advantage_ = Random(1, rows);
    tokens_ = New(DType::kI32, 1, rows);
    for (int op = 0; op < 3; ++op) {
      outs_[op].logprob = New(type_, 1, rows);
      outs_[op].entropy = New(type_, 1, rows);
    }
    dhidden_ = New(type_, rows, kDim);
  }
  void Forward(Ops&) override {}
  // Rows [first, first + count).
  void Run(Ops& ops, const SamplingParams& sampling, int64_t first, int64_t count) {
    const HeadParams head{weight_->packed(), 0};
    const Tensor hidden = hidden_.Rows(first, count), tokens = tokens_.Cols(first, count);
    HeadTargets targets;
    targets.target = tokens;
    targets.advantage = advantage_.Cols(first, count);
    ops.HeadSample(hidden, head, sampling, uniform_.Cols(first, count), tokens, Part(0, first, count));
    ops.HeadLogprobs(hidden, head, sampling, tokens, Part(1, first, count));
    ops.HeadLoss(hidden, head, sampling, targets, {.kind = TokenLoss::Kind::kGiven}, Part(2, first, count),
                 dhidden_.Rows(first, count), {});
  }
  bool OpsAgree() const {
    return SameBits(outs_[0].logprob, outs_[1].logprob) && SameBits(outs_[0].logprob, outs_[2].logprob) &&
           SameBits(outs_[0].entropy, outs_[1].entropy) && SameBits(outs_[0].entropy, outs_[2].entropy);
  }
  bool Same(const WholeHead& other) const {
    return SameBits(tokens_, other.tokens_) && SameBits(outs_[0].logprob, other.outs_[0].logprob) &&
           SameBits(outs_[0].entropy, other.outs_[0].entropy) && SameBits(dhidden_, other.dhidden_);
  }
  Tensor tokens() const { return tokens_; }
  int64_t rows() const { return rows_; }

 private:
  static constexpr int64_t kDim = 16;
  Tensor Sixteenths(int64_t rows, double scale) {
    const Tensor t = Random(rows, kDim, scale);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < kDim; ++c) t.Set(r, c, std::round(16 * t.At(r, c)) / 16);
    }
    return t;
  }
  HeadOutputs Part(int op, int64_t first, int64_t count) const {
    HeadOutputs out;
    out.logprob = outs_[op].logprob.Cols(first, count);
    out.entropy = outs_[op].entropy.Cols(first, count);
    return out;
  }
  int64_t rows_;
  std::unique_ptr<CaseWeight> weight_;
  Tensor hidden_, uniform_, advantage_, tokens_, dhidden_;
  HeadOutputs outs_[3];
};

const std::vector<SamplingParams> kDistributions = {
    {}, {.temperature = 0}, {.temperature = 0.7, .top_k = 30, .top_p = 0.9}, {.top_p = 0.8}, {.min_p = 0.05}};

WorkspaceLimits LimitsFor(int64_t vocab, int64_t logit_rows) {
  WorkspaceLimits limits = kTestLimits;
  limits.max_rows = limits.max_in = limits.max_out = limits.dim = limits.max_head_rows = 64;
  limits.vocab = vocab;
  limits.head_chunk_bytes = static_cast<size_t>(cuda::HeadStride(vocab) * logit_rows) * sizeof(float);
  return limits;
}

TEST("the emulated head gives the same bits in any chunk, alone or in a batch, and for sampler, scorer and trainer") {
  constexpr int64_t kRows = 6, kVocab = 4099;
  for (const SamplingParams& sampling : kDistributions) {
    HeadCard wide(LimitsFor(kVocab, 18)), narrow(LimitsFor(kVocab, 4)), single(LimitsFor(kVocab, 1));
    WholeHead all(*wide, kRows, kVocab), some(*narrow, kRows, kVocab), one(*single, kRows, kVocab);
    all.Run(*wide, sampling, 0, kRows);
    some.Run(*narrow, sampling, 0, kRows);
    for (int64_t r = 0; r < kRows; ++r) one.Run(*single, sampling, r, 1);
    EXPECT(all.OpsAgree() && some.OpsAgree() && one.OpsAgree());
    EXPECT(all.Same(some));
    EXPECT(all.Same(one));
    EXPECT_LE((*narrow).PeakLogitsBytes(), size_t{4 * kVocab * 4});
    EXPECT_EQ((*single).PeakLogitsBytes(), size_t{kVocab * 4});
    // Negative control: other rows have other bits.
    WholeHead shifted(*wide, kRows, kVocab);
    shifted.Run(*wide, sampling, 0, kRows - 1);
    EXPECT(!all.Same(shifted));
  }
}

TEST("the order of the emulated head's threads does not show in any bit") {
  using cuda::emulator::ThreadOrder;
  constexpr int64_t kRows = 2, kVocab = 16401;
  auto& settings = cuda::emulator::CurrentSettings();
  const auto before = settings;
  for (const SamplingParams& sampling : kDistributions) {
    HeadCard card(LimitsFor(kVocab, 6));
    WholeHead expected(*card, kRows, kVocab);
    settings.order = ThreadOrder::kAscending;
    expected.Run(*card, sampling, 0, kRows);
    for (ThreadOrder order : {ThreadOrder::kDescending, ThreadOrder::kRandom}) {
      settings.order = order;
      WholeHead actual(*card, kRows, kVocab);
      actual.Run(*card, sampling, 0, kRows);
      EXPECT(actual.Same(expected));
    }
    settings = before;
  }
}

TEST("a row of NaN gives NaN logprobs and a token of the vocabulary, and leaves its neighbours alone") {
  HeadCard card(kTestLimits);
  const std::vector<double> nan(600, NAN), plain(600, 1.0);
  for (const SamplingParams& sampling : kDistributions) {
    GivenLogits rows(*card, {nan}), good(*card, {plain});
    rows.Sample(sampling);
    good.Sample(sampling);
    EXPECT(std::isnan(rows.out.logprob.At(0, 0)));
    EXPECT_LE(rows.tokens.At(0, 0), 599.0);
    EXPECT_LE(0.0, rows.tokens.At(0, 0));
    EXPECT(std::isfinite(good.out.logprob.At(0, 0)));
  }
}

TEST("a target that is no token has a NaN logprob") {
  HeadCard card(kTestLimits);
  GivenLogits rows(*card, {{0, 1, 2}}, 3);
  const int32_t targets[] = {-1, 3, 2};
  for (int64_t r = 0; r < 3; ++r) rows.tokens.Set(0, r, targets[r]);
  (*card).HeadLogprobs(rows.hidden, rows.head(), {}, rows.tokens, rows.out);
  EXPECT(std::isnan(rows.out.logprob.At(0, 0)) && std::isnan(rows.out.logprob.At(0, 1)));
  EXPECT_NEAR(rows.out.logprob.At(0, 2), -std::log(1 + std::exp(-1) + std::exp(-2)), 1e-6);
}

// Bytes of global memory by kernel, against what it cannot do without.
TEST("the emulated head reads each logit once for its sums, and once more for each pass that needs it") {
  using cuda::emulator::CountersOf;
  constexpr int64_t kRows = 4, kVocab = 65536;
  HeadCard card(LimitsFor(kVocab, 3 * kRows));
  constexpr auto kLogits = static_cast<double>(kRows * kVocab);
  const auto bytes = [](const char* kernel) { return static_cast<double>(CountersOf(kernel).global_bytes()); };

  WholeHead plain(*card, kRows, kVocab);
  cuda::emulator::ResetCounters();
  plain.Run(*card, {}, 0, kRows);
  EXPECT_EQ(CountersOf("SumParts").launches, 3u);
  EXPECT_LE(bytes("SumParts"), 1.01 * 3 * kLogits * 4);
  EXPECT_LE(bytes("LogitGradients"), 1.1 * kLogits * (4 + 2));
  EXPECT_LE(bytes("DrawTokens"), 1.1 * kRows * (4096 * 4 + 256 * 28));  // a part, and what each thread asks of its row
  EXPECT_EQ(CountersOf("CountBins").launches, 0u);

  WholeHead truncated(*card, kRows, kVocab);
  cuda::emulator::ResetCounters();
  truncated.Run(*card, {.top_k = 50, .top_p = 0.9}, 0, kRows);
  constexpr double kBins = kRows * (kVocab / 16384.0) * 1024 * 12;
  EXPECT_LE(bytes("CountBins"), 1.1 * 3 * (kLogits * 4 + kBins));
  EXPECT_LE(bytes("GatherCandidates"), 1.1 * 3 * kLogits * 4);
  EXPECT_LE(bytes("FindSupport") + bytes("DrawCandidates"), 0.4 * 3 * kLogits * 4);
}

}  // namespace
}  // namespace rlvr::test
