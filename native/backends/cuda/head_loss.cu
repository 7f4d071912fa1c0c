// HeadLoss: the token losses, and their gradients by two products with the logits' gradient.
//
// The gradient of a logit is BF16, because the products that take it run on tensor cores: a relative error of 2^-9,
// that of dhidden itself, whose sum over the vocabulary is F32 and is rounded once. But a row's gradients add up to
// nothing, and what the rows of the weight have in common, which is much, cancels; rounded ones do not, and 2^-9 of the
// common part would stay. So what rounding took from a row's sum goes back to the target, in F32. The gradient lies
// over the logits: a segment's BF16 in the first half of its F32, so that no more memory is alive than the logits', and
// each segment is one matrix of all rows, whose product with its rows of the weight adds to dhidden.
#include "backends/cuda/head_pass.h"
#include "backends/cuda/token_loss.cuh"

namespace rlvr::cuda {

namespace {

struct LossOutputs {
  float* logprob;
  float* entropy;
  float* loss;
  float* kl;
  float* clipped;
};

DEVICE void Write(float* to, int row, double value) {
  if (to != nullptr) StoreGlobal(to + row, static_cast<float>(value));
}

// One thread a row: the outputs, and what the gradient takes.
KERNEL(kHeadThreads)
EvaluateRows(HeadChunk chunk, TokenLoss loss, LossInputs inputs, LossOutputs out, double inverse_temperature,
             HeadSlope* slopes) {
  const int row = blockIdx.x * kHeadThreads + threadIdx.x;
  if (row >= chunk.rows) return;
  const int token = LoadGlobal(inputs.target + row);
  const double logprob = LogProb(chunk, row, token);
  const TokenTerms terms = EvaluateToken(loss, inputs, row, logprob);
  const HeadRow* of = chunk.distributions + row;
  Write(out.logprob, row, logprob);
  Write(out.entropy, row, LoadGlobal(&of->entropy));
  Write(out.loss, row, terms.loss);
  Write(out.kl, row, terms.kl);
  Write(out.clipped, row, terms.clipped);

  // dlogprob / dx_v = ((v is the target) - p_v) / temperature, with p that of the distribution the logprob is from.
  const bool inside = TokenInside(chunk, row, token);
  const double own = terms.slope * inverse_temperature;
  StoreGlobal(&slopes[row].least, inside ? LoadGlobal(&of->least) : uint64_t{0});
  StoreGlobal(&slopes[row].own, static_cast<float>(own));
  StoreGlobal(&slopes[row].share, static_cast<float>(-own / LoadGlobal(inside ? &of->sum : &of->total)));
}

// A block a segment of a row: raw logits to the BF16 gradient of the loss in them, in place. The gradient of step i
// lies where the logits of step i / 2 lay, which all threads have read at the barrier of step i.
KERNEL(kHeadThreads)
LogitGradients(HeadChunk chunk, const int32_t* targets, const HeadSlope* slopes, float* logits, float* residuals) {
  SharedCarver carver;
  float* partials = carver.Take<float>(kWarpSize);
  const int row = blockIdx.x, begin = blockIdx.y * kHeadSegment;
  const int end = begin + kHeadSegment < chunk.vocab ? begin + kHeadSegment : chunk.vocab;
  float* from = logits + row * chunk.stride;
  auto* to = reinterpret_cast<uint4*>(from + begin);
  const int target = LoadGlobal(targets + row);
  const uint64_t least = LoadGlobal(&slopes[row].least);
  const float own = LoadGlobal(&slopes[row].own), share = LoadGlobal(&slopes[row].share);
  const float largest = Logit(chunk.map, RawOf(LoadGlobal(&chunk.distributions[row].best)));
  constexpr int kEach = 8;
  float residual = 0;
  for (int step = begin; step < end; step += kHeadThreads * kEach) {
    const int first = step + static_cast<int>(threadIdx.x) * kEach;
    float x[2][4];
    LoadFour(from, first, chunk.vocab, x[0]);
    LoadFour(from, first + 4, chunk.vocab, x[1]);
    __syncthreads();
    if (first >= end) continue;
    float gradients[kEach];
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const float raw = x[i / 4][i % 4];
      const float capped = CappedLogit(chunk.map, raw);
      float gradient =
          SortKey(raw, first + i) >= least ? share * expf(-(largest - ScaledLogit(chunk.map, capped))) : 0.0f;
      if (first + i == target) gradient += own;
      if (chunk.map.inverse_cap > 0) gradient *= 1.0f - capped * capped;
      gradients[i] = first + i < end ? gradient : 0.0f;
    }
    uint32_t pairs[kEach / 2];
#pragma unroll
    for (int i = 0; i < kEach / 2; ++i) {
      pairs[i] = PackBf16(gradients[2 * i], gradients[2 * i + 1]);
      residual += (gradients[2 * i] - LowBf16(pairs[i])) + (gradients[2 * i + 1] - HighBf16(pairs[i]));
    }
    StoreGlobal(to + (first - begin) / kEach, make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]));
  }
  residual = BlockSum(residual, partials);
  if (threadIdx.x == 0) StoreGlobal(residuals + row * chunk.segment_count + blockIdx.y, residual);
}

