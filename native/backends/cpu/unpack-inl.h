// Packed weights to floats: two vectors (32 outputs) for one input at a time, or a run of inputs into a tile.
// 1  widen bytes, take the low and high nibble, look both up in a table of 16 floats (vpermps): three shuffles and a
//    shift for two vectors, on the two ports of which one also multiplies
// 2  sixteen words of four inputs; a mask takes an input's byte where it stands and the conversion makes q * 256^i of
//    it, which scales of scale / 256^i undo exactly: a mask and a conversion a vector, both off the multipliers' ports.
//    A panel of Q4_1 in the L2, Zen 4: 1 row 4.8 cycles an input instead of 6.1, 9 rows 21.4 instead of 22.6, of which
//    20 are multiply-adds; Q6_K 7.4 instead of 9.8
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::Format;
using cpu::FormatOf;
using cpu::kBlock;
using cpu::kPanel;

constexpr int64_t kQuad = 4;  // inputs that come together
// How far ahead weights are asked for: the hardware's own prefetching stops at the end of a page, which here is only a
// thousand cycles away. The products of a decode step on 2 threads took 9 % less time so (1 row of Q4_1), or 10 % (9
// rows of a Q4_K_M model).
constexpr int64_t kPrefetchBytes = 1024;

// Reads a panel of a quantised type T, block by block and in each quad by quad.
template <DType T>
struct Reader {
  static constexpr Format kFormat = FormatOf(T);
  static constexpr int kScales = kFormat.int8 || kFormat.table ? 1 : kQuad;
  V scale[kScales][2], min[2];
  Bits low, high;                                          // of the current quad
  Bits plane[kFormat.planes > 0 ? kFormat.planes : 1][2];  // rotated for the current quad
  const std::byte* block = nullptr;
  const std::byte* values = nullptr;

  static V Widen(const std::byte* p) {
    if constexpr (kFormat.element == 2)
      return LoadF16(p);
    else
      return Load(reinterpret_cast<const float*>(p));
  }

  void ReadScales(int group) {
    for (int half = 0; half < 2; ++half) {
      scale[0][half] = Widen(block + static_cast<size_t>(group * kPanel + 16 * half) * kFormat.element);
      // Exact: the smallest F16 scale is 2^-24.
      if constexpr (kScales > 1) {
        scale[1][half] = Mul(scale[0][half], Set1(0x1p-8f));
        scale[2][half] = Mul(scale[0][half], Set1(0x1p-16f));
        scale[3][half] = Mul(scale[0][half], Set1(0x1p-24f));
      }
    }
  }

  // The block that starts at input k, a multiple of 32.
  void Begin(const std::byte* panel, int64_t k) {
    block = panel + static_cast<size_t>(k / kBlock) * cpu::BlockBytes(kFormat);
    values = block + cpu::ValuesOffset(kFormat);
    for (size_t line = 0; line < cpu::ValuesOffset(kFormat); line += 64) Prefetch(block + line);
    ReadScales(0);
    if constexpr (kFormat.has_min) {
      min[0] = Widen(block + cpu::MinsOffset(kFormat));
      min[1] = Widen(block + cpu::MinsOffset(kFormat) + 16 * kFormat.element);
    }
    for (int b = 0; b < kFormat.planes; ++b) {
      plane[b][0] = LoadBits(block + cpu::PlanesOffset(kFormat) + 128 * b);
      plane[b][1] = LoadBits(block + cpu::PlanesOffset(kFormat) + 128 * b + 64);
    }
  }

  static void Prefetch(const std::byte* p) { __builtin_prefetch(p + kPrefetchBytes); }

  // Quad q of the block; quads come in order.
  void Next(int64_t q) {
    Prefetch(values + q * (kFormat.int8 ? 128 : 64));
    if constexpr (kFormat.int8) Prefetch(values + q * 128 + 64);
    if constexpr (kFormat.groups == 2) {
      if (q == 4) ReadScales(1);
    }
    if constexpr (!kFormat.int8) {
      const Bits both = LoadBits(values + q * 64);
      low = both;
      high = RightBits(both, 4);
      if constexpr (kFormat.planes > 0) {
        low = KeepBits(low, 0x0f0f0f0fu);
        high = KeepBits(high, 0x0f0f0f0fu);
      }
      for (int b = 0; b < kFormat.planes; ++b) {
        low = WithBits(low, plane[b][0], 0x10101010u << b);
        high = WithBits(high, plane[b][1], 0x10101010u << b);
        plane[b][0] = RotateByOne(plane[b][0]);
        plane[b][1] = RotateByOne(plane[b][1]);
      }
    }
  }

