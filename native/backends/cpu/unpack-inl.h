// Packed weights to floats: two vectors (32 outputs) for one input at a time, or a run of inputs into a tile.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::Format;
using cpu::FormatOf;
using cpu::kBlock;
using cpu::kPanel;

// Reads a panel of type T. For plain types an input stands at 32 elements from the next; quantised ones come in blocks.
template <DType T>
struct Reader {
  static constexpr Format kFormat = FormatOf(T);
  static constexpr int64_t kGroup = kFormat.quantised ? kBlock / kFormat.groups : kBlock;  // inputs with one scale
  NibbleTable table{static_cast<float>(kFormat.centre)};
  V scale[2], min[2];
  const std::byte* values = nullptr;
  const std::byte* planes = nullptr;

  static V Widen(const std::byte* p) {
    if constexpr (T == DType::kBF16)
      return LoadBf16(p);
    else if constexpr (kFormat.element == 2)
      return LoadF16(p);
    else
      return Load(reinterpret_cast<const float*>(p));
  }

  // The group that starts at input k, a multiple of kGroup.
  void Begin(const std::byte* panel, int64_t k) {
    if constexpr (kFormat.quantised) {
      const std::byte* block = panel + static_cast<size_t>(k / kBlock) * cpu::BlockBytes(kFormat);
      const int64_t within = k % kBlock;
      const std::byte* s = block + static_cast<size_t>(within / kGroup) * kPanel * kFormat.element;
      scale[0] = Widen(s);
      scale[1] = Widen(s + 16 * kFormat.element);
      if constexpr (kFormat.has_min) {
        min[0] = Widen(block + cpu::MinsOffset(kFormat));
        min[1] = Widen(block + cpu::MinsOffset(kFormat) + 16 * kFormat.element);
      }
      values = block + cpu::ValuesOffset(kFormat) + within * (kFormat.int8 ? 32 : 16);
      planes = block + cpu::PlanesOffset(kFormat) + within * 4;
    } else {
      values = panel + static_cast<size_t>(k) * kPanel * kFormat.element;
    }
  }

  // The bits of 16 outputs. Not 32 at once and a shift: GCC 12 then takes the AVX-512 loop around it for dead code.
  static uint32_t Plane(const std::byte* p) {
    uint16_t bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return bits;
  }

  // Input i of the group.
  void Get(int64_t i, V& a, V& b) const {
    if constexpr (!kFormat.quantised) {
      const std::byte* p = values + static_cast<size_t>(i) * kPanel * kFormat.element;
      a = Widen(p);
      b = Widen(p + 16 * kFormat.element);
    } else {
      if constexpr (kFormat.int8) {
        a = LoadI8(values + i * 32);
        b = LoadI8(values + i * 32 + 16);
      } else {
        Nibbles(values + i * 16, table, a, b);
      }
      if constexpr (kFormat.planes > 0) {
        a = AddWhere(a, Plane(planes + i * 4), Set1(16));
        b = AddWhere(b, Plane(planes + i * 4 + 2), Set1(16));
      }
      if constexpr (kFormat.planes > 1) {
        a = AddWhere(a, Plane(planes + 4 * kBlock + i * 4), Set1(32));
        b = AddWhere(b, Plane(planes + 4 * kBlock + i * 4 + 2), Set1(32));
      }
      if constexpr (kFormat.has_min) {
        a = Fma(scale[0], a, min[0]);
        b = Fma(scale[1], b, min[1]);
      } else {
        a = Mul(scale[0], a);
        b = Mul(scale[1], b);
      }
    }
  }
};

// tile[k][32] for inputs [first, first + count) of a panel; for quantised types first is a multiple of 32.
template <DType T>
void UnpackRun(const std::byte* panel, int64_t first, int64_t count, float* tile) {
  Reader<T> reader;
  for (int64_t k = 0; k < count; k += Reader<T>::kGroup) {
    reader.Begin(panel, first + k);
    const int64_t group = Smaller(Reader<T>::kGroup, count - k);
    for (int64_t i = 0; i < group; ++i) {
      V a, b;
      reader.Get(i, a, b);
      Store(tile + (k + i) * kPanel, a);
      Store(tile + (k + i) * kPanel + 16, b);
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
