// Blocks of 32: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1. Products d * q are exact in F32 (11 + 8 bits), so the sum with m is the
// only rounding and fused multiply-add changes nothing.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "quant/blocks.h"

namespace rlvr {

namespace {

constexpr int kBlock = 32;
constexpr int kHalf = kBlock / 2;

struct Layout {
  bool has_min;    // m after d, and unsigned values
  bool has_fifth;  // 4 bytes of fifth bits
  int levels() const { return has_fifth ? 32 : 16; }
};

Layout LayoutOf(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return {false, false};
    case DType::kQ4_1: return {true, false};
    case DType::kQ5_0: return {false, true};
    case DType::kQ5_1: return {true, true};
    default: RLVR_CHECK(false, Info(dtype).name, " has no nibbles in blocks of 32");
  }
  return {};
}

void DequantizeQ8(const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  for (int j = 0; j < kBlock; ++j) out[j] = static_cast<float>(static_cast<int8_t>(block[2 + j])) * d;
}

void DequantizeNibbles(Layout layout, const uint8_t* block, float* out) {
  const float d = LoadHalf(block);
  const float m = layout.has_min ? LoadHalf(block + 2) : 0.0f;
  const uint8_t* fifth = block + (layout.has_min ? 4 : 2);
  const uint8_t* nibbles = fifth + (layout.has_fifth ? 4 : 0);
  for (int j = 0; j < kBlock; ++j) {
    int q = j < kHalf ? nibbles[j] & 0xF : nibbles[j - kHalf] >> 4;
    if (layout.has_fifth) q |= ((fifth[j / 8] >> (j % 8)) & 1) << 4;
    out[j] = layout.has_min ? static_cast<float>(q) * d + m : static_cast<float>(q - layout.levels() / 2) * d;
  }
}

void QuantizeQ8(const float* x, uint8_t* block) {
  float largest = 0;
  for (int j = 0; j < kBlock; ++j) largest = std::max(largest, std::fabs(x[j]));
  const float d = largest / 127;
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  StoreHalf(d, block);
  for (int j = 0; j < kBlock; ++j) block[2 + j] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[j] * inverse)));
}

void QuantizeNibbles(Layout layout, const float* x, uint8_t* block) {
  const int levels = layout.levels();
  float d, m = 0;
  if (layout.has_min) {
    const auto [least, most] = std::minmax_element(x, x + kBlock);
    m = *least;
    d = (*most - *least) / static_cast<float>(levels - 1);
  } else {
    // The element of largest magnitude gets the lowest code, which has no positive counterpart.
    float extreme = 0;
    for (int j = 0; j < kBlock; ++j) {
      if (std::fabs(x[j]) > std::fabs(extreme)) extreme = x[j];
    }
    d = extreme / static_cast<float>(-levels / 2);
  }
  const float inverse = d != 0 ? 1.0f / d : 0.0f;
  StoreHalf(d, block);
  if (layout.has_min) StoreHalf(m, block + 2);
  uint8_t* fifth = block + (layout.has_min ? 4 : 2);
  uint8_t* nibbles = fifth + (layout.has_fifth ? 4 : 0);
  std::fill(fifth, nibbles + kHalf, uint8_t{0});
  const float shift = layout.has_min ? 0.5f : static_cast<float>(levels / 2) + 0.5f;
  for (int j = 0; j < kBlock; ++j) {
    const int q = std::clamp(static_cast<int>((x[j] - m) * inverse + shift), 0, levels - 1);
    nibbles[j % kHalf] |= static_cast<uint8_t>((q & 0xF) << (j < kHalf ? 0 : 4));
    if (layout.has_fifth) fifth[j / 8] |= static_cast<uint8_t>((q >> 4) << (j % 8));
  }
}

}  // namespace

void DequantizeBlocks32(DType dtype, const uint8_t* blocks, int64_t block_count, float* out) {
  const size_t bytes = Info(dtype).block_bytes;
  const Layout layout = dtype == DType::kQ8_0 ? Layout{} : LayoutOf(dtype);
  for (int64_t i = 0; i < block_count; ++i, blocks += bytes, out += kBlock) {
    dtype == DType::kQ8_0 ? DequantizeQ8(blocks, out) : DequantizeNibbles(layout, blocks, out);
  }
}

void QuantizeBlocks32(DType dtype, const float* x, int64_t block_count, uint8_t* blocks) {
  const size_t bytes = Info(dtype).block_bytes;
  const Layout layout = dtype == DType::kQ8_0 ? Layout{} : LayoutOf(dtype);
  for (int64_t i = 0; i < block_count; ++i, blocks += bytes, x += kBlock) {
    dtype == DType::kQ8_0 ? QuantizeQ8(x, blocks) : QuantizeNibbles(layout, x, blocks);
  }
}

}  // namespace rlvr
