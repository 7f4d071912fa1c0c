// to = from^T, converting where the types differ. A block turns a tile of 64 x 64 through shared memory, so that reads
// and writes are both runs of rows; one float of padding a row spreads the columns over the banks.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kTile = 64;
constexpr int kTilePitch = kTile + 1;
constexpr int kRunsAcross = kTile / kRun;
constexpr int kThreads = 256;

template <typename From, typename To, bool kWide>
KERNEL(kThreads)
TransposeKernel(RowsView<const From> from, RowsView<To> to, Extent extent, int tiles_across) {
  SharedCarver shared;
  float* tile = shared.Take<float>(kTile * kTilePitch);
  const int64_t top = static_cast<int64_t>(blockIdx.x / tiles_across) * kTile;
  const int64_t left = static_cast<int64_t>(blockIdx.x % tiles_across) * kTile;
  for (int i = threadIdx.x; i < kTile * kRunsAcross; i += kThreads) {
    const int r = i / kRunsAcross, c = i % kRunsAcross * kRun;
    const int count = top + r < extent.rows ? RunCount(left + c, extent.cols, kRun) : 0;
    if (count == 0) continue;
    float run[kRun];
    LoadRun<kWide>(from.At(top + r, left + c), count, run);
#pragma unroll
    for (int j = 0; j < kRun; ++j) tile[r * kTilePitch + c + j] = run[j];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < kTile * kRunsAcross; i += kThreads) {
    const int c = i / kRunsAcross, r = i % kRunsAcross * kRun;
    const int count = left + c < extent.cols ? RunCount(top + r, extent.rows, kRun) : 0;
    if (count == 0) continue;
    float run[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) run[j] = kWide || j < count ? tile[(r + j) * kTilePitch + c] : 0.0f;
    StoreRun<kWide>(to.At(left + c, top + r), count, run);
  }
}

}  // namespace

void CudaBackend::Transpose(const Tensor& from, const Tensor& to) {
  RLVR_CHECK(from.rows() == to.cols() && from.cols() == to.rows());
  if (from.empty()) return;
  const int64_t across = (from.cols() + kTile - 1) / kTile, down = (from.rows() + kTile - 1) / kTile;
  const LaunchShape shape = {dim3(static_cast<unsigned>(across * down)), dim3(kThreads),
                             SharedSize().Add<float>(kTile * kTilePitch).bytes()};
  const bool aligned =
      RunsAligned<kRun>({from.rows(), from.cols()}, from) && RunsAligned<kRun>({to.rows(), to.cols()}, to);
  WithElement(from.dtype(), [&](auto from_element) {
    WithElement(to.dtype(), [&](auto to_element) {
      using From = decltype(from_element);
      using To = decltype(to_element);
      WithFlag(aligned, [&](auto wide) {
        Launch("Transpose", TransposeKernel<From, To, wide()>, shape, stream(), View<const From>(from), View<To>(to),
               Extent{from.rows(), from.cols()}, static_cast<int>(across));
      });
    });
  });
}

}  // namespace rlvr::cuda
