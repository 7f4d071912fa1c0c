// A chunk's logits and their sums.
// 1  one block a row, running maximum       36 rows leave most of a card idle
// 2  one block a part of 4096 logits        a row is read once: a part's logits stay in registers between maximum and
//    sum; the 65 parts of 262,208 tokens are added up in double by one warp
#include "backends/cuda/head_pass.h"

#include <cmath>

namespace rlvr::cuda {

namespace {

constexpr int kFours = kHeadPart / kHeadThreads / 4;

KERNEL(kHeadThreads) SumParts(HeadChunk chunk) {
  SharedCarver carver;
  uint64_t* shared = carver.Take<uint64_t>(kScanRoom);
  const int row = blockIdx.x, part = blockIdx.y;
  const float* logits = chunk.logits + row * chunk.stride;
  float x[kFours][4];
  uint64_t best = 0;
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
    const int first = part * kHeadPart + (i * kHeadThreads + static_cast<int>(threadIdx.x)) * 4;
    LoadFour(logits, first, chunk.vocab, x[i]);
#pragma unroll
    for (int j = 0; j < 4; ++j) best = Larger64()(best, SortKey(x[i][j], first + j));
  }
  best = BlockReduce64(best, Larger64(), shared);

  const float largest = Logit(chunk.map, RawOf(best));
  uint64_t sum = 0, weighted = 0;
#pragma unroll
  for (int i = 0; i < kFours; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float distance = largest - Logit(chunk.map, x[i][j]), mass = expf(-distance);
      sum += Fixed<kPartBits>(mass);
      weighted += Fixed<kPartBits>(mass * distance);
    }
  }
  sum = BlockReduce64(sum, Add64(), shared);
  weighted = BlockReduce64(weighted, Add64(), shared);
  if (threadIdx.x != 0) return;
  HeadPart* to = chunk.parts + static_cast<int64_t>(row) * chunk.part_count + part;
  StoreGlobal(&to->best, best);
  StoreGlobal(&to->sum, sum);
  StoreGlobal(&to->weighted, weighted);
}

// One warp a row. The support is all tokens, until truncation says otherwise.
KERNEL(kWarpSize) CombineParts(HeadChunk chunk) {
  const int row = blockIdx.x;
  const HeadPart* parts = chunk.parts + static_cast<int64_t>(row) * chunk.part_count;
  uint64_t best = 0;
  for (int p = threadIdx.x; p < chunk.part_count; p += kWarpSize) best = Larger64()(best, LoadGlobal(&parts[p].best));
  best = WarpReduce64(best, Larger64());

  const double largest = Logit(chunk.map, RawOf(best));
  double sum = 0, weighted = 0;
  for (int p = threadIdx.x; p < chunk.part_count; p += kWarpSize) {
    const auto part_sum = static_cast<double>(LoadGlobal(&parts[p].sum));
    if (part_sum == 0) continue;
    const double distance = largest - Logit(chunk.map, RawOf(LoadGlobal(&parts[p].best)));
    const double unit = exp(-distance) * kPartUnit;
    sum += unit * part_sum;
    weighted += unit * (static_cast<double>(LoadGlobal(&parts[p].weighted)) + distance * part_sum);
  }
  sum = WarpSum64(sum);
  weighted = WarpSum64(weighted);
  if (threadIdx.x != 0) return;
  HeadRow* to = chunk.distributions + row;
  StoreGlobal(&to->best, best);
  StoreGlobal(&to->least, uint64_t{0});
  StoreGlobal(&to->total, sum);
  StoreGlobal(&to->sum, sum);
  StoreGlobal(&to->entropy, log(sum) + weighted / sum);
}

Truncation TruncationOf(const SamplingParams& sampling, const HeadParams& head) {
  constexpr double kBinsPerNat = 32;
  const int64_t vocab = head.weight.out;
  Truncation truncation;
  truncation.top_k = static_cast<int>(sampling.top_k > 0 ? std::min(sampling.top_k, vocab) : vocab);
  truncation.top_p = sampling.top_p;
  truncation.max_distance = sampling.min_p > 0 ? -std::log(sampling.min_p) : INFINITY;
  truncation.bins_per_raw = static_cast<float>(kBinsPerNat / sampling.temperature);
  // One bin more, for rounding. Under a softcap raw logits lie further apart than that.
  const double bin = truncation.max_distance * kBinsPerNat + 1;
  truncation.min_p_bin =
      head.softcap > 0 || !(bin < kHeadBins - 1) ? kHeadBins - 1 : static_cast<uint32_t>(bin < 0 ? 0 : bin);
  return truncation;
}

}  // namespace

HeadPass::HeadPass(CudaBackend& backend, const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling)
    : backend_(backend), scratch_(backend.scratch().head), hidden_(hidden), weight_(head.weight) {
  RLVR_CHECK(hidden.cols() == head.weight.in, "hidden rows of ", hidden.cols(), " for a head of width ",
             head.weight.in);
  RLVR_CHECK(scratch_.logits != nullptr, "a head op before SetWorkspace()");
  RLVR_CHECK(head.weight.out <= scratch_.vocab && head.weight.in <= scratch_.dim, "a head [", head.weight.out, ", ",
             head.weight.in, "]; the workspace is for ", scratch_.vocab, " tokens and width ", scratch_.dim);
  truncates_ = sampling.truncates() && !sampling.greedy();
  // Chunks of about one size, since few rows are multiplied by other kernels than many.
  const int64_t rows = std::max<int64_t>(hidden.rows(), 1);
  chunk_rows_ = Pieces(rows, Pieces(rows, truncates_ ? scratch_.truncated_rows : scratch_.rows));
  stride_ = HeadStride(head.weight.out);
  const double temperature = sampling.greedy() ? 1 : sampling.temperature;
  map_.factor = static_cast<float>((head.softcap > 0 ? head.softcap : 1) / temperature);
  map_.inverse_cap = head.softcap > 0 ? static_cast<float>(1 / head.softcap) : 0.0f;
  if (truncates_) truncation_ = TruncationOf(sampling, head);
}

size_t HeadPass::logits_bytes() const {
  return static_cast<size_t>(std::min(chunk_rows_, hidden_.rows()) * weight_.out) * sizeof(float);
}

HeadChunk HeadPass::Distribute(int64_t first, int64_t count) const {
  HeadChunk chunk;
  chunk.logits = scratch_.logits;
  chunk.stride = stride_;
  chunk.vocab = static_cast<int>(weight_.out);
  chunk.rows = static_cast<int>(count);
  chunk.part_count = static_cast<int>(Pieces(weight_.out, kHeadPart));
  chunk.segment_count = static_cast<int>(Pieces(weight_.out, kHeadSegment));
  chunk.map = map_;
  chunk.parts = scratch_.parts;
  chunk.distributions = scratch_.distributions;

  const Tensor logits(scratch_.logits, DType::kF32, count, weight_.out, stride_);
  backend_.LinearSlice(hidden_.Rows(first, count), weight_, 0, weight_.out, {}, logits);
  const auto rows = static_cast<unsigned>(count);
  Launch("SumParts", SumParts,
         {dim3(rows, static_cast<unsigned>(chunk.part_count)), dim3(kHeadThreads),
          SharedSize().Add<uint64_t>(kScanRoom).bytes()},
         backend_.stream(), chunk);
  Launch("CombineParts", CombineParts, {dim3(rows), dim3(kWarpSize)}, backend_.stream(), chunk);
  if (truncates_) Truncate(chunk);
  return chunk;
}

}  // namespace rlvr::cuda
