// Rows that are added to rows. A first kernel finds for each place of `rows` whether its value occurs there first, and
// where next; then the block of a first place follows the chain of its value, alone with its row of the result.
#include "backends/cuda/scatter_rows.h"

#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kFindThreads = 256;
constexpr int kScatterThreads = 128;
constexpr int kRunsPerThread = 4;  // 4096 columns a block: the links are few bytes beside the rows
constexpr int kColsPerBlock = kScatterThreads * kRunsPerThread * kRun;

// Every place is compared with every other, in tiles of shared memory: 16 million comparisons for 4096 places.
KERNEL(kFindThreads)
FindRepeatsKernel(const int32_t* rows, int count, int32_t* first, int32_t* next) {
  SharedCarver shared;
  int32_t* tile = shared.Take<int32_t>(kFindThreads);
  const int place = blockIdx.x * kFindThreads + threadIdx.x;
  const int32_t value = place < count ? LoadGlobal(rows + place) : -1;
  int is_first = 1, next_place = -1;
  for (int begin = 0; begin < count; begin += kFindThreads) {
    const int other = begin + threadIdx.x;
    __syncthreads();
    if (other < count) tile[threadIdx.x] = LoadGlobal(rows + other);
    __syncthreads();
    for (int i = 0; i < Smaller(kFindThreads, count - begin); ++i) {
      if (tile[i] != value) continue;
      if (begin + i < place) is_first = 0;
      if (begin + i > place && next_place < 0) next_place = begin + i;
    }
  }
  if (place >= count) return;
  StoreGlobal(first + place, is_first);
  StoreGlobal(next + place, next_place);
}

template <typename T, bool kWide>
KERNEL(kScatterThreads)
ScatterKernel(RowsView<const Bf16> from, const int32_t* rows, const int32_t* first, const int32_t* next, float scale,
              RowsView<T> to, int64_t cols) {
  const int64_t place = blockIdx.x;
  if (LoadGlobal(first + place) == 0) return;
  const int64_t target = LoadGlobal(rows + place);
  const int64_t begin = static_cast<int64_t>(blockIdx.y) * kColsPerBlock + threadIdx.x * kRun;
  float sums[kRunsPerThread][kRun];
#pragma unroll
  for (int j = 0; j < kRunsPerThread; ++j) {
    const int64_t col = begin + j * kScatterThreads * kRun;
    LoadRun<kWide>(static_cast<const T*>(to.At(target, col)), RunCount(col, cols, kRun), sums[j]);
  }
  for (int64_t source = place; source >= 0; source = LoadGlobal(next + source)) {
#pragma unroll
    for (int j = 0; j < kRunsPerThread; ++j) {
      const int64_t col = begin + j * kScatterThreads * kRun;
      float run[kRun];
      LoadRun<kWide>(from.At(source, col), RunCount(col, cols, kRun), run);
#pragma unroll
      for (int i = 0; i < kRun; ++i) sums[j][i] = fmaf(scale, run[i], sums[j][i]);
    }
  }
#pragma unroll
  for (int j = 0; j < kRunsPerThread; ++j) {
    const int64_t col = begin + j * kScatterThreads * kRun;
    StoreRun<kWide>(to.At(target, col), RunCount(col, cols, kRun), sums[j]);
  }
}

}  // namespace

void ScatterAddRows(const char* name, const CudaBackend& backend, const Tensor& from, const Tensor& rows, float scale,
                    const Tensor& to) {
  RLVR_CHECK(rows.cols() == from.rows() && from.cols() == to.cols());
  if (from.empty()) return;
  const ReduceScratch& scratch = backend.scratch().reduce;
  RLVR_CHECK(from.rows() <= scratch.max_places, from.rows(), " rows, reserved for ", scratch.max_places);
  const int32_t* places = View<const int32_t>(rows).data;
  const auto count = static_cast<unsigned>(from.rows());
  Launch("FindRepeats", FindRepeatsKernel,
         {dim3((count + kFindThreads - 1) / kFindThreads), dim3(kFindThreads),
          SharedSize().Add<int32_t>(kFindThreads).bytes()},
         backend.stream(), places, static_cast<int>(count), scratch.first, scratch.next);
  const dim3 grid(count, static_cast<unsigned>((from.cols() + kColsPerBlock - 1) / kColsPerBlock));
  WithElement(to.dtype(), [&](auto element) {
    using T = decltype(element);
    // `to` may have fewer rows than `from`, but only its stride counts.
    WithFlag(RunsAligned<kRun>({from.rows(), from.cols()}, from) && RunsAligned<kRun>({to.rows(), to.cols()}, to),
             [&](auto wide) {
               Launch(name, ScatterKernel<T, wide()>, {grid, dim3(kScatterThreads)}, backend.stream(),
                      View<const Bf16>(from), places, static_cast<const int32_t*>(scratch.first),
                      static_cast<const int32_t*>(scratch.next), scale, View<T>(to), from.cols());
             });
  });
}

}  // namespace rlvr::cuda
