// Where the small-row linears put their sums: into y, with the bias, or as one part of several that SumParts() adds.
#pragma once

#include "backends/cuda/device.h"
#include "backends/cuda/frozen_linear.h"

namespace rlvr::cuda {

struct LinearOutputs {
  void* y = nullptr;
  int64_t stride = 0;
  bool is_f32 = false;
  bool is_aligned = false;  // four neighbours may be stored at once
  const float* bias = nullptr;
  int64_t out = 0;
  float* parts = nullptr;  // [splits, rows, parts_stride], or null: the only part goes to y
  int64_t parts_stride = 0;
  int64_t rows = 0;
};

// `outputs` a block; the parts begin at `parts`.
inline LinearOutputs OutputsOf(const FrozenLinear& call, int64_t out_blocks, int64_t block_outputs, int64_t splits,
                               float* parts) {
  const auto address = reinterpret_cast<uintptr_t>(call.y);
  LinearOutputs outputs;
  outputs.y = call.y;
  outputs.stride = call.y_stride;
  outputs.is_f32 = call.y_is_f32;
  outputs.is_aligned = call.y_stride % 4 == 0 && address % (call.y_is_f32 ? 16 : 8) == 0;
  outputs.bias = call.bias;
  outputs.out = call.weight.out;
  outputs.parts = splits > 1 ? parts : nullptr;
  outputs.parts_stride = out_blocks * block_outputs;
  outputs.rows = call.rows;
  return outputs;
}

// Finished sums of outputs [first, first + 4) of a row, of which those beyond `out` are dropped.
DEVICE void StoreFour(const LinearOutputs& outputs, int64_t row, int64_t first, float4 sums) {
  float value[4] = {sums.x, sums.y, sums.z, sums.w};
  const int count = outputs.out - first < 4 ? static_cast<int>(outputs.out - first) : 4;
  if (outputs.bias) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < count) value[i] += LoadGlobal(outputs.bias + first + i);
    }
  }
  const int64_t at = row * outputs.stride + first;
  if (outputs.is_f32) {
    float* y = static_cast<float*>(outputs.y) + at;
    if (outputs.is_aligned && count == 4) {
      StoreGlobal(reinterpret_cast<float4*>(y), make_float4(value[0], value[1], value[2], value[3]));
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < count) StoreGlobal(y + i, value[i]);
    }
    return;
  }
  Bf16* y = static_cast<Bf16*>(outputs.y) + at;
  if (outputs.is_aligned && count == 4) {
    StoreGlobal(reinterpret_cast<uint2*>(y), make_uint2(PackBf16(value[0], value[1]), PackBf16(value[2], value[3])));
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < count) StoreGlobal(y + i, ToBf16(value[i]));
  }
}

// Sums of one part of the inner dimension.
DEVICE void StorePart(const LinearOutputs& outputs, int split, int64_t row, int64_t first, float4 sums) {
  if (outputs.parts == nullptr) {
    if (first < outputs.out) StoreFour(outputs, row, first, sums);
    return;
  }
  float* part = outputs.parts + (split * outputs.rows + row) * outputs.parts_stride + first;
  StoreGlobal(reinterpret_cast<float4*>(part), sums);
}

// y = the parts in order + bias.
void SumParts(cudaStream_t stream, const LinearOutputs& outputs, int64_t splits);

// Eight elements of a row of x from k on into shared memory, zeros past its end; `row` null: zeros. The copy is under
// way when vectors may be read, else done.
DEVICE void CopyOctet(uint4* shared, const Bf16* row, int64_t k, int64_t in, bool is_aligned) {
  if (row != nullptr && is_aligned && k + 8 <= in) {
    CpAsync16(shared, row + k);
    return;
  }
  uint32_t pairs[4] = {0, 0, 0, 0};
  if (row != nullptr) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (k + i < in) pairs[i / 2] |= static_cast<uint32_t>(LoadGlobal(row + k + i).bits) << 16 * (i % 2);
    }
  }
  *shared = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// Whether rows of x begin where a vector load may.
inline bool HasAlignedRows(const FrozenLinear& call) {
  return call.x_stride % 8 == 0 && reinterpret_cast<uintptr_t>(call.x) % 16 == 0;
}

}  // namespace rlvr::cuda
