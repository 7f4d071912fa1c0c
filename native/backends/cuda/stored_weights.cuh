// Weights of each stored type in registers: 16 bytes of codes with what they need to become numbers.
//
// A load is `kOctets` octets (groups of eight consecutive weights) that lie together in 16 bytes: four of 4-bit codes,
// two of int8, one of BF16. A stored type W has
//   struct Row;  W::Open(view, row)                     where a row is
//   struct Packed                                       the bytes as they came, cheap to hold while they are under way
//   W::Load(view, row, k)                               weights [k, k + 8 kOctets) of a row; k is a multiple of that
//   struct Factors;  W::Prepare(packed, tables)         the scales in F32
//   W::Decode(packed, factors, tables, octet, values)   eight weights, with the bits of the codec
//   W::Tables                                           what it looks up in shared memory
// The values are those of quant/codec.h to the last bit: products there are exact in F32, so that fused multiply-add
// changes nothing, but for NF4's, which round each operation.
#pragma once

#include "backends/cuda/device.h"
#include "backends/cuda/weight_view.h"

namespace rlvr::cuda {

constexpr int kOctet = 8;

// small (< 2^23) as a float, less `zero`: its bits behind 2^23, which is cheaper than a conversion, and exact.
DEVICE float SmallToFloat(uint32_t small, float zero) { return FloatOfBits(0x4b000000u | small) - (8388608.0f + zero); }

// The word of octet `octet`; a chain of selects when it is not known at compile time, so that registers stay registers.
DEVICE uint32_t WordOf(const uint4& codes, int octet) {
  return octet == 0 ? codes.x : octet == 1 ? codes.y : octet == 2 ? codes.z : codes.w;
}

// Weight i of a word of codes has its four bits here: the earlier of two in the high nibble.
DEVICE constexpr int NibbleShift(int i) { return 8 * (i / 2) + (i % 2 == 0 ? 4 : 0); }

// a * b + c with a rounding each, which a compiler for the GPU would otherwise fuse.
DEVICE float RoundedMultiplyAdd(float a, float b, float c) {
#ifdef __CUDACC__
  return __fadd_rn(__fmul_rn(a, b), c);
#else
  return a * b + c;
#endif
}

// A row of a type that needs nothing else to find its parts.
struct PlainRow {
  int64_t row;
};

struct NoTables {
  DEVICE explicit NoTables(SharedCarver&) {}
  static SharedSize& AddTo(SharedSize& size) { return size; }
  DEVICE void Fill(const WeightView&) {}
};

// --- BF16, and what is rounded to it ---

struct Bf16Weight {
  static constexpr DType kType = DType::kBF16;
  static constexpr int kOctets = 1;
  static constexpr int kRowTiles = 1;  // of 16 rows a warp in few_rows.cu: its codes fill the registers of two
  using Tables = NoTables;
  using Row = PlainRow;
  struct Packed {
    uint4 codes;
  };
  struct Factors {};

  DEVICE static Row Open(const WeightView&, int64_t row) { return {row}; }
  DEVICE static Packed Load(const WeightView& w, const Row& r, int k) {
    return {LoadGlobal(reinterpret_cast<const uint4*>(w.codes + r.row * w.codes_row + k * int64_t{2}))};
  }
  DEVICE static Factors Prepare(const Packed&, const Tables&) { return {}; }
  DEVICE static void Decode(const Packed& packed, const Factors&, const Tables&, int, float (&values)[kOctet]) {
    const uint32_t pairs[4] = {packed.codes.x, packed.codes.y, packed.codes.z, packed.codes.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[2 * i] = LowBf16(pairs[i]);
      values[2 * i + 1] = HighBf16(pairs[i]);
    }
  }
};

// --- Q8_0 ---

struct Int8Weight {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int kOctets = 2;
  static constexpr int kRowTiles = 2;
  using Tables = NoTables;
  using Row = PlainRow;
  struct Packed {
    uint4 codes;
    uint32_t scale;  // 16 bits, held in a register of its own
  };
  struct Factors {
    float scale;
  };

