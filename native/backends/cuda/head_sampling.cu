// HeadSample and HeadLogprobs.
// A draw from all tokens is by inverse CDF in id order: the part by the sums of the parts, then the token inside it,
// whose masses are the very integers that were summed. From a truncated distribution: head_truncation.cu.
#include "backends/cuda/head_pass.h"

namespace rlvr::cuda {

namespace {

// Where a row's draw falls.
struct PartGoal {
  int part;
  uint64_t goal;  // the token is the first whose cumulated mass exceeds this
};

// The first part whose cumulated share exceeds the uniform number's; the last with any when rounding leaves the sum
// short. One thread walks: 65 additions.
DEVICE PartGoal FindPart(const HeadPart* parts, int part_count, const double* shares, double goal) {
  double before = 0, chosen_before = 0;
  int chosen = 0;
  for (int p = 0; p < part_count; ++p) {
    if (shares[p] == 0) continue;
    chosen = p;
    chosen_before = before;
    before += shares[p];
    if (before > goal) break;
  }
  const uint64_t sum = LoadGlobal(&parts[chosen].sum);
  const double inside = (goal - chosen_before) / shares[chosen] * static_cast<double>(sum);
  const uint64_t most = sum > 0 ? sum - 1 : 0;
  return {chosen, inside >= static_cast<double>(most) ? most : static_cast<uint64_t>(inside > 0 ? inside : 0)};
}

// One block a row; uniform null: the likeliest token.
KERNEL(kHeadThreads) DrawTokens(HeadChunk chunk, const double* uniform, int32_t* tokens) {
  SharedCarver carver;
  uint64_t* scan = carver.Take<uint64_t>(kScanRoom);
  PartGoal* found = carver.Take<PartGoal>(1);
  double* shares = carver.Take<double>(chunk.part_count);
  const int row = blockIdx.x, thread = threadIdx.x;
  const HeadPart* parts = chunk.parts + static_cast<int64_t>(row) * chunk.part_count;
  const HeadRow* of = chunk.distributions + row;
  const uint64_t best = LoadGlobal(&of->best);
  const double total = LoadGlobal(&of->total);
  // A row without mass (its logits are NaN) has no token to draw either.
  if (thread == 0) StoreGlobal(tokens + row, IdOf(best));
  if (uniform == nullptr || !(total > 0)) return;

  const double largest = Logit(chunk.map, RawOf(best));
  for (int p = thread; p < chunk.part_count; p += kHeadThreads) {
    const double part_sum = static_cast<double>(LoadGlobal(&parts[p].sum));
    const double part_largest = Logit(chunk.map, RawOf(LoadGlobal(&parts[p].best)));
    shares[p] = part_sum == 0 ? 0 : exp(part_largest - largest) * kPartUnit * part_sum;
  }
  __syncthreads();
  if (thread == 0) *found = FindPart(parts, chunk.part_count, shares, LoadGlobal(uniform + row) * total);
  __syncthreads();
  const PartGoal at = *found;

  constexpr int kEach = kHeadPart / kHeadThreads;
  const int first = at.part * kHeadPart + thread * kEach;
  const float* logits = chunk.logits + row * chunk.stride;
  const float part_largest = Logit(chunk.map, RawOf(LoadGlobal(&parts[at.part].best)));
  uint64_t masses[kEach], sum = 0;
#pragma unroll
  for (int i = 0; i < kEach; i += 4) {
    float x[4];
    LoadFour(logits, first + i, chunk.vocab, x);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float distance = part_largest - Logit(chunk.map, x[j]);
      sum += masses[i + j] = Fixed<kPartBits>(expf(-distance));
    }
  }
  uint64_t cumulated = BlockScan64(sum, scan).before;
  if (at.goal < cumulated || at.goal >= cumulated + sum) return;
  int token = first;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    if (at.goal >= cumulated) token = first + i;
    cumulated += masses[i];
  }
  StoreGlobal(tokens + row, token);
}

// One thread a row. logprob, entropy: null when not wanted.
KERNEL(kHeadThreads) ScoreTokens(HeadChunk chunk, const int32_t* tokens, float* logprob, float* entropy) {
  const int row = blockIdx.x * kHeadThreads + threadIdx.x;
  if (row >= chunk.rows) return;
  if (logprob != nullptr) StoreGlobal(logprob + row, static_cast<float>(LogProb(chunk, row, LoadGlobal(tokens + row))));
  if (entropy != nullptr) {
    StoreGlobal(entropy + row, static_cast<float>(LoadGlobal(&chunk.distributions[row].entropy)));
  }
}

void Score(const HeadChunk& chunk, const int32_t* tokens, const HeadOutputs& out, int64_t first, cudaStream_t stream) {
  Launch("ScoreTokens", ScoreTokens,
         {dim3(static_cast<unsigned>(Pieces(chunk.rows, kHeadThreads))), dim3(kHeadThreads)}, stream, chunk, tokens,
         OutputFrom(out.logprob, first), OutputFrom(out.entropy, first));
}

}  // namespace

void HeadPass::Draw(const HeadChunk& chunk, const double* uniform, int32_t* tokens) const {
  if (truncates_) return DrawTruncated(chunk, uniform, tokens);
  Launch("DrawTokens", DrawTokens,
         {dim3(static_cast<unsigned>(chunk.rows)), dim3(kHeadThreads),
          SharedSize().Add<uint64_t>(kScanRoom).Add<PartGoal>(1).Add<double>(chunk.part_count).bytes()},
         backend_.stream(), chunk, uniform, tokens);
}

void CudaBackend::HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                             const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) {
  const HeadPass pass(*this, hidden, head, sampling);
  peak_logits_bytes_ = std::max(peak_logits_bytes_, pass.logits_bytes());
  ForChunks(pass, hidden.rows(), [&](int64_t first, const HeadChunk& chunk) {
    int32_t* drawn = tokens.I32() + first;
    pass.Draw(chunk, sampling.greedy() ? nullptr : uniform.F64() + first, drawn);
    Score(chunk, drawn, out, first, stream());
  });
}

void CudaBackend::HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                               const Tensor& target, const HeadOutputs& out) {
  const HeadPass pass(*this, hidden, head, sampling);
  peak_logits_bytes_ = std::max(peak_logits_bytes_, pass.logits_bytes());
  ForChunks(pass, hidden.rows(),
            [&](int64_t first, const HeadChunk& chunk) { Score(chunk, target.I32() + first, out, first, stream()); });
}

}  // namespace rlvr::cuda
