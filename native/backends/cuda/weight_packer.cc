#include "backends/cuda/weight_packer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/codec.h"
#include "quant/nf4.h"

namespace rlvr::cuda {

namespace {

constexpr int kUnit = 32;
constexpr size_t kChunkBytes = size_t{4} << 20;

// Where one row of each plane is being written.
struct RowPlanes {
  uint8_t* codes;
  uint8_t* high;
  uint8_t* scales;
  uint8_t* supers;
};

// Appends `count` bytes.
void Put(uint8_t*& to, const uint8_t* from, size_t count) {
  std::memcpy(to, from, count);
  to += count;
}

// Codes of a unit, four bits to the one plane and what is above them, `high_bits` each, to the other.
void PutCodes(const uint8_t (&code)[kUnit], int high_bits, RowPlanes& to) {
  for (int i = 0; i < kUnit; i += 2) *to.codes++ = static_cast<uint8_t>((code[i] & 15) << 4 | (code[i + 1] & 15));
  if (high_bits == 0) return;
  uint64_t high = 0;
  for (int i = 0; i < kUnit; ++i) high |= static_cast<uint64_t>(code[i] >> 4) << (high_bits * i);
  const auto bytes = static_cast<size_t>(kUnit * high_bits / 8);
  std::memcpy(to.high, &high, bytes);
  to.high += bytes;
}

// --- blocks of 32; the layouts are ggml's ---

void RepackQ8(const uint8_t* block, RowPlanes& to) {
  Put(to.scales, block, 2);
  Put(to.codes, block + 2, kUnit);
}

void RepackNibbles(bool has_min, bool has_fifth, const uint8_t* block, RowPlanes& to) {
  const size_t scale_bytes = has_min ? 4 : 2;
  const uint8_t* fifth = block + scale_bytes;
  const uint8_t* nibbles = fifth + (has_fifth ? 4 : 0);
  uint8_t code[kUnit];
  for (int i = 0; i < kUnit / 2; ++i) {
    code[i] = nibbles[i] & 15;
    code[i + kUnit / 2] = nibbles[i] >> 4;
  }
  if (has_fifth) {
    for (int i = 0; i < kUnit; ++i) code[i] = static_cast<uint8_t>(code[i] | ((fifth[i / 8] >> (i % 8)) & 1) << 4);
  }
  Put(to.scales, block, scale_bytes);
  PutCodes(code, has_fifth ? 1 : 0, to);
}

// --- blocks of 256 ---

// Six-bit scale and min of sub-block j: bytes 0..3 and 4..7 hold those of 0..3 in their low bits; of 4..7 the low
// nibbles are in bytes 8..11, the upper two bits on top of bytes 0..7.
void ScaleMin(const uint8_t* packed, int j, uint8_t (&pair)[2]) {
  if (j < 4) {
    pair[0] = packed[j] & 63;
    pair[1] = packed[j + 4] & 63;
  } else {
    pair[0] = static_cast<uint8_t>((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4);
    pair[1] = static_cast<uint8_t>((packed[j + 4] >> 4) | (packed[j] >> 6) << 4);
  }
}

void RepackWithMin(bool has_fifth, const uint8_t* block, RowPlanes& to) {
  const uint8_t* packed = block + 4;
  const uint8_t* fifth = packed + 12;
  const uint8_t* nibbles = fifth + (has_fifth ? 32 : 0);
  Put(to.supers, block, 4);
  for (int j = 0; j < 8; ++j) {
    uint8_t code[kUnit], pair[2];
    for (int i = 0; i < kUnit; ++i) {
      code[i] = (nibbles[kUnit * (j / 2) + i] >> (4 * (j % 2))) & 15;
      if (has_fifth) code[i] = static_cast<uint8_t>(code[i] | ((fifth[i] >> j) & 1) << 4);
    }
    ScaleMin(packed, j, pair);
    Put(to.scales, pair, 2);
    PutCodes(code, has_fifth ? 1 : 0, to);
  }
}

// Of 128 elements, i has its low nibble in byte i % 64 and two upper bits in byte i % 32 of the high part.
void RepackQ6(const uint8_t* block, RowPlanes& to) {
  const uint8_t* scales = block + 192;
  Put(to.supers, scales + 16, 2);
  for (int j = 0; j < 8; ++j) {
    const uint8_t* low = block + 64 * (j / 4);
    const uint8_t* high = block + 128 + 32 * (j / 4);
    uint8_t code[kUnit];
    for (int l = 0; l < kUnit; ++l) {
      const int i = kUnit * (j % 4) + l;
      code[l] = static_cast<uint8_t>(((low[i % 64] >> (4 * (i / 64))) & 15) | ((high[l] >> (2 * (j % 4))) & 3) << 4);
    }
    Put(to.scales, scales + 2 * j, 2);
    PutCodes(code, 2, to);
  }
}

void RepackBlock(DType type, const uint8_t* block, RowPlanes& to) {
  switch (type) {
    case DType::kQ8_0: return RepackQ8(block, to);
    case DType::kQ4_0: return RepackNibbles(false, false, block, to);
    case DType::kQ4_1: return RepackNibbles(true, false, block, to);
    case DType::kQ5_0: return RepackNibbles(false, true, block, to);
    case DType::kQ5_1: return RepackNibbles(true, true, block, to);
    case DType::kQ4_K: return RepackWithMin(false, block, to);
    case DType::kQ5_K: return RepackWithMin(true, block, to);
    case DType::kQ6_K: return RepackQ6(block, to);
    default: RLVR_CHECK(false, Info(type).name, " has no blocks");
  }
}

// --- rows ---

void RepackPlainRow(DType type, const uint8_t* row, int64_t in, uint8_t* codes) {
  if (type == DType::kBF16) {
    std::memcpy(codes, row, static_cast<size_t>(in) * sizeof(uint16_t));
    return;
  }
  std::vector<float> values(static_cast<size_t>(in));
  DequantizeRow(type, row, in, values.data());
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = F32ToBf16(values[i]);
    std::memcpy(codes + i * sizeof bits, &bits, sizeof bits);
  }
}

// NF4's codes already lie as on the device.
void RepackNf4Row(const WeightSource& source, int64_t from, const RowPlanes& to) {
  const Nf4Layout layout(source.out, source.in);
  const auto* bytes = static_cast<const uint8_t*>(source.data);
  const auto blocks = static_cast<size_t>(source.in / kNf4Block);
  const auto row = static_cast<int32_t>(from);
  std::memcpy(to.codes, Nf4Matrix(bytes, source.out, source.in).Codes(from), static_cast<size_t>(source.in) / 2);
  std::memcpy(to.scales, bytes + layout.absmax + static_cast<size_t>(from) * blocks, blocks);
  std::memcpy(to.supers, &row, sizeof row);
}

void RepackRow(const WeightSource& source, int64_t from, RowPlanes to) {
  const DType type = source.dtype;
  if (type == DType::kNF4) return RepackNf4Row(source, from, to);
  const DTypeInfo& info = Info(type);
  const size_t row_bytes = BytesOf(type, source.in);
  const uint8_t* row = static_cast<const uint8_t*>(source.data) + static_cast<size_t>(from) * row_bytes;
  if (info.block == 1) return RepackPlainRow(type, row, source.in, to.codes);
  for (const uint8_t* block = row; block < row + row_bytes; block += info.block_bytes) RepackBlock(type, block, to);
}

// The parts of NF4 that are not by rows.
void RepackNf4Tables(const WeightSource& source, const WeightLayout& layout, const PackedSink& sink) {
  const Nf4Layout from(source.out, source.in);
  const auto* bytes = static_cast<const uint8_t*>(source.data);
  Nf4Tables tables = {};
  std::copy(kNf4Values.begin(), kNf4Values.end(), tables.codebook);
  std::copy(AbsmaxMap().begin(), AbsmaxMap().end(), tables.absmax);
  std::memcpy(&tables.offset, bytes + from.offset, sizeof tables.offset);
  sink(bytes + from.nested, layout.nested_offset, static_cast<size_t>(from.nested_blocks) * sizeof(float));
  sink(&tables, layout.tables_offset, sizeof tables);
}

}  // namespace

void RepackWeight(const WeightSource& source, const PackedSink& sink) {
  const WeightLayout layout = LayoutOf(source.dtype, source.out, source.in);
  if (source.out == 0 || source.in == 0) return;
  const auto chunk_rows = static_cast<int64_t>(
      std::clamp<size_t>(kChunkBytes / layout.codes.row_bytes, 1, static_cast<size_t>(source.out)));
  std::vector<uint8_t> planes[4];
  const WeightPlane* of[4] = {&layout.codes, &layout.high, &layout.scales, &layout.supers};
  for (int p = 0; p < 4; ++p) planes[p].resize(static_cast<size_t>(chunk_rows) * of[p]->row_bytes);
  for (int64_t first = 0; first < source.out; first += chunk_rows) {
    const int64_t count = std::min(chunk_rows, source.out - first);
    for (int64_t r = 0; r < count; ++r) {
      const auto row = [&](int p) { return planes[p].data() + static_cast<size_t>(r) * of[p]->row_bytes; };
      const int64_t from = source.row_order ? source.row_order[first + r] : first + r;
      RepackRow(source, from, {row(0), row(1), row(2), row(3)});
    }
    for (int p = 0; p < 4; ++p) {
      const size_t bytes = static_cast<size_t>(count) * of[p]->row_bytes;
      if (bytes > 0) sink(planes[p].data(), of[p]->offset + static_cast<size_t>(first) * of[p]->row_bytes, bytes);
    }
  }
  if (source.dtype == DType::kNF4) RepackNf4Tables(source, layout, sink);
}

}  // namespace rlvr::cuda
