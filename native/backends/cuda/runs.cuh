// Runs of neighbouring elements of a row as F32 in registers, and the launches of kernels that give each thread a run.
// Runs are read by 16-byte accesses where all are whole and start at such a boundary (kWide), else element by element;
// the numbers and their order are the same, so a row's bits do not depend on where it lies. A kernel has one of the two
// ways compiled in: with both it is twice as long and its registers serve the other way too.
#pragma once

#include <type_traits>

#include "backends/cuda/device.h"
#include "core/tensor.h"

namespace rlvr::cuda {

// Elements of a run of BF16: one 16-byte access.
constexpr int kRun = 8;
// Threads of a block of the elementwise kernels: eight warps, of which an SM holds six blocks.
constexpr int kRunThreads = 256;

template <typename T>
constexpr DType kDTypeOf = DType::kF32;
template <>
constexpr DType kDTypeOf<Bf16> = DType::kBF16;
template <>
constexpr DType kDTypeOf<int32_t> = DType::kI32;

// A tensor as kernels take it; stride in elements.
template <typename T>
struct RowsView {
  T* data;
  int64_t stride;
  DEVICE T* At(int64_t row, int64_t col) const { return data + row * stride + col; }
};

template <typename T>
RowsView<T> View(const Tensor& t) {
  constexpr DType kExpected = kDTypeOf<std::remove_const_t<T>>;
  RLVR_CHECK(t.dtype() == kExpected, "tensor is ", Info(t.dtype()).name, ", expected ", Info(kExpected).name);
  return {static_cast<T*>(t.data()), t.stride()};
}

// The shape that a kernel walks over.
struct Extent {
  int64_t rows;
  int64_t cols;
};

// The common shape of tensors of one op; one long row when they all lie without gaps.
template <typename... Others>
Extent CommonExtent(const Tensor& first, const Others&... others) {
  RLVR_CHECK(((others.rows() == first.rows() && others.cols() == first.cols()) && ...), "shapes differ");
  if (first.contiguous() && (others.contiguous() && ...)) return {1, first.size()};
  return {first.rows(), first.cols()};
}

// Whether rows are whole runs, and each starts at a 16-byte boundary in every tensor.
template <int kLength, typename... Tensors>
bool RunsAligned(const Extent& extent, const Tensors&... tensors) {
  auto aligned = [&](const Tensor& t) {
    const size_t gap = extent.rows > 1 ? BytesOf(t.dtype(), t.stride()) : 0;
    return (reinterpret_cast<uintptr_t>(t.data()) | gap) % 16 == 0;
  };
  return extent.cols % kLength == 0 && (aligned(tensors) && ...);
}

// Calls f with std::true_type or std::false_type: a template argument from a value.
template <typename F>
void WithFlag(bool value, F&& f) {
  value ? f(std::true_type()) : f(std::false_type());
}

// Calls f with a value of the element type, whose bits mean nothing.
template <typename F>
void WithElement(DType dtype, F&& f) {
  RLVR_CHECK(dtype == DType::kBF16 || dtype == DType::kF32, "elements of type ", Info(dtype).name);
  dtype == DType::kBF16 ? f(Bf16()) : f(float());
}

// The part of a row that a thread has; count 0 beyond the end.
struct Run {
  int64_t row;
  int64_t col;
  int count;
};

template <typename T>
DEVICE T Smaller(T a, T b) {
  return b < a ? b : a;
}

DEVICE int RunCount(int64_t col, int64_t cols, int longest) {
  const int64_t left = cols - col;
  return left >= longest ? longest : left > 0 ? static_cast<int>(left) : 0;
}

template <int kLength>
DEVICE Run RunOfThread(const Extent& extent) {
  // 32 bits: a division by 64 would cost more than the access. RunShape() refuses more.
  const auto runs = static_cast<uint32_t>((extent.cols + kLength - 1) / kLength);
  const uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
  const uint32_t row = index / runs;
  const int64_t col = static_cast<int64_t>(index - row * runs) * kLength;
  return {row, col, row < extent.rows ? RunCount(col, extent.cols, kLength) : 0};
}

template <int kLength>
LaunchShape RunShape(const Extent& extent) {
  const int64_t runs = extent.rows * ((extent.cols + kLength - 1) / kLength);
  RLVR_CHECK(runs < int64_t{1} << 31, "a tensor of ", extent.rows, " rows and ", extent.cols, " columns");
  return {dim3(static_cast<unsigned>((runs + kRunThreads - 1) / kRunThreads)), dim3(kRunThreads)};
}

// --- BF16 runs, packed ---

// Eight BF16 in four registers.
struct Bf16Run {
  uint32_t pairs[kRun / 2];
  DEVICE float At(int i) const { return i % 2 == 0 ? LowBf16(pairs[i / 2]) : HighBf16(pairs[i / 2]); }
};

// Elements from `count` on are zero. With kWide, count is 0 or all.
template <bool kWide>
DEVICE Bf16Run LoadBf16Run(const Bf16* p, int count) {
  Bf16Run run = {};
  if constexpr (kWide) {
    if (count == 0) return run;
    const uint4 bits = LoadGlobal(reinterpret_cast<const uint4*>(p));
    return {{bits.x, bits.y, bits.z, bits.w}};
  } else {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      if (i < count) run.pairs[i / 2] |= static_cast<uint32_t>(LoadGlobal(p + i).bits) << (i % 2 * 16);
    }
    return run;
  }
}

// --- runs as F32; the same of counts ---

template <bool kWide>
DEVICE void LoadRun(const Bf16* p, int count, float (&values)[kRun]) {
  const Bf16Run run = LoadBf16Run<kWide>(p, count);
#pragma unroll
  for (int i = 0; i < kRun; ++i) values[i] = run.At(i);
}

template <bool kWide, int kLength>
DEVICE void LoadRun(const float* p, int count, float (&values)[kLength]) {
  static_assert(kLength % 4 == 0);
  if constexpr (kWide) {
#pragma unroll
    for (int i = 0; i < kLength; i += 4) {
      const float4 four = count > 0 ? LoadGlobal(reinterpret_cast<const float4*>(p + i)) : float4{};
      values[i] = four.x, values[i + 1] = four.y, values[i + 2] = four.z, values[i + 3] = four.w;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kLength; ++i) values[i] = i < count ? LoadGlobal(p + i) : 0.0f;
  }
}

template <bool kWide>
DEVICE void StoreRun(Bf16* p, int count, const float (&values)[kRun]) {
  if constexpr (kWide) {
    if (count == 0) return;
    StoreGlobal(reinterpret_cast<uint4*>(p),
                make_uint4(PackBf16(values[0], values[1]), PackBf16(values[2], values[3]),
                           PackBf16(values[4], values[5]), PackBf16(values[6], values[7])));
  } else {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      if (i < count) StoreGlobal(p + i, ToBf16(values[i]));
    }
  }
}

template <bool kWide, int kLength>
DEVICE void StoreRun(float* p, int count, const float (&values)[kLength]) {
  static_assert(kLength % 4 == 0);
  if constexpr (kWide) {
    if (count == 0) return;
#pragma unroll
    for (int i = 0; i < kLength; i += 4) {
      StoreGlobal(reinterpret_cast<float4*>(p + i),
                  make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]));
    }
  } else {
#pragma unroll
    for (int i = 0; i < kLength; ++i) {
      if (i < count) StoreGlobal(p + i, values[i]);
    }
  }
}

}  // namespace rlvr::cuda
