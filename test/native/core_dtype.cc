// Conversions of 16-bit floats, all of them, against the definition of the formats.
#include "core/dtype.h"

#include <limits>

#include "core/rng.h"
#include "core/tensor.h"
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

TEST("all 256 values of F8_E4M3 decode to their definition and encode back to the same bits") {
  int nans = 0;
  for (uint32_t bits = 0; bits < 256; ++bits) {
    const float value = F8E4M3ToF32(static_cast<uint8_t>(bits));
    const uint32_t exponent = (bits >> 3) & 15, mantissa = bits & 7;
    if (exponent == 15 && mantissa == 7) {  // the only code that is no number: there are no infinities
      ++nans;
      EXPECT(std::isnan(value));
      EXPECT(std::isnan(F8E4M3ToF32(F32ToF8E4M3(value))));
      continue;
    }
    const double size =
        exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(mantissa + 8, static_cast<int>(exponent) - 10);
    EXPECT_EQ(static_cast<double>(value), bits < 128 ? size : -size);
    EXPECT_EQ(std::signbit(value), bits >= 128);
    EXPECT_EQ(F32ToF8E4M3(value), bits);
  }
  EXPECT_EQ(nans, 2);
}

TEST("F8_E4M3 rounds to the nearest, halfway to the even one, and stops at 448") {
  for (uint32_t low = 0; low < 0x7e; ++low) {
    const float a = F8E4M3ToF32(static_cast<uint8_t>(low)), b = F8E4M3ToF32(static_cast<uint8_t>(low + 1));
    const float middle = (a + b) / 2;  // exact
    for (uint32_t sign : {0u, 0x80u}) {
      const float s = sign ? -1.0f : 1.0f;
      EXPECT_EQ(F32ToF8E4M3(s * middle), (low % 2 == 0 ? low : low + 1) + sign);
      EXPECT_EQ(F32ToF8E4M3(s * std::nextafter(middle, a)), low + sign);
      EXPECT_EQ(F32ToF8E4M3(s * std::nextafter(middle, b)), low + 1 + sign);
    }
  }
  EXPECT_EQ(F8E4M3ToF32(0x7e), 448.0f);
  for (const float large : {449.0f, 480.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(F32ToF8E4M3(large), 0x7e);
    EXPECT_EQ(F32ToF8E4M3(-large), 0xfe);
  }
  uint8_t bytes[2];
  const Tensor tensor(bytes, DType::kF8E4M3, 1, 2);
  tensor.Set(0, 0, -3.3);
  tensor.Set(0, 1, 1e9);
  EXPECT_EQ(tensor.At(0, 0), -3.25);
  EXPECT_EQ(tensor.At(0, 1), 448.0);
}

TEST("bytes of a row follow the block size of its type") {
  EXPECT_EQ(BytesOf(DType::kF32, 3), 12u);
  EXPECT_EQ(BytesOf(DType::kQ8_0, 64), 68u);
  EXPECT_EQ(BytesOf(DType::kQ4_0, 64), 36u);
  EXPECT_EQ(BytesOf(DType::kQ4_K, 256), 144u);
  EXPECT_EQ(BytesOf(DType::kQ6_K, 512), 420u);
  EXPECT_EQ(std::string(Info(DType::kQ5_K).name), "Q5_K");
  EXPECT_EQ(std::string(Info(DType::kF8E4M3).name), "F8_E4M3");
  EXPECT_EQ(BytesOf(DType::kF8E4M3, 5), 5u);
  EXPECT_EQ(std::string(Info(DType::kNF4).name), "NF4");
  EXPECT_THROW_CODE(Info(static_cast<DType>(200)), ErrorCode::kInternal, "unknown dtype");
}

}  // namespace
}  // namespace rlvr::test
