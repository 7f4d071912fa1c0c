// Blocks of 256 with sub-block scales: Q4_K, Q5_K, Q6_K.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "quant/blocks.h"

namespace rlvr {

namespace {

constexpr int kBlock = 256;
constexpr int kSub = 32;  // Q4_K, Q5_K
constexpr int kSubs = kBlock / kSub;
constexpr int kScaleBytes = 12;
constexpr int kSub6 = 16;  // Q6_K
constexpr int kSubs6 = kBlock / kSub6;

struct ScaleMin {
  int scale;
  int min;
};

// The 6-bit scale and min of sub-block j. Bytes 0..3 and 4..7 hold scales and mins 0..3 in their low six bits; bytes
// 8..11 hold the low nibbles of 4..7 (scale low, min high), whose upper two bits are the upper bits of bytes 0..7.
ScaleMin UnpackScale(const uint8_t* packed, int j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 0xF) | (packed[j - 4] >> 6) << 4, (packed[j + 4] >> 4) | (packed[j] >> 6) << 4};
}

void PackScale(ScaleMin value, int j, uint8_t* packed) {
  if (j < 4) {
    packed[j] = static_cast<uint8_t>(packed[j] | value.scale);
    packed[j + 4] = static_cast<uint8_t>(packed[j + 4] | value.min);
    return;
  }
  packed[j + 4] = static_cast<uint8_t>((value.scale & 0xF) | (value.min & 0xF) << 4);
  packed[j - 4] = static_cast<uint8_t>(packed[j - 4] | (value.scale >> 4) << 6);
  packed[j] = static_cast<uint8_t>(packed[j] | (value.min >> 4) << 6);
}

// Q4_K and Q5_K. Sub-blocks 2i and 2i + 1 share the nibbles [32 i, 32 i + 32), low and high; bit j of the fifth-bit
// byte l belongs to element l of sub-block j. The products are exact, the subtraction is the only rounding.
void DequantizeWithMin(bool has_fifth, const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  const uint8_t* packed = block + 4;
  const uint8_t* fifth = packed + kScaleBytes;
  const uint8_t* nibbles = fifth + (has_fifth ? kSub : 0);
  for (int j = 0; j < kSubs; ++j) {
    const ScaleMin sub = UnpackScale(packed, j);
    const float scale = d * static_cast<float>(sub.scale);
    const float min = dmin * static_cast<float>(sub.min);
    for (int l = 0; l < kSub; ++l) {
      int q = (nibbles[kSub * (j / 2) + l] >> (4 * (j % 2))) & 0xF;
      if (has_fifth) q |= ((fifth[l] >> j) & 1) << 4;
      out[kSub * j + l] = scale * static_cast<float>(q) - min;
    }
  }
}

void QuantizeWithMin(bool has_fifth, const float* x, uint8_t* block) {
  const int levels = has_fifth ? 32 : 16;
  std::array<float, kSubs> scales, mins;
  for (int j = 0; j < kSubs; ++j) {
    const auto [least, most] = std::minmax_element(x + kSub * j, x + kSub * (j + 1));
    mins[static_cast<size_t>(j)] = std::max(0.0f, -*least);
    scales[static_cast<size_t>(j)] =
        (std::max(*most, 0.0f) + mins[static_cast<size_t>(j)]) / static_cast<float>(levels - 1);
  }
  StoreHalf(*std::max_element(scales.begin(), scales.end()) / 63, block);
  StoreHalf(*std::max_element(mins.begin(), mins.end()) / 63, block + 2);
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  uint8_t* packed = block + 4;
  uint8_t* fifth = packed + kScaleBytes;
  uint8_t* nibbles = fifth + (has_fifth ? kSub : 0);
  std::fill(packed, nibbles + kBlock / 2, uint8_t{0});
  const auto code = [](float value, float unit) {
    return unit > 0 ? std::clamp(static_cast<int>(std::lround(value / unit)), 0, 63) : 0;
  };
  for (int j = 0; j < kSubs; ++j) {
    const ScaleMin sub = {code(scales[static_cast<size_t>(j)], d), code(mins[static_cast<size_t>(j)], dmin)};
    PackScale(sub, j, packed);
    const float scale = d * static_cast<float>(sub.scale);
    const float min = dmin * static_cast<float>(sub.min);
    for (int l = 0; l < kSub; ++l) {
      const float wanted = scale > 0 ? (x[kSub * j + l] + min) / scale : 0.0f;
      const int q = static_cast<int>(std::lround(std::clamp(wanted, 0.0f, static_cast<float>(levels - 1))));
      uint8_t& byte = nibbles[kSub * (j / 2) + l];
      byte = static_cast<uint8_t>(byte | (q & 0xF) << (4 * (j % 2)));
      if (has_fifth) fifth[l] = static_cast<uint8_t>(fifth[l] | (q >> 4) << j);
    }
  }
}

