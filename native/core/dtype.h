// Element types of tensors and weights. Quantised types come in blocks along the row (the input dimension).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/error.h"

namespace rlvr {

enum class DType : uint8_t {
  kF64,
  kF32,
  kBF16,
  kF16,
  kI32,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kF8E4M3,  // one sign, four exponent and three mantissa bits; no infinities, 448 is the largest
  kNF4,     // made while loading (quant/nf4.h): never in a file
};

struct DTypeInfo {
  const char* name;
  int64_t block;       // elements in a block; 1 for plain types
  size_t block_bytes;  // bytes of a block; 0 for NF4, whose scales are those of a whole matrix
};

const DTypeInfo& Info(DType dtype);

// Bytes of `count` elements; count is a multiple of the block. Not for NF4: MatrixBytes() of quant/codec.h.
inline size_t BytesOf(DType dtype, int64_t count) {
  const DTypeInfo& info = Info(dtype);
  RLVR_CHECK(info.block_bytes > 0, "elements of ", info.name, " have no bytes of their own");
  return static_cast<size_t>(count / info.block) * info.block_bytes;
}

inline float Bf16ToF32(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// Rounds to nearest, ties to even; a NaN stays a NaN.
inline uint16_t F32ToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float F16ToF32(uint16_t bits);
uint16_t F32ToF16(float value);

float F8E4M3ToF32(uint8_t bits);
// To nearest, ties to even; what is larger than 448, infinities included, becomes 448. A NaN stays a NaN.
uint8_t F32ToF8E4M3(float value);

}  // namespace rlvr
