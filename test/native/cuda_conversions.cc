// The number formats of the cuda backend: every code, and the rounding between neighbours.
#include <cstring>

#include "cuda_emulator_kernels.h"
#include "cuda_support.h"
#include "test.h"

namespace rlvr::test {
namespace {

using cuda::Bf16;
using cuda::Fp8ToFloat;
using cuda::ToBf16;
using cuda::ToFp8;

float NextAbove(float value) { return std::nextafter(value, INFINITY); }
float NextBelow(float value) { return std::nextafter(value, -INFINITY); }

TEST("cuda conversions: every Bf16 code comes back, and every NaN as 0x7fff") {
  for (uint32_t code = 0; code <= 0xffff; ++code) {
    const float value = ToFloat(Bf16{static_cast<uint16_t>(code)});
    EXPECT_EQ(ToBf16(value).bits, std::isnan(value) ? 0x7fffu : code);
  }
}

TEST("cuda conversions: between Bf16 neighbours the nearer wins, in the middle the even one") {
  for (uint32_t code = 0; code < 0x7f7f; ++code) {
    const float low = ToFloat(Bf16{static_cast<uint16_t>(code)});
    const float high = ToFloat(Bf16{static_cast<uint16_t>(code + 1)});
    const float middle = static_cast<float>((static_cast<double>(low) + high) / 2);  // exact: F32 has 16 more bits
    EXPECT_EQ(ToBf16(middle).bits, code % 2 == 0 ? code : code + 1);
    EXPECT_EQ(ToBf16(NextBelow(middle)).bits, code);
    EXPECT_EQ(ToBf16(NextAbove(middle)).bits, code + 1);
    EXPECT_EQ(ToBf16(-middle).bits, 0x8000u | (code % 2 == 0 ? code : code + 1));
  }
  EXPECT_EQ(ToBf16(3.4e38f).bits, 0x7f80u);  // beyond the largest by more than half a step: infinity
}

TEST("cuda conversions: a packed pair has its first value in the low half") {
  const uint32_t pair = cuda::PackBf16(1.5f, -2.0f);
  EXPECT_EQ(pair, 0xc0003fc0u);
  EXPECT_EQ(cuda::LowBf16(pair), 1.5f);
  EXPECT_EQ(cuda::HighBf16(pair), -2.0f);
}

TEST("cuda conversions: E4M3 codes that a reader can check by hand") {
  EXPECT_EQ(Fp8ToFloat(0x00), 0.0f);
  EXPECT_EQ(Fp8ToFloat(0x01), 0x1p-9f);
  EXPECT_EQ(Fp8ToFloat(0x07), 7 * 0x1p-9f);
  EXPECT_EQ(Fp8ToFloat(0x08), 0x1p-6f);
  EXPECT_EQ(Fp8ToFloat(0x38), 1.0f);
  EXPECT_EQ(Fp8ToFloat(0x3c), 1.5f);
  EXPECT_EQ(Fp8ToFloat(0x7e), 448.0f);
  EXPECT_EQ(Fp8ToFloat(0xb8), -1.0f);
  EXPECT(std::isnan(Fp8ToFloat(0x7f)));
  EXPECT(std::isnan(Fp8ToFloat(0xff)));
  EXPECT(std::signbit(Fp8ToFloat(0x80)));
}

TEST("cuda conversions: every E4M3 code comes back, neighbours round to nearest even, and the far saturate") {
  for (uint32_t code = 0; code < 0x7e; ++code) {
    const float low = Fp8ToFloat(static_cast<uint8_t>(code)), high = Fp8ToFloat(static_cast<uint8_t>(code + 1));
    EXPECT(low < high);
    const float middle = (low + high) / 2;
    for (const uint32_t sign : {0u, 0x80u}) {
      const float direction = sign ? -1.0f : 1.0f;
      EXPECT_EQ(ToFp8(direction * low), sign | code);
      EXPECT_EQ(ToFp8(direction * middle), sign | (code % 2 == 0 ? code : code + 1));
      EXPECT_EQ(ToFp8(direction * NextBelow(middle)), sign | code);
      EXPECT_EQ(ToFp8(direction * NextAbove(middle)), sign | (code + 1));
    }
  }
  for (const float far : {448.0f, 464.0f, 480.0f, 1e9f, INFINITY}) {
    EXPECT_EQ(ToFp8(far), 0x7eu);
    EXPECT_EQ(ToFp8(-far), 0xfeu);
  }
  EXPECT_EQ(ToFp8(NAN), 0x7fu);
}

TEST("cuda conversions: a kernel converts as the host does") {
  std::vector<float> x;
  for (int i = -600; i <= 600; ++i) x.push_back(static_cast<float>(i) * 0.8173f);
  x.insert(x.end(), {NAN, INFINITY, -INFINITY, 1e-30f, -0.0f});
  const DeviceArray<float> device_x(x);
  DeviceArray<uint16_t> codes(3 * x.size());
  cuda::LaunchConvert(device_x.data(), codes.data(), static_cast<int>(x.size()));
  const std::vector<uint16_t> result = codes.Download();
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(result[i], ToBf16(x[i]).bits);
    EXPECT_EQ(result[x.size() + i], static_cast<uint16_t>(ToFp8(x[i])));
    EXPECT_EQ(result[2 * x.size() + i], ToBf16(Fp8ToFloat(ToFp8(x[i]))).bits);
  }
}

}  // namespace
}  // namespace rlvr::test
