// The end of a matrix product: sums to C, through shared memory, so that every access of C is 16 bytes.
#pragma once

#include "backends/cuda/device.h"

namespace rlvr::cuda {

// C[row, col] (=|+=) alpha * sum + bias[col], rounded once to its type.
struct ProductOutput {
  void* c = nullptr;
  int64_t ld = 0;
  int m = 0;
  int n = 0;
  float alpha = 1;
  const float* bias = nullptr;
  bool is_f32 = false;
  bool accumulate = false;
  bool aligned = false;  // 16-byte rows, and the bias too
};

constexpr int kWarpColumns = 32;    // of the tile that a warp computes
constexpr int kFragmentRows = 16;   // of m16n8k16
constexpr int kStagingStride = 40;  // floats: the rows of four lane groups fall into different banks
constexpr int kStagingFloats = kFragmentRows * kStagingStride;  // a warp's

namespace product_output {

DEVICE float LoadElement(const float* p) { return LoadGlobal(p); }
DEVICE float LoadElement(const Bf16* p) { return ToFloat(LoadGlobal(p)); }
DEVICE void StoreElement(float* p, float value) { StoreGlobal(p, value); }
DEVICE void StoreElement(Bf16* p, float value) { StoreGlobal(p, ToBf16(value)); }

DEVICE void LoadGroup(const float* p, float (&values)[4]) {
  const float4 group = LoadGlobal(reinterpret_cast<const float4*>(p));
  values[0] = group.x, values[1] = group.y, values[2] = group.z, values[3] = group.w;
}
DEVICE void LoadGroup(const Bf16* p, float (&values)[8]) {
  const uint4 group = LoadGlobal(reinterpret_cast<const uint4*>(p));
  values[0] = LowBf16(group.x), values[1] = HighBf16(group.x), values[2] = LowBf16(group.y);
  values[3] = HighBf16(group.y), values[4] = LowBf16(group.z), values[5] = HighBf16(group.z);
  values[6] = LowBf16(group.w), values[7] = HighBf16(group.w);
}
DEVICE void StoreGroup(float* p, const float (&values)[4]) {
  StoreGlobal(reinterpret_cast<float4*>(p), make_float4(values[0], values[1], values[2], values[3]));
}
DEVICE void StoreGroup(Bf16* p, const float (&values)[8]) {
  StoreGlobal(reinterpret_cast<uint4*>(p), make_uint4(PackBf16(values[0], values[1]), PackBf16(values[2], values[3]),
                                                      PackBf16(values[4], values[5]), PackBf16(values[6], values[7])));
}

}  // namespace product_output

// Elements of C in 16 bytes.
template <typename T>
constexpr int kGroup = 16 / static_cast<int>(sizeof(T));

template <typename T>
DEVICE bool IsWholeGroup(const ProductOutput& out, int col) {
  return out.aligned && col + kGroup<T> <= out.n;
}

// Finishes one element of C.
template <typename T>
DEVICE void FinishElement(const ProductOutput& out, int row, int col, float value) {
  T* c = static_cast<T*>(out.c) + row * out.ld + col;
  value *= out.alpha;
  if (out.bias) value += LoadGlobal(out.bias + col);
  if (out.accumulate) value += product_output::LoadElement(c);
  product_output::StoreElement(c, value);
}

// Finishes a whole group of C.
template <typename T>
DEVICE void FinishGroup(const ProductOutput& out, int row, int col, float (&values)[kGroup<T>]) {
  T* c = static_cast<T*>(out.c) + row * out.ld + col;
#pragma unroll
  for (int i = 0; i < kGroup<T>; ++i) values[i] *= out.alpha;
  if (out.bias) {
#pragma unroll
    for (int i = 0; i < kGroup<T>; i += 4) {
      float bias[4];
      product_output::LoadGroup(out.bias + col + i, bias);
#pragma unroll
      for (int e = 0; e < 4; ++e) values[i + e] += bias[e];
    }
  }
  if (out.accumulate) {
    float old[kGroup<T>];
    product_output::LoadGroup(c, old);
#pragma unroll
    for (int i = 0; i < kGroup<T>; ++i) values[i] += old[i];
  }
  product_output::StoreGroup(c, values);
}

// Finishes the 16 x 32 sums that a warp has staged, which belong at (row, col) of C.
template <typename T>
DEVICE void FinishStaged(const float* staging, const ProductOutput& out, int row, int col) {
  constexpr int kLanesPerRow = kWarpColumns / kGroup<T>, kRowsPerPass = kWarpSize / kLanesPerRow;
  const int lane = threadIdx.x % kWarpSize, first = lane % kLanesPerRow * kGroup<T>;
#pragma unroll
  for (int pass = 0; pass < kFragmentRows / kRowsPerPass; ++pass) {
    const int r = pass * kRowsPerPass + lane / kLanesPerRow;
    if (row + r >= out.m) continue;
    const float* staged = staging + r * kStagingStride + first;
    if (IsWholeGroup<T>(out, col + first)) {
      float values[kGroup<T>];
#pragma unroll
      for (int i = 0; i < kGroup<T>; i += 4) {
        const float4 part = *reinterpret_cast<const float4*>(staged + i);
        values[i] = part.x, values[i + 1] = part.y, values[i + 2] = part.z, values[i + 3] = part.w;
      }
      FinishGroup<T>(out, row + r, col + first, values);
    } else {
#pragma unroll 1
      for (int i = 0; i < kGroup<T> && col + first + i < out.n; ++i) {
        FinishElement<T>(out, row + r, col + first + i, staged[i]);
      }
    }
  }
}

// Finishes a warp's (16 kFragments) x 32 sums at (row, col). `staging`: this warp's kStagingFloats of shared memory.
template <int kFragments>
DEVICE void FinishWarpTile(const float (&sums)[kFragments][kWarpColumns / 8][4], float* staging,
                           const ProductOutput& out, int row, int col) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int i = 0; i < kFragments; ++i) {
#pragma unroll
    for (int j = 0; j < kWarpColumns / 8; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float* to = staging + (lane / 4 + 8 * half) * kStagingStride + 8 * j + lane % 4 * 2;
        *reinterpret_cast<float2*>(to) = make_float2(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
      }
    }
    __syncwarp();
    if (out.is_f32) {
      FinishStaged<float>(staging, out, row + i * kFragmentRows, col);
    } else {
      FinishStaged<Bf16>(staging, out, row + i * kFragmentRows, col);
    }
    __syncwarp();
  }
}

}  // namespace rlvr::cuda
