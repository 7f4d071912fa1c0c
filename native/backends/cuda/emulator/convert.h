// Conversions of the device layer on the host, to the bit as the card does them.
#pragma once

#include "backends/cuda/device_types.h"
#include "core/dtype.h"

namespace rlvr::cuda {

// Rounds to nearest, ties to even; every NaN becomes 0x7fff.
inline Bf16 ToBf16(float value) { return {value != value ? uint16_t{0x7fff} : F32ToBf16(value)}; }

inline uint32_t PackBf16(float low, float high) {
  return ToBf16(low).bits | static_cast<uint32_t>(ToBf16(high).bits) << 16;
}

inline float HalfToFloat(uint16_t bits) { return F16ToF32(bits); }

// E4M3: sign, 4 bits of exponent (bias 7), 3 of mantissa; no infinities, 0x7f and 0xff are NaN, the largest is 448.
float Fp8ToFloat(uint8_t code);
// Rounds to nearest, ties to even; beyond 448 saturates; every NaN becomes 0x7f.
uint8_t ToFp8(float value);

}  // namespace rlvr::cuda
