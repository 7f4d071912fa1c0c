// Tensors as rows of untyped units, for ops that only move bits: whole rows of any type, 16 bytes at a time where they
// lie so, else the widest that fits.
#pragma once

#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

// Stride in units.
template <typename Unit>
RowsView<Unit> UnitView(const Tensor& t) {
  return {static_cast<Unit*>(t.data()), static_cast<int64_t>(BytesOf(t.dtype(), t.stride()) / sizeof(Unit))};
}

// Calls f with a value of the widest type that divides the rows, the gaps and the addresses of all tensors, and with
// the extent in units of it.
template <typename F, typename... Tensors>
void WithUnit(const Extent& extent, F&& f, const Tensors&... tensors) {
  const DType dtype = std::get<0>(std::tie(tensors...)).dtype();
  RLVR_CHECK(((tensors.dtype() == dtype) && ...), "the types of ", Info(dtype).name, " and others");
  const size_t width = BytesOf(dtype, extent.cols);
  size_t bits = 16 | width;
  auto include = [&](const Tensor& t) {
    bits |= reinterpret_cast<uintptr_t>(t.data());
    if (t.rows() > 1) bits |= BytesOf(t.dtype(), t.stride());
  };
  (include(tensors), ...);
  auto call = [&](auto unit) { f(unit, Extent{extent.rows, static_cast<int64_t>(width / sizeof unit)}); };
  switch (bits & (~bits + 1)) {
    case 16: return call(uint4());
    case 8: return call(uint2());
    case 4: return call(uint32_t());
    case 2: return call(uint16_t());
    default: return call(uint8_t());
  }
}

}  // namespace rlvr::cuda
