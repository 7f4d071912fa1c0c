// Repacks weights from the order of their file into panels. Works panel by panel straight from the (mapped) file, in
// parallel, with no copy in between. The block formats are those of ggml, and NF4 (quant/nf4.h).
#include "backends/cpu/pack.h"

#include "backends/cpu/weight_layout.h"
#include "quant/nf4.h"

namespace rlvr::cpu {

namespace {

uint16_t Bits16(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bits;
}

uint32_t Bits32(const uint8_t* p) {
  uint32_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bits;
}

// 32 consecutive inputs of one output row.
struct RowBlock {
  uint8_t value[32];                // the unsigned quantum, or the bits of an int8
  uint16_t scale16 = 0, min16 = 0;  // F16 bits, where the format stores them
  float scale[2] = {0, 0};          // F32 products of the K formats, the second for Q6_K
  float min = 0;
};

// Six-bit scale and min number j of a Q4_K or Q5_K block.
void ScaleMinK4(const uint8_t* packed, int j, int& scale, int& min) {
  if (j < 4) {
    scale = packed[j] & 63;
    min = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    min = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

void LowHighNibbles(const uint8_t* q, uint8_t* value) {
  for (int i = 0; i < 16; ++i) {
    value[i] = q[i] & 15;
    value[i + 16] = q[i] >> 4;
  }
}

void FifthBits(uint32_t bits, uint8_t* value) {
  for (int i = 0; i < 32; ++i) value[i] = static_cast<uint8_t>(value[i] | ((bits >> i) & 1u) << 4);
}

// Inputs [32 * block, + 32) of the row of quantised blocks at `row`.
void ReadBlock(DType dtype, const uint8_t* row, int64_t block, RowBlock& out) {
  const uint8_t* p = row + static_cast<size_t>(Info(dtype).block == 32 ? block : block / 8) * Info(dtype).block_bytes;
  const int part = static_cast<int>(block % 8);  // of a K block of 256
  switch (dtype) {
    case DType::kQ8_0:
      out.scale16 = Bits16(p);
      std::memcpy(out.value, p + 2, 32);
      return;
    case DType::kQ4_0:
      out.scale16 = Bits16(p);
      LowHighNibbles(p + 2, out.value);
      return;
    case DType::kQ4_1:
      out.scale16 = Bits16(p);
      out.min16 = Bits16(p + 2);
      LowHighNibbles(p + 4, out.value);
      return;
    case DType::kQ5_0:
      out.scale16 = Bits16(p);
      LowHighNibbles(p + 6, out.value);
      FifthBits(Bits32(p + 2), out.value);
      return;
    case DType::kQ5_1:
      out.scale16 = Bits16(p);
      out.min16 = Bits16(p + 2);
      LowHighNibbles(p + 8, out.value);
      FifthBits(Bits32(p + 4), out.value);
      return;
    case DType::kQ4_K:
    case DType::kQ5_K: {
      int scale, min;
      ScaleMinK4(p + 4, part, scale, min);
      out.scale[0] = F16ToF32(Bits16(p)) * static_cast<float>(scale);
      out.min = -(F16ToF32(Bits16(p + 2)) * static_cast<float>(min));
      const uint8_t* q = p + (dtype == DType::kQ4_K ? 16 : 48) + 32 * (part / 2);
      const int shift = 4 * (part % 2);
      for (int i = 0; i < 32; ++i) {
        const int fifth = dtype == DType::kQ5_K ? ((p[16 + i] >> part) & 1) << 4 : 0;
        out.value[i] = static_cast<uint8_t>(((q[i] >> shift) & 15) | fifth);
      }
      return;
    }
    case DType::kQ6_K: {  // ql[128], qh[64], int8 scales[16], d
      const float d = F16ToF32(Bits16(p + 208));
      for (int g = 0; g < 2; ++g) out.scale[g] = d * static_cast<float>(static_cast<int8_t>(p[192 + 2 * part + g]));
      const uint8_t* low = p + 64 * (part / 4) + 32 * (part % 2);
      const uint8_t* high = p + 128 + 32 * (part / 4);
      const int low_shift = 4 * ((part % 4) / 2), high_shift = 2 * (part % 4);
      for (int i = 0; i < 32; ++i) {
        out.value[i] = static_cast<uint8_t>(((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4);
      }
      return;
    }
    default: RLVR_CHECK(false, "not a quantised type: ", Info(dtype).name);
  }
}

// The same of a row of NF4, whose blocks of 64 are two of these.
void ReadNf4Block(const Nf4Matrix& matrix, int64_t row, int64_t block, RowBlock& out) {
  const uint8_t* codes = matrix.Codes(row) + block * kBlock / 2;
  for (int i = 0; i < kBlock / 2; ++i) {
    out.value[2 * i] = codes[i] >> 4;
    out.value[2 * i + 1] = codes[i] & 15;
  }
  out.scale[0] = matrix.Absmax(row, block * kBlock / kNf4Block);
}

// Output row j of the panel's block at `p`; the block is zero before.
void WriteBlock(const Format& f, const RowBlock& in, int j, std::byte* p) {
  if (f.element == 2) {
    std::memcpy(p + 2 * j, &in.scale16, 2);
    if (f.has_min) std::memcpy(p + MinsOffset(f) + 2 * j, &in.min16, 2);
  } else {
    for (int g = 0; g < f.groups; ++g) std::memcpy(p + 4 * (g * kPanel + j), &in.scale[g], 4);
    if (f.has_min) std::memcpy(p + MinsOffset(f) + 4 * j, &in.min, 4);
  }
  auto* values = reinterpret_cast<uint8_t*>(p + ValuesOffset(f));
  if (f.int8) {
    for (int k = 0; k < 32; ++k) values[k * 32 + j] = in.value[k];
    return;
  }
  const int shift = j < 16 ? 0 : 4;
  for (int k = 0; k < 32; ++k) {
    uint8_t& value = values[NibbleOffset(k, j % 16)];
    value = static_cast<uint8_t>(value | (in.value[k] & 15) << shift);
  }
  auto* planes = reinterpret_cast<uint32_t*>(p + PlanesOffset(f));
  for (int b = 0; b < f.planes; ++b) {
    for (int k = 0; k < 32; ++k) planes[b * 32 + j] |= ((in.value[k] >> (4 + b)) & 1u) << PlaneBit(k, b);
  }
}

template <typename From, typename To, typename Convert>
void PackPlain(const void* row, int64_t in, int j, std::byte* panel, Convert convert) {
  const auto* from = static_cast<const From*>(row);
  auto* to = reinterpret_cast<To*>(panel) + j;
  for (int64_t k = 0; k < in; ++k) {
    From value;
    std::memcpy(&value, from + k, sizeof value);  // the file may not be aligned
    to[k * kPanel] = convert(value);
  }
}

template <typename Read>
void PackBlocks(const Format& f, int64_t in, int j, std::byte* panel, const Read& read) {
  RowBlock block;
  for (int64_t b = 0; b < in / kBlock; ++b) {
    read(b, block);
    WriteBlock(f, block, j, panel + static_cast<size_t>(b) * BlockBytes(f));
  }
}

// Row r of the source becomes output row j of the panel.
void PackRow(const WeightSource& source, const Format& f, int64_t r, int j, std::byte* panel) {
  const DType dtype = source.dtype;
  const int64_t in = source.in;
  if (dtype == DType::kNF4) {
    const Nf4Matrix matrix(source.data, source.out, in);
    return PackBlocks(f, in, j, panel, [&](int64_t b, RowBlock& block) { ReadNf4Block(matrix, r, b, block); });
  }
  const auto* row = static_cast<const uint8_t*>(source.data) + static_cast<size_t>(r) * BytesOf(dtype, in);
  if (f.quantised) {
    PackBlocks(f, in, j, panel, [&](int64_t b, RowBlock& block) { ReadBlock(dtype, row, b, block); });
  } else if (dtype == DType::kF64) {
    PackPlain<double, float>(row, in, j, panel, [](double x) { return static_cast<float>(x); });
  } else if (f.element == 2) {
    PackPlain<uint16_t, uint16_t>(row, in, j, panel, [](uint16_t x) { return x; });
  } else {
    PackPlain<float, float>(row, in, j, panel, [](float x) { return x; });
  }
}

}  // namespace

size_t PackedBytes(DType dtype, int64_t out, int64_t in) {
  const Format f = FormatOf(dtype);
  RLVR_CHECK(dtype != DType::kI32 && dtype != DType::kF8E4M3, "weights of type ", Info(dtype).name);
  RLVR_CHECK(in % Info(dtype).block == 0, Info(dtype).name, " rows of ", in, " elements");
  return PanelBytes(f, in) * static_cast<size_t>(Panels(out));
}

void Pack(ThreadPool& pool, const WeightSource& source, PackedWeight& w) {
  RLVR_CHECK(w.data != nullptr && w.bytes >= PackedBytes(source.dtype, source.out, source.in), "room for a weight");
  w.dtype = source.dtype;
  w.out = source.out;
  w.in = source.in;
  const Format f = FormatOf(source.dtype);
  const size_t panel_bytes = PanelBytes(f, source.in);
  pool.ParallelFor(Panels(source.out), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      std::byte* panel = w.data + static_cast<size_t>(p) * panel_bytes;
      if (f.quantised) std::memset(panel, 0, panel_bytes);  // bits are or-ed in; the weight may be packed again
      for (int64_t j = 0; j < kPanel && p * kPanel + j < source.out; ++j) {
        const int64_t r = p * kPanel + j;
        const int64_t from = source.row_order == nullptr ? r : source.row_order[r];
        PackRow(source, f, from, static_cast<int>(j), panel);
      }
    }
  });
}

}  // namespace rlvr::cpu
