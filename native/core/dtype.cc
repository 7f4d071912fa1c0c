#include "core/dtype.h"

#include <cmath>

#include "core/error.h"

namespace rlvr {

const DTypeInfo& Info(DType dtype) {
  static constexpr DTypeInfo kInfo[] = {
      {"F64", 1, 8},      {"F32", 1, 4},      {"BF16", 1, 2},     {"F16", 1, 2},     {"I32", 1, 4},
      {"Q8_0", 32, 34},   {"Q4_0", 32, 18},   {"Q4_1", 32, 20},   {"Q5_0", 32, 22},  {"Q5_1", 32, 24},
      {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"F8_E4M3", 1, 1}, {"NF4", 64, 0},
  };
  const auto index = static_cast<size_t>(dtype);
  RLVR_CHECK(index < sizeof kInfo / sizeof kInfo[0], "unknown dtype ", index);
  return kInfo[index];
}

float F16ToF32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  uint32_t mantissa = bits & 0x3ffu;
  uint32_t wide;
  if (exponent == 0x1fu) {
    wide = sign | 0x7f800000u | (mantissa << 13);
  } else if (exponent != 0) {
    wide = sign | ((exponent + 112u) << 23) | (mantissa << 13);
  } else if (mantissa == 0) {
    wide = sign;
  } else {  // subnormal: shift the leading one into place
    uint32_t shift = 0;
    while (!(mantissa & 0x400u)) {
      mantissa <<= 1;
      ++shift;
    }
    wide = sign | ((113u - shift) << 23) | ((mantissa & 0x3ffu) << 13);
  }
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

uint16_t F32ToF16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // rounds to infinity
  if (magnitude < 0x33000001u) return sign;             // rounds to zero
  const auto exponent = static_cast<int32_t>(magnitude >> 23) - 127;
  uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  const int32_t shift = exponent < -14 ? 13 - 14 - exponent : 13;
  const uint32_t half = 1u << (shift - 1);
  const uint32_t rest = mantissa & ((1u << shift) - 1);
  mantissa >>= shift;
  if (rest > half || (rest == half && (mantissa & 1u))) ++mantissa;
  const uint32_t base = exponent < -14 ? 0 : static_cast<uint32_t>(exponent + 14) << 10;
  return static_cast<uint16_t>(sign + base + mantissa);
}

float F8E4M3ToF32(uint8_t bits) {
  const int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  if (exponent == 15 && mantissa == 7) return std::nanf("");
  const int significand = exponent == 0 ? mantissa : 8 + mantissa;
  const float value = std::ldexp(static_cast<float>(significand), (exponent == 0 ? 1 : exponent) - 10);
  return (bits & 0x80u) != 0 ? -value : value;
}

uint8_t F32ToF8E4M3(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7fu;
  if (magnitude >= 0x43e00000u) return sign | 0x7eu;  // 448
  if (magnitude < 0x3c800000u) {                      // under 2^-6: multiples of 2^-9
    return static_cast<uint8_t>(sign | static_cast<uint8_t>(std::nearbyint(std::fabs(value) * 512.0f)));
  }
  const uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
  return static_cast<uint8_t>(sign | ((rounded >> 20) - (120u << 3)));  // 120: the difference of the biases
}

}  // namespace rlvr
