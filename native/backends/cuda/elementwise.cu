// Add, Copy and Zero: one thread a run of eight elements, or 16 bytes where no arithmetic is done. All are bound by
// memory.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"
#include "backends/cuda/units.cuh"

namespace rlvr::cuda {

namespace {

template <typename T, bool kWide>
KERNEL(kRunThreads)
AddKernel(RowsView<const T> x, RowsView<T> y, Extent extent) {
  const Run run = RunOfThread<kRun>(extent);
  if (run.count == 0) return;
  float from[kRun], to[kRun];
  LoadRun<kWide>(x.At(run.row, run.col), run.count, from);
  LoadRun<kWide>(static_cast<const T*>(y.At(run.row, run.col)), run.count, to);
#pragma unroll
  for (int i = 0; i < kRun; ++i) to[i] += from[i];
  StoreRun<kWide>(y.At(run.row, run.col), run.count, to);
}

template <typename From, typename To, bool kWide>
KERNEL(kRunThreads)
ConvertKernel(RowsView<const From> x, RowsView<To> y, Extent extent) {
  const Run run = RunOfThread<kRun>(extent);
  if (run.count == 0) return;
  float values[kRun];
  LoadRun<kWide>(x.At(run.row, run.col), run.count, values);
  StoreRun<kWide>(y.At(run.row, run.col), run.count, values);
}

template <typename Unit>
KERNEL(kRunThreads)
CopyKernel(RowsView<const Unit> x, RowsView<Unit> y, Extent extent) {
  const Run run = RunOfThread<1>(extent);
  if (run.count == 0) return;
  StoreGlobal(y.At(run.row, run.col), LoadGlobal(x.At(run.row, run.col)));
}

template <typename Unit>
KERNEL(kRunThreads)
ZeroKernel(RowsView<Unit> y, Extent extent) {
  const Run run = RunOfThread<1>(extent);
  if (run.count > 0) StoreGlobal(y.At(run.row, run.col), Unit());
}

template <typename From, typename To>
void Convert(const Tensor& x, const Tensor& y, const Extent& extent, cudaStream_t stream) {
  WithFlag(RunsAligned<kRun>(extent, x, y), [&](auto wide) {
    Launch("Convert", ConvertKernel<From, To, wide()>, RunShape<kRun>(extent), stream, View<const From>(x), View<To>(y),
           extent);
  });
}

}  // namespace

void CudaBackend::Add(const Tensor& x, const Tensor& y) {
  if (y.empty()) return;
  const Extent extent = CommonExtent(x, y);
  WithElement(y.dtype(), [&](auto element) {
    using T = decltype(element);
    WithFlag(RunsAligned<kRun>(extent, x, y), [&](auto wide) {
      Launch("Add", AddKernel<T, wide()>, RunShape<kRun>(extent), stream(), View<const T>(x), View<T>(y), extent);
    });
  });
}

void CudaBackend::Copy(const Tensor& x, const Tensor& y) {
  if (y.empty()) return;
  const Extent extent = CommonExtent(x, y);
  if (x.dtype() == y.dtype()) {
    auto copy = [&](auto unit, const Extent& units) {
      using Unit = decltype(unit);
      Launch("Copy", CopyKernel<Unit>, RunShape<1>(units), stream(), UnitView<const Unit>(x), UnitView<Unit>(y), units);
    };
    WithUnit(extent, copy, x, y);
  } else if (x.dtype() == DType::kF32 && y.dtype() == DType::kBF16) {
    Convert<float, Bf16>(x, y, extent, stream());
  } else {
    RLVR_CHECK(x.dtype() == DType::kBF16 && y.dtype() == DType::kF32, "Copy of ", Info(x.dtype()).name, " to ",
               Info(y.dtype()).name);
    Convert<Bf16, float>(x, y, extent, stream());
  }
}

void CudaBackend::Zero(const Tensor& y) {
  if (y.empty()) return;
  auto zero = [&](auto unit, const Extent& units) {
    using Unit = decltype(unit);
    Launch("Zero", ZeroKernel<Unit>, RunShape<1>(units), stream(), UnitView<Unit>(y), units);
  };
  WithUnit(CommonExtent(y), zero, y);
}

}  // namespace rlvr::cuda
