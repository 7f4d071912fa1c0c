// Conversions of 16-bit floats, all of them, against the definition of the formats.
#include "core/dtype.h"

#include <limits>

#include "core/rng.h"
#include "test.h"

namespace rlvr::test {
namespace {

// The value of a binary float with these field widths, from its definition.
double Decode(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const uint32_t exponent = (bits >> mantissa_bits) & ((1u << exponent_bits) - 1);
  const double sign = bits >> (mantissa_bits + exponent_bits) ? -1 : 1;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1u << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << mantissa_bits), static_cast<int>(exponent) - bias - mantissa_bits);
}

struct Format {
  const char* name;
  int exponent_bits;
  int mantissa_bits;
  float (*decode)(uint16_t);
  uint16_t (*encode)(float);
};
constexpr Format kFormats[] = {{"F16", 5, 10, F16ToF32, F32ToF16}, {"BF16", 8, 7, Bf16ToF32, F32ToBf16}};

TEST("all 65536 values of F16 and BF16 decode to their definition and encode back to the same bits") {
  for (const Format& f : kFormats) {
    int nans = 0;
    for (uint32_t bits = 0; bits < 65536; ++bits) {
      const double expected = Decode(bits, f.exponent_bits, f.mantissa_bits);
      const float value = f.decode(static_cast<uint16_t>(bits));
      if (std::isnan(expected)) {
        ++nans;
        EXPECT(std::isnan(value));
        EXPECT(std::isnan(f.decode(f.encode(value))));
      } else {
        EXPECT_EQ(static_cast<double>(value), expected);
        EXPECT_EQ(std::signbit(value), std::signbit(expected));
        EXPECT_EQ(f.encode(value), bits);
      }
    }
    EXPECT_EQ(nans, 2 * ((1 << f.mantissa_bits) - 1));
  }
}

TEST("between two neighbours F16 and BF16 round to the nearest, and halfway to the even one") {
  for (const Format& f : kFormats) {
    const uint32_t infinity = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
    for (uint32_t low = 0; low + 1 < infinity; ++low) {
      const uint32_t high = low + 1;
      const float a = f.decode(static_cast<uint16_t>(low)), b = f.decode(static_cast<uint16_t>(high));
      const float middle = static_cast<float>((static_cast<double>(a) + b) / 2);  // exact: one bit more
      const uint32_t even = low % 2 == 0 ? low : high;
      for (uint32_t sign : {0u, 0x8000u}) {
        const float s = sign ? -1.0f : 1.0f;
        EXPECT_EQ(f.encode(s * middle), even + sign);
        EXPECT_EQ(f.encode(s * std::nextafter(middle, a)), low + sign);
        EXPECT_EQ(f.encode(s * std::nextafter(middle, b)), high + sign);
      }
    }
  }
}

TEST("F16 and BF16 overflow to infinity only from half a unit above their largest value") {
  EXPECT_EQ(F32ToF16(65504.0f), 0x7bff);
  EXPECT_EQ(F32ToF16(65519.996f), 0x7bff);
  EXPECT_EQ(F32ToF16(65520.0f), 0x7c00);
  EXPECT_EQ(F32ToF16(-1e30f), 0xfc00);
  EXPECT_EQ(F32ToF16(1e-30f), 0);
  EXPECT_EQ(F32ToF16(-1e-30f), 0x8000);
  EXPECT_EQ(F32ToBf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(F32ToBf16(3.3895e38f), 0x7f7f);
}

TEST("bytes of a row follow the block size of its type") {
  EXPECT_EQ(BytesOf(DType::kF32, 3), 12u);
  EXPECT_EQ(BytesOf(DType::kQ8_0, 64), 68u);
  EXPECT_EQ(BytesOf(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(BytesOf(DType::kQ4_K, 256), 144u);
  EXPECT_EQ(BytesOf(DType::kQ6_K, 512), 420u);
  EXPECT_EQ(std::string(Info(DType::kQ5_K).name), "Q5_K");
  EXPECT_THROW_CODE(Info(static_cast<DType>(200)), ErrorCode::kInternal, "unknown dtype");
}

}  // namespace
}  // namespace rlvr::test