// Q6_K, where element i of a 128-element half h has: low nibble in byte 64 h + i % 64, upper half of the byte when
// i >= 64; bit pair i / 32 of byte 128 + 32 h + i % 32.
struct Place6 {
  int low_byte;
  int low_shift;
  int high_byte;
  int high_shift;
};

Place6 PlaceOf(int element) {
  const int half = element / 128, i = element % 128;
  return {64 * half + i % 64, 4 * (i / 64), 128 + 32 * half + i % 32, 2 * (i / 32)};
}

constexpr int kScales6 = 192;
constexpr int kD6 = kScales6 + kSubs6;

void DequantizeQ6(const uint8_t* block, float* out) {
  const float d = LoadHalf(block + kD6);
  for (int i = 0; i < kBlock; ++i) {
    const Place6 place = PlaceOf(i);
    const int q =
        ((block[place.low_byte] >> place.low_shift) & 0xF) | ((block[place.high_byte] >> place.high_shift) & 3) << 4;
    const auto scale = static_cast<int8_t>(block[kScales6 + i / kSub6]);
    out[i] = d * static_cast<float>(scale) * static_cast<float>(q - 32);
  }
}

void QuantizeQ6(const float* x, uint8_t* block) {
  std::array<float, kSubs6> scales;
  float largest = 0;
  for (int j = 0; j < kSubs6; ++j) {
    float extreme = 0;
    for (int l = 0; l < kSub6; ++l) {
      if (std::fabs(x[kSub6 * j + l]) > std::fabs(extreme)) extreme = x[kSub6 * j + l];
    }
    scales[static_cast<size_t>(j)] = extreme / -32;
    largest = std::max(largest, std::fabs(extreme / -32));
  }
  StoreHalf(largest / 127, block + kD6);
  const float d = LoadHalf(block + kD6);
  std::fill(block, block + kScales6, uint8_t{0});
  for (int j = 0; j < kSubs6; ++j) {
    const float wanted = d > 0 ? scales[static_cast<size_t>(j)] / d : 0.0f;
    const int scale = static_cast<int>(std::lround(std::clamp(wanted, -127.0f, 127.0f)));
    block[kScales6 + j] = static_cast<uint8_t>(static_cast<int8_t>(scale));
    const float unit = d * static_cast<float>(scale);
    for (int l = 0; l < kSub6; ++l) {
      const int i = kSub6 * j + l;
      const float level = unit != 0 ? std::clamp(x[i] / unit, -32.0f, 31.0f) : 0.0f;
      const int q = static_cast<int>(std::lround(level)) + 32;
      const Place6 place = PlaceOf(i);
      block[place.low_byte] = static_cast<uint8_t>(block[place.low_byte] | (q & 0xF) << place.low_shift);
      block[place.high_byte] = static_cast<uint8_t>(block[place.high_byte] | (q >> 4) << place.high_shift);
    }
  }
}

}  // namespace

void DequantizeBlocks256(DType dtype, const uint8_t* blocks, int64_t block_count, float* out) {
  RLVR_CHECK(Info(dtype).block == kBlock, Info(dtype).name);
  const size_t bytes = Info(dtype).block_bytes;
  for (int64_t i = 0; i < block_count; ++i, blocks += bytes, out += kBlock) {
    dtype == DType::kQ6_K ? DequantizeQ6(blocks, out) : DequantizeWithMin(dtype == DType::kQ5_K, blocks, out);
  }
}

void QuantizeBlocks256(DType dtype, const float* x, int64_t block_count, uint8_t* blocks) {
  RLVR_CHECK(Info(dtype).block == kBlock, Info(dtype).name);
  const size_t bytes = Info(dtype).block_bytes;
  for (int64_t i = 0; i < block_count; ++i, blocks += bytes, x += kBlock) {
    dtype == DType::kQ6_K ? QuantizeQ6(x, blocks) : QuantizeWithMin(dtype == DType::kQ5_K, x, blocks);
  }
}

}  // namespace rlvr