// dhidden = sum + residual * the target's row of the weight.
KERNEL(kHeadThreads)
FinishHiddenGradient(const float* sums, const float* residuals, int segment_count, const Bf16* target_rows, int dim,
                     Bf16* dhidden, int64_t stride) {
  const int row = blockIdx.x, col = blockIdx.y * kHeadThreads + static_cast<int>(threadIdx.x);
  if (col >= dim) return;
  float residual = 0;
  for (int segment = 0; segment < segment_count; ++segment) {
    residual += LoadGlobal(residuals + row * segment_count + segment);
  }
  const int64_t at = static_cast<int64_t>(row) * dim + col;
  const float own = residual * ToFloat(LoadGlobal(target_rows + at));
  StoreGlobal(dhidden + row * stride + col, ToBf16(LoadGlobal(sums + at) + own));
}

template <typename T>
const T* InputFrom(const Tensor& from, int64_t row) {
  return from.defined() ? static_cast<const T*>(from.data()) + row : nullptr;
}

LossInputs InputsFrom(const HeadTargets& targets, int64_t row) {
  return {InputFrom<int32_t>(targets.target, row), InputFrom<float>(targets.old_logprob, row),
          InputFrom<float>(targets.ref_logprob, row), InputFrom<float>(targets.advantage, row),
          InputFrom<float>(targets.weight, row)};
}

LossOutputs OutputsFrom(const HeadOutputs& out, int64_t row) {
  return {OutputFrom(out.logprob, row), OutputFrom(out.entropy, row), OutputFrom(out.loss, row),
          OutputFrom(out.kl, row), OutputFrom(out.clipped, row)};
}

}  // namespace

void CudaBackend::HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                           const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out,
                           const Tensor& dhidden, const Tensor& dweight) {
  const HeadPass pass(*this, hidden, head, sampling);
  RLVR_CHECK(!dweight.defined() || !pass.truncates(), "full training takes the untruncated distribution");
  peak_logits_bytes_ = std::max(peak_logits_bytes_, pass.logits_bytes());
  const HeadScratch& scratch = scratch_.head;
  const double inverse_temperature = sampling.greedy() ? 1 : 1 / sampling.temperature;
  ForChunks(pass, hidden.rows(), [&](int64_t first, const HeadChunk& chunk) {
    const LossInputs inputs = InputsFrom(targets, first);
    const auto rows = static_cast<unsigned>(chunk.rows);
    Launch("EvaluateRows", EvaluateRows, {dim3(static_cast<unsigned>(Pieces(rows, kHeadThreads))), dim3(kHeadThreads)},
           stream(), chunk, loss, inputs, OutputsFrom(out, first), inverse_temperature, scratch.slopes);
    Launch("LogitGradients", LogitGradients,
           {dim3(rows, static_cast<unsigned>(chunk.segment_count)), dim3(kHeadThreads),
            SharedSize().Add<float>(kWarpSize).bytes()},
           stream(), chunk, inputs.target, scratch.slopes, scratch.logits, scratch.residuals);

    const Tensor sum(scratch.dhidden, DType::kF32, chunk.rows, hidden.cols());
    for (int64_t begin = 0; begin < chunk.vocab; begin += kHeadSegment) {
      const int64_t count = std::min<int64_t>(kHeadSegment, chunk.vocab - begin);
      const Tensor dlogits(scratch.logits + begin, DType::kBF16, chunk.rows, count, 2 * chunk.stride);
      LinearSliceInputGrad(dlogits, head.weight, begin, count, begin > 0, sum);
      if (dweight.defined()) LinearWeightGrad(dlogits, hidden.Rows(first, chunk.rows), dweight.Rows(begin, count));
    }
    if (!dhidden.defined()) return;
    const auto dim = static_cast<int>(hidden.cols());
    Embed(targets.target.Cols(first, chunk.rows), head.weight, 1,
          Tensor(scratch.target_rows, DType::kBF16, chunk.rows, dim));
    Launch("FinishHiddenGradient", FinishHiddenGradient,
           {dim3(rows, static_cast<unsigned>(Pieces(dim, kHeadThreads))), dim3(kHeadThreads)}, stream(),
           scratch.dhidden, scratch.residuals, chunk.segment_count, reinterpret_cast<const Bf16*>(scratch.target_rows),
           dim, static_cast<Bf16*>(dhidden.Rows(first, chunk.rows).data()), dhidden.stride());
  });
}

}  // namespace rlvr::cuda