  // Input i of quad q.
  void Get(int64_t q, int i, V& a, V& b) const {
    if constexpr (kFormat.int8) {
      a = Mul(scale[0][0], LoadI8(values + (kQuad * q + i) * 32));
      b = Mul(scale[0][1], LoadI8(values + (kQuad * q + i) * 32 + 16));
    } else if constexpr (kFormat.table) {
      a = Mul(scale[0][0], LookUp(kNf4Values.data(), low, 8 * i));
      b = Mul(scale[0][1], LookUp(kNf4Values.data(), high, 8 * i));
    } else {
      const uint32_t mask = (kFormat.planes > 0 ? 0xffu : 0xfu) << 8 * i;
      const uint32_t centre = static_cast<uint32_t>(kFormat.centre) << 8 * i;
      a = BitsToFloat(low, mask, centre);
      b = BitsToFloat(high, mask, centre);
      if constexpr (kFormat.has_min) {
        a = Fma(scale[i][0], a, min[0]);
        b = Fma(scale[i][1], b, min[1]);
      } else {
        a = Mul(scale[i][0], a);
        b = Mul(scale[i][1], b);
      }
    }
  }
};

// A vector of a plain type.
template <DType T>
inline V LoadPlain(const std::byte* p) {
  if constexpr (T == DType::kBF16)
    return LoadBf16(p);
  else if constexpr (T == DType::kF16)
    return LoadF16(p);
  else
    return Load(reinterpret_cast<const float*>(p));
}

// tile[k][32] for inputs [first, first + count) of a panel; for quantised types both are multiples of 32.
template <DType T>
void UnpackRun(const std::byte* panel, int64_t first, int64_t count, float* tile) {
  constexpr Format kFormat = FormatOf(T);
  if constexpr (kFormat.quantised) {
    Reader<T> reader;
    for (int64_t k = 0; k < count; k += kBlock) {
      reader.Begin(panel, first + k);
      for (int64_t q = 0; q < kBlock / kQuad; ++q) {
        reader.Next(q);
#pragma GCC unroll 4
        for (int i = 0; i < kQuad; ++i, tile += kPanel) {
          V a, b;
          reader.Get(q, i, a, b);
          Store(tile, a);
          Store(tile + 16, b);
        }
      }
    }
  } else {
    const std::byte* p = panel + static_cast<size_t>(first) * kPanel * kFormat.element;
    for (int64_t k = 0; k < count; ++k, p += kPanel * kFormat.element, tile += kPanel) {
      Store(tile, LoadPlain<T>(p));
      Store(tile + 16, LoadPlain<T>(p + 16 * kFormat.element));
    }
  }
}

// Calls f.template operator()<T>() with the type as a constant. F64 is stored as F32.
template <typename F>
inline void WithType(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kBF16: return f.template operator()<DType::kBF16>();
    case DType::kF16: return f.template operator()<DType::kF16>();
    case DType::kQ8_0: return f.template operator()<DType::kQ8_0>();
    case DType::kQ4_0: return f.template operator()<DType::kQ4_0>();
    case DType::kQ4_1: return f.template operator()<DType::kQ4_1>();
    case DType::kQ5_0: return f.template operator()<DType::kQ5_0>();
    case DType::kQ5_1: return f.template operator()<DType::kQ5_1>();
    case DType::kQ4_K: return f.template operator()<DType::kQ4_K>();
    case DType::kQ5_K: return f.template operator()<DType::kQ5_K>();
    case DType::kQ6_K: return f.template operator()<DType::kQ6_K>();
    case DType::kNF4: return f.template operator()<DType::kNF4>();
    default: return f.template operator()<DType::kF32>();
  }
}

inline void Unpack(DType dtype, const std::byte* panel, int64_t first, int64_t count, float* tile) {
  WithType(dtype, [=]<DType T>() { UnpackRun<T>(panel, first, count, tile); });
}

// to[j][i] = from[i][j], both 32 x 32.
inline void Transpose32(const float* from, float* to, int64_t to_stride) {
  for (int bi = 0; bi < 32; bi += 16) {
    for (int bj = 0; bj < 32; bj += 16) {
      V r[16];
      for (int i = 0; i < 16; ++i) r[i] = Load(from + (bi + i) * 32 + bj);
      Transpose16(r);
      for (int i = 0; i < 16; ++i) Store(to + (bj + i) * to_stride + bi, r[i]);
    }
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
