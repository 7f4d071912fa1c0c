#include "backends/cuda/emulator/convert.h"

#include <cmath>
#include <limits>

namespace rlvr::cuda {

namespace {
constexpr int kMantissaBits = 3;
constexpr int kBias = 7;
constexpr float kLargest = 448.0f;
constexpr uint8_t kLargestCode = 0x7e, kNanCode = 0x7f;
}  // namespace

float Fp8ToFloat(uint8_t code) {
  const int exponent = code >> kMantissaBits & 15, mantissa = code & 7;
  const float sign = code & 0x80 ? -1.0f : 1.0f;
  if ((code & 0x7f) == kNanCode) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), 1 - kBias - kMantissaBits);
  return sign * std::ldexp(static_cast<float>(8 + mantissa), exponent - kBias - kMantissaBits);
}

uint8_t ToFp8(float value) {
  if (std::isnan(value)) return kNanCode;
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  const float size = std::fabs(value);
  if (size >= kLargest) return sign | kLargestCode;
  // The spacing of codes at this size: 2^-9 below the smallest normal. nearbyint rounds ties to even.
  const int exponent = size == 0.0f ? 1 - kBias : std::max(std::ilogb(size), 1 - kBias);
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, kMantissaBits - exponent)));
  // steps is 0..15, or 16 where rounding reached the next exponent; adding it to the exponent's code carries rightly.
  return static_cast<uint8_t>(sign | (((exponent + kBias - 1) << kMantissaBits) + steps));
}

}  // namespace rlvr::cuda
