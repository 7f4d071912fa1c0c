// The blocks of quantised rows, as ggml lays them out. "half" is an F16; all is little-endian and tightly packed.
//   32 elements: value = d * q (+ m)
//     Q8_0  half d, int8 q[32]
//     Q4_0  half d, 16 bytes: low nibble of byte j is element j, high nibble element j + 16; q = nibble - 8
//     Q4_1  half d, half m, 16 bytes as above; q = nibble
//     Q5_0  half d, 4 bytes of fifth bits (bit j: element j), 16 bytes as above; q = 5 bits - 16
//     Q5_1  half d, half m, 4 + 16 bytes as above; q = 5 bits
//   256 elements, in sub-blocks with their own scale:
//     Q4_K  half d, half dmin, 12 bytes: eight 6-bit scales s and mins m, 128 bytes of nibbles; 8 sub-blocks of 32:
//           value = d * s * q - dmin * m
//     Q5_K  as Q4_K with 32 bytes of fifth bits before the nibbles
//     Q6_K  128 bytes of low nibbles, 64 bytes of high bit pairs, int8 s[16], half d; 16 sub-blocks of 16:
//           value = d * s * (q - 32)
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace rlvr {

void DequantizeBlocks32(DType dtype, const uint8_t* blocks, int64_t block_count, float* out);
void QuantizeBlocks32(DType dtype, const float* x, int64_t block_count, uint8_t* blocks);
void DequantizeBlocks256(DType dtype, const uint8_t* blocks, int64_t block_count, float* out);
void QuantizeBlocks256(DType dtype, const float* x, int64_t block_count, uint8_t* blocks);

inline float LoadHalf(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return F16ToF32(bits);
}

inline void StoreHalf(float value, uint8_t* at) {
  const uint16_t bits = F32ToF16(value);
  std::memcpy(at, &bits, sizeof bits);
}

}  // namespace rlvr