  DEVICE static Row Open(const WeightView&, int64_t row) { return {row}; }
  DEVICE static Packed Load(const WeightView& w, const Row& r, int k) {
    return {LoadGlobal(reinterpret_cast<const uint4*>(w.codes + r.row * w.codes_row + k)),
            LoadGlobal(reinterpret_cast<const uint16_t*>(w.scales + r.row * w.scales_row) + k / 32)};
  }
  DEVICE static Factors Prepare(const Packed& packed, const Tables&) {
    return {HalfToFloat(static_cast<uint16_t>(packed.scale))};
  }
  DEVICE static void Decode(const Packed& packed, const Factors& factors, const Tables&, int octet,
                            float (&values)[kOctet]) {
    const uint32_t words[2] = {WordOf(packed.codes, 2 * octet), WordOf(packed.codes, 2 * octet + 1)};
#pragma unroll
    for (int i = 0; i < kOctet; ++i) {
      const uint32_t biased = words[i / 4] ^ 0x80808080u;  // code + 128
      values[i] = SmallToFloat((biased >> 8 * (i % 4)) & 0xffu, 128.0f) * factors.scale;
    }
  }
};

// --- the 4-, 5- and 6-bit formats of GGUF ---

template <DType kStored>
struct GgufWeight {
  static constexpr DType kType = kStored;
  static constexpr int kOctets = 4;
  static constexpr int kRowTiles = 2;
  static constexpr bool kHasFifth = kType == DType::kQ5_0 || kType == DType::kQ5_1 || kType == DType::kQ5_K;
  static constexpr bool kHasTwoBits = kType == DType::kQ6_K;
  static constexpr bool kIsK = kType == DType::kQ4_K || kType == DType::kQ5_K || kType == DType::kQ6_K;
  static constexpr bool kHasMin =
      kType == DType::kQ4_1 || kType == DType::kQ5_1 || kType == DType::kQ4_K || kType == DType::kQ5_K;
  // What code stands for zero.
  static constexpr float kZero = kHasMin ? 0.0f : kHasTwoBits ? 32.0f : kHasFifth ? 16.0f : 8.0f;
  using Tables = NoTables;
  using Row = PlainRow;
  struct Packed {
    uint4 codes;
    uint2 high;       // fifth bits in x, or two bits
    uint32_t scales;  // of the unit
    uint32_t super;   // of eight units
  };
  struct Factors {
    float scale[2];  // the second is that of octets 2 and 3 of Q6_K
    float min;
  };

  DEVICE static Row Open(const WeightView&, int64_t row) { return {row}; }
  DEVICE static Packed Load(const WeightView& w, const Row& r, int k) {
    const int unit = k / 32;
    Packed packed = {};
    packed.codes = LoadGlobal(reinterpret_cast<const uint4*>(w.codes + r.row * w.codes_row) + unit);
    const uint8_t* high = w.high + r.row * w.high_row;
    if constexpr (kHasFifth) packed.high.x = LoadGlobal(reinterpret_cast<const uint32_t*>(high) + unit);
    if constexpr (kHasTwoBits) packed.high = LoadGlobal(reinterpret_cast<const uint2*>(high) + unit);
    const uint8_t* scales = w.scales + r.row * w.scales_row;
    if constexpr (kHasMin && !kIsK) {
      packed.scales = LoadGlobal(reinterpret_cast<const uint32_t*>(scales) + unit);
    } else {
      packed.scales = LoadGlobal(reinterpret_cast<const uint16_t*>(scales) + unit);
    }
    const uint8_t* supers = w.supers + r.row * w.supers_row;
    if constexpr (kIsK && kHasMin) packed.super = LoadGlobal(reinterpret_cast<const uint32_t*>(supers) + unit / 8);
    if constexpr (kHasTwoBits) packed.super = LoadGlobal(reinterpret_cast<const uint16_t*>(supers) + unit / 8);
    return packed;
  }

