// The sum of squares of a tensor in double. Each thread of a number of blocks that the size alone gives adds every
// blocks * threads-th run in order, a fixed tree adds the threads of a block, and one more block adds the blocks the
// same way. The only op that waits.
#include <algorithm>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kFloatRun = 4;

constexpr int kWarps = kThreads / kWarpSize;

size_t SharedBytes() { return SharedSize().Add<double>(kWarps).bytes(); }

DEVICE double WarpSumDouble(double value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kFullMask, value, distance);
  }
  return value;
}

// For the threads of the first warp. `partials` is kWarps doubles of shared memory.
DEVICE double BlockSumDouble(double value, double* partials) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  value = WarpSumDouble(value);
  if (lane == 0) partials[warp] = value;
  __syncthreads();
  return warp == 0 ? WarpSumDouble(lane < kWarps ? partials[lane] : 0.0) : 0.0;
}

template <bool kWide>
KERNEL(kThreads)
SquaresKernel(RowsView<const float> x, Extent extent, double* sums) {
  SharedCarver shared;
  double* partials = shared.Take<double>(kWarps);
  const int64_t runs_per_row = (extent.cols + kFloatRun - 1) / kFloatRun, runs = extent.rows * runs_per_row;
  double sum = 0.0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < runs;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const int64_t row = extent.rows == 1 ? 0 : i / runs_per_row, col = (i - row * runs_per_row) * kFloatRun;
    float run[kFloatRun];
    LoadRun<kWide>(x.At(row, col), RunCount(col, extent.cols, kFloatRun), run);
#pragma unroll
    for (int j = 0; j < kFloatRun; ++j) sum += static_cast<double>(run[j]) * static_cast<double>(run[j]);
  }
  sum = BlockSumDouble(sum, partials);
  if (threadIdx.x == 0) StoreGlobal(sums + blockIdx.x, sum);
}

// sums[count] = the sum of the first `count`.
KERNEL(kThreads)
AddSumsKernel(double* sums, int count) {
  SharedCarver shared;
  double* partials = shared.Take<double>(kWarps);
  double sum = 0.0;
  for (int i = threadIdx.x; i < count; i += kThreads) sum += LoadGlobal(sums + i);
  sum = BlockSumDouble(sum, partials);
  if (threadIdx.x == 0) StoreGlobal(sums + count, sum);
}

}  // namespace

double CudaBackend::SumSquares(const Tensor& x) {
  if (x.empty()) return 0;
  double* sums = scratch().reduce.sums;
  const Extent extent = CommonExtent(x);
  const int64_t runs = extent.rows * ((extent.cols + kFloatRun - 1) / kFloatRun);
  const auto blocks = static_cast<int>(std::min<int64_t>((runs + kThreads - 1) / kThreads, kMostSumBlocks));
  const LaunchShape shape = {dim3(static_cast<unsigned>(blocks)), dim3(kThreads), SharedBytes()};
  WithFlag(RunsAligned<kFloatRun>(extent, x), [&](auto wide) {
    Launch("SumSquares", SquaresKernel<wide()>, shape, stream(), View<const float>(x), extent, sums);
  });
  Launch("SumSquaresBlocks", AddSumsKernel, {dim3(1), dim3(kThreads), SharedBytes()}, stream(), sums, blocks);
  double sum = 0;
  RLVR_CUDA_CHECK(cudaMemcpyAsync(&sum, sums + blocks, sizeof sum, cudaMemcpyDeviceToHost, stream()));
  RLVR_CUDA_CHECK(cudaStreamSynchronize(stream()));
  return sum;
}

}  // namespace rlvr::cuda
