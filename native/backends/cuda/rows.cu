// Rows by index, and sums over rows.
#include "backends/cuda/column_sum.cuh"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/scatter_rows.h"
#include "backends/cuda/units.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kGatherThreads = 128;

// A block a row, so that the index is read once a thread and not once an access.
template <typename Unit>
KERNEL(kGatherThreads)
GatherRowsKernel(RowsView<const Unit> x, const int32_t* rows, RowsView<Unit> y, int64_t units) {
  const int64_t to = blockIdx.x, from = LoadGlobal(rows + to);
  for (int64_t i = threadIdx.x; i < units; i += kGatherThreads) StoreGlobal(y.At(to, i), LoadGlobal(x.At(from, i)));
}

struct PlainTerm {
  RowsView<const Bf16> dy;
  template <bool kPaired>
  DEVICE float2 At(int64_t row, int64_t col, int count) const {
    return LoadPair<kPaired>(dy.At(row, col), count);
  }
};

}  // namespace

void CudaBackend::GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) {
  RLVR_CHECK(rows.cols() == y.rows() && x.cols() == y.cols());
  if (y.empty()) return;
  auto gather = [&](auto unit, const Extent& units) {
    using Unit = decltype(unit);
    Launch("GatherRows", GatherRowsKernel<Unit>, {dim3(static_cast<unsigned>(y.rows())), dim3(kGatherThreads)},
           stream(), UnitView<const Unit>(x), View<const int32_t>(rows).data, UnitView<Unit>(y), units.cols);
  };
  WithUnit({y.rows(), y.cols()}, gather, x, y);
}

void CudaBackend::GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
  ScatterAddRows("GatherRowsBackward", *this, dy, rows, 1.0f, dx);
}

void CudaBackend::SumRows(const Tensor& dy, const Tensor& db) {
  if (dy.empty()) return;
  const Extent extent = {dy.rows(), dy.cols()};
  AddColumnSums("SumRows", PlainTerm{View<const Bf16>(dy)}, extent, PairsAligned(extent, dy), db, stream());
}

}  // namespace rlvr::cuda