  DEVICE static Factors Prepare(const Packed& packed, const Tables&) {
    const uint32_t scales = packed.scales;
    if constexpr (kHasTwoBits) {
      const float d = HalfToFloat(static_cast<uint16_t>(packed.super));
      const auto first = static_cast<int8_t>(scales & 0xffu), second = static_cast<int8_t>(scales >> 8);
      return {{d * static_cast<float>(first), d * static_cast<float>(second)}, 0};
    } else if constexpr (kIsK) {
      const float d = HalfToFloat(static_cast<uint16_t>(packed.super & 0xffffu));
      const float dmin = HalfToFloat(static_cast<uint16_t>(packed.super >> 16));
      const float scale = d * static_cast<float>(scales & 0xffu);
      return {{scale, scale}, -(dmin * static_cast<float>(scales >> 8))};
    } else {
      const float d = HalfToFloat(static_cast<uint16_t>(scales & 0xffffu));
      return {{d, d}, kHasMin ? HalfToFloat(static_cast<uint16_t>(scales >> 16)) : 0.0f};
    }
  }

  DEVICE static void Decode(const Packed& packed, const Factors& factors, const Tables&, int octet,
                            float (&values)[kOctet]) {
    const uint32_t word = WordOf(packed.codes, octet);
    const uint32_t fifth = packed.high.x >> 8 * octet;
    const uint32_t pairs = (octet < 2 ? packed.high.x : packed.high.y) >> 16 * (octet % 2);
    const float scale = octet < 2 ? factors.scale[0] : factors.scale[1];
#pragma unroll
    for (int i = 0; i < kOctet; ++i) {
      uint32_t code = (word >> NibbleShift(i)) & 15u;
      if constexpr (kHasFifth) code |= ((fifth >> i) & 1u) << 4;
      if constexpr (kHasTwoBits) code |= ((pairs >> 2 * i) & 3u) << 4;
      const float product = SmallToFloat(code, kZero) * scale;
      values[i] = kHasMin ? product + factors.min : product;
    }
  }
};

// --- NF4 ---

// The codebook with a copy for each lane, one bank each, so that a warp's lookups never wait for one another; and what
// absmax codes mean.
class Nf4SharedTables {
 public:
  DEVICE explicit Nf4SharedTables(SharedCarver& carver)
      : codebook_(carver.Take<float>(16 * kWarpSize)), absmax_(carver.Take<float>(kAbsmaxCodes + 1)) {}
  static SharedSize& AddTo(SharedSize& size) {
    return size.template Add<float>(16 * kWarpSize).template Add<float>(kAbsmaxCodes + 1);
  }
  // All threads of the block; a barrier must follow.
  DEVICE void Fill(const WeightView& w) {
    for (int i = threadIdx.x; i < 16 * kWarpSize; i += blockDim.x) {
      codebook_[i] = LoadGlobal(w.tables->codebook + i / kWarpSize);
    }
    for (int i = threadIdx.x; i <= kAbsmaxCodes; i += blockDim.x) {
      absmax_[i] = LoadGlobal(i < kAbsmaxCodes ? w.tables->absmax + i : &w.tables->offset);
    }
  }
  // `offset` is that of the code's copies in bytes, 128 times the code.
  DEVICE float Value(uint32_t offset) const {
    const uint32_t lane = threadIdx.x % kWarpSize * sizeof(float);
    return *reinterpret_cast<const float*>(reinterpret_cast<const char*>(codebook_) + (offset | lane));
  }
  DEVICE float Absmax(uint8_t code) const { return absmax_[code]; }
  DEVICE float offset() const { return absmax_[kAbsmaxCodes]; }

 private:
  static constexpr int kAbsmaxCodes = 256;
  float* codebook_;
  float* absmax_;
};

struct Nf4Weight {
  static constexpr DType kType = DType::kNF4;
  static constexpr int kOctets = 4;
  static constexpr int kRowTiles = 2;
  using Tables = Nf4SharedTables;
  struct Row {
    int64_t row;
    uint32_t first_block;  // in the order of the matrix's source, which the nested scales follow
  };
  struct Packed {
    uint4 codes;
    uint8_t absmax;
    float nested;
  };
  struct Factors {
    float absmax;
  };

