// out[0, c] += sum over rows of term(r, c), each column one chain of F32 additions in row order, so that rows in one
// call or in several give the same bits.
// A block has 64 columns. All of its threads compute terms into shared memory, tile by tile, while two warps add up the
// tile before: 64 additions of 4 cycles are less than a tile's reads take, so the chain does not slow the reads down.
#pragma once

#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

constexpr int kSumThreads = 256;
constexpr int kSumCols = 2 * kWarpSize;  // a pair for each lane: a warp reads 128 bytes of a row
constexpr int kSumRows = 64;             // of a tile: eight reads under way for each thread

// Two neighbouring elements; with count 1 only the first is there.
template <bool kPaired>
DEVICE float2 LoadPair(const Bf16* p, int count) {
  if (kPaired && count == 2) {
    const uint32_t pair = LoadGlobal(reinterpret_cast<const uint32_t*>(p));
    return make_float2(LowBf16(pair), HighBf16(pair));
  }
  return make_float2(ToFloat(LoadGlobal(p)), count == 2 ? ToFloat(LoadGlobal(p + 1)) : 0.0f);
}

// Whether pairs of BF16 start at 4-byte boundaries in every row.
template <typename... Tensors>
bool PairsAligned(const Extent& extent, const Tensors&... tensors) {
  auto aligned = [&](const Tensor& t) {
    const size_t gap = extent.rows > 1 ? BytesOf(t.dtype(), t.stride()) : 0;
    return (reinterpret_cast<uintptr_t>(t.data()) | gap) % 4 == 0;
  };
  return (aligned(tensors) && ...);
}

template <typename Term, bool kPaired>
KERNEL(kSumThreads)
ColumnSumKernel(Term term, Extent extent, float* out) {
  SharedCarver shared;
  float2* tiles = shared.Take<float2>(2 * kSumRows * kWarpSize);
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSumCols;
  const int64_t col = first + 2 * lane;
  const int pair = RunCount(col, extent.cols, 2);
  const int64_t own = first + threadIdx.x;  // the column that this thread adds up
  const bool adds = threadIdx.x < kSumCols && own < extent.cols;
  float sum = adds ? LoadGlobal(out + own) : 0.0f;
  int buffer = 0;
  for (int64_t begin = 0; begin < extent.rows; begin += kSumRows, buffer ^= 1) {
    float2* tile = tiles + buffer * kSumRows * kWarpSize;
    const int rows = RunCount(begin, extent.rows, kSumRows);
#pragma unroll
    for (int step = 0; step < kSumRows; step += kSumThreads / kWarpSize) {
      const int r = step + warp;
      if (r < rows && pair > 0) tile[r * kWarpSize + lane] = term.template At<kPaired>(begin + r, col, pair);
    }
    __syncthreads();  // the tile is whole, and the sums of the other buffer's last tile are done
    if (!adds) continue;
    const float* column = reinterpret_cast<const float*>(tile) + threadIdx.x;
    for (int r = 0; r < rows; ++r) sum += column[r * kSumCols];
  }
  if (adds) StoreGlobal(out + own, sum);
}

// Term: template <bool kPaired> float2 At(row, col, count), the terms of two neighbouring columns. out: F32 [1, cols].
template <typename Term>
void AddColumnSums(const char* name, const Term& term, const Extent& extent, bool paired, const Tensor& out,
                   cudaStream_t stream) {
  RLVR_CHECK(out.rows() == 1 && out.cols() == extent.cols, "sums of ", extent.cols, " columns into ", out.cols());
  const LaunchShape shape = {dim3(static_cast<unsigned>((extent.cols + kSumCols - 1) / kSumCols)), dim3(kSumThreads),
                             SharedSize().Add<float2>(2 * kSumRows * kWarpSize).bytes()};
  WithFlag(paired, [&](auto pairs) {
    Launch(name, ColumnSumKernel<Term, pairs()>, shape, stream, term, extent, View<float>(out).data);
  });
}

}  // namespace rlvr::cuda