  DEVICE static Row Open(const WeightView& w, int64_t row) {
    const int source = row < w.out ? LoadGlobal(reinterpret_cast<const int32_t*>(w.supers) + row) : 0;
    return {row, static_cast<uint32_t>(source) * static_cast<uint32_t>(w.scales_row)};
  }
  DEVICE static Packed Load(const WeightView& w, const Row& r, int k) {
    const uint32_t block = static_cast<uint32_t>(k) / 64;
    return {LoadGlobal(reinterpret_cast<const uint4*>(w.codes + r.row * w.codes_row) + k / 32),
            LoadGlobal(w.scales + r.row * w.scales_row + block), LoadGlobal(w.nested + (r.first_block + block) / 256)};
  }
  DEVICE static Factors Prepare(const Packed& packed, const Tables& tables) {
    return {RoundedMultiplyAdd(tables.Absmax(packed.absmax), packed.nested, tables.offset())};
  }
  DEVICE static void Decode(const Packed& packed, const Factors& factors, const Tables& tables, int octet,
                            float (&values)[kOctet]) {
    const uint32_t word = WordOf(packed.codes, octet);
#pragma unroll
    for (int i = 0; i < kOctet; ++i) {
      constexpr int kStride = 7;  // log2 of the bytes of a code's copies
      const int shift = NibbleShift(i) - kStride;
      const uint32_t offset = (shift < 0 ? word << -shift : word >> shift) & (15u << kStride);
      values[i] = tables.Value(offset) * factors.absmax;
    }
  }
};

// Eight weights as BF16 pairs, each rounded once.
template <typename W>
DEVICE void DecodePairs(const typename W::Packed& packed, const typename W::Factors& factors,
                        const typename W::Tables& tables, int octet, uint32_t (&pairs)[4]) {
  if constexpr (W::kType == DType::kBF16) {
    pairs[0] = packed.codes.x, pairs[1] = packed.codes.y, pairs[2] = packed.codes.z, pairs[3] = packed.codes.w;
  } else {
    float values[kOctet];
    W::Decode(packed, factors, tables, octet, values);
#pragma unroll
    for (int i = 0; i < 4; ++i) pairs[i] = PackBf16(values[2 * i], values[2 * i + 1]);
  }
}

// --- how kernels share out a tile of weights ---

// A group of kLanes threads takes a tile of 32 kLanes weights of a row: four octets each, in 4 / kOctets loads that are
// neighbours of the other threads' loads. Where octet `octet` of thread `lane` begins:
template <int kOctets, int kLanes>
HOST_DEVICE constexpr int OctetStart(int lane, int octet) {
  return kOctet * (kOctets * (kLanes * (octet / kOctets) + lane) + octet % kOctets);
}

// The other way round, of octet number `index` of the tile.
template <int kOctets, int kLanes>
HOST_DEVICE constexpr int OctetOf(int index) {
  return index / (kOctets * kLanes) * kOctets + index % kOctets;
}
template <int kOctets, int kLanes>
HOST_DEVICE constexpr int LaneOf(int index) {
  return index % (kOctets * kLanes) / kOctets;
}

// Calls visit(W()) with the stored type of dtype.
template <typename Visit>
void VisitStoredWeight(DType dtype, const Visit& visit) {
  switch (DeviceType(dtype)) {
    case DType::kBF16: return visit(Bf16Weight());
    case DType::kNF4: return visit(Nf4Weight());
    case DType::kQ8_0: return visit(Int8Weight());
    case DType::kQ4_0: return visit(GgufWeight<DType::kQ4_0>());
    case DType::kQ4_1: return visit(GgufWeight<DType::kQ4_1>());
    case DType::kQ5_0: return visit(GgufWeight<DType::kQ5_0>());
    case DType::kQ5_1: return visit(GgufWeight<DType::kQ5_1>());
    case DType::kQ4_K: return visit(GgufWeight<DType::kQ4_K>());
    case DType::kQ5_K: return visit(GgufWeight<DType::kQ5_K>());
    case DType::kQ6_K: return visit(GgufWeight<DType::kQ6_K>());
    default: RLVR_CHECK(false, Info(dtype).name, " is no weight type");
  }
}

}  // namespace rlvr::cuda
