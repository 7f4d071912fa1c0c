// Sixteen floats in an array: any processor; the compiler uses what vectors it has. There is no fused multiply-add
// here, so results differ from the other instruction sets in the last bits.
struct V {
  float v[16];
};

template <typename F>
inline V Each(F f) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}
inline V Zero() { return Each([](int) { return 0.0f; }); }
inline V Set1(float x) { return Each([=](int) { return x; }); }
inline V Load(const float* p) { return Each([=](int i) { return p[i]; }); }
inline void Store(float* p, const V& a) {
  for (int i = 0; i < 16; ++i) p[i] = a.v[i];
}
inline V LoadN(const float* p, int64_t n) { return Each([=](int i) { return i < n ? p[i] : 0.0f; }); }
inline void StoreN(float* p, const V& a, int64_t n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = a.v[i];
}

inline V Add(const V& a, const V& b) { return Each([&](int i) { return a.v[i] + b.v[i]; }); }
inline V Sub(const V& a, const V& b) { return Each([&](int i) { return a.v[i] - b.v[i]; }); }
inline V Mul(const V& a, const V& b) { return Each([&](int i) { return a.v[i] * b.v[i]; }); }
inline V Div(const V& a, const V& b) { return Each([&](int i) { return a.v[i] / b.v[i]; }); }
inline V Sqrt(const V& a) { return Each([&](int i) { return __builtin_sqrtf(a.v[i]); }); }
inline V Fma(const V& a, const V& b, const V& c) { return Each([&](int i) { return a.v[i] * b.v[i] + c.v[i]; }); }
// A NaN in b is returned, one in a is not.
inline V Max(const V& a, const V& b) { return Each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
inline V Min(const V& a, const V& b) { return Each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
// Nearest, ties to even, for |a| < 2^22.
inline V Round(const V& a) { return Each([&](int i) { return (a.v[i] + 12582912.0f) - 12582912.0f; }); }
// a * 2^n, n integral in [-126, 127].
inline V ScaleByPowerOfTwo(const V& a, const V& n) {
  return Each([&](int i) {
    // A NaN in n has no integer: its power is one, and a is NaN as well.
    const int32_t whole = n.v[i] == n.v[i] ? static_cast<int32_t>(n.v[i]) : 0;
    const uint32_t bits = static_cast<uint32_t>(whole + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, sizeof power);
    return a.v[i] * power;
  });
}
// a < b ? yes : no
inline V IfLess(const V& a, const V& b, const V& yes, const V& no) {
  return Each([&](int i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}
inline V Abs(const V& a) { return Each([&](int i) { return __builtin_fabsf(a.v[i]); }); }
// Lanes [lo, hi) of a, `other` elsewhere.
inline V KeepRange(const V& a, int64_t lo, int64_t hi, const V& other) {
  return Each([&](int i) { return i >= lo && i < hi ? a.v[i] : other.v[i]; });
}

inline V LoadI8(const std::byte* p) {
  return Each([=](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
}
inline uint32_t Load16Bits(const std::byte* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return bits;
}
inline float FromBits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
inline V LoadBf16(const std::byte* p) {
  return Each([=](int i) { return FromBits(Load16Bits(p + 2 * i) << 16); });
}
inline V LoadF16(const std::byte* p) {
  return Each([=](int i) {
    const uint32_t bits = Load16Bits(p + 2 * i), sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return FromBits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    const float value = FromBits(magnitude << 13) * 0x1p112f;  // also right for subnormal halves
    return sign != 0 ? -value : value;
  });
}

// Low nibbles of 16 bytes in `low`, high nibbles in `high`, minus the centre.
struct NibbleTable {
  int centre;
  explicit NibbleTable(float value) : centre(static_cast<int>(value)) {}
};
inline void Nibbles(const std::byte* p, const NibbleTable& table, V& low, V& high) {
  low = Each([&](int i) { return static_cast<float>((static_cast<int>(p[i]) & 15) - table.centre); });
  high = Each([&](int i) { return static_cast<float>((static_cast<int>(p[i]) >> 4) - table.centre); });
}
// Adds `value` to the lanes whose bit is set.
inline V AddWhere(const V& a, uint32_t bits, const V& value) {
  return Each([&](int i) { return a.v[i] + ((bits >> i) & 1u ? value.v[i] : 0.0f); });
}

inline float ReduceAdd(const V& a) {
  float s[16];
  for (int i = 0; i < 16; ++i) s[i] = a.v[i];
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) s[i] += s[i + width];
  }
  return s[0];
}
inline float ReduceMax(const V& a) {
  float m = a.v[0];
  for (int i = 1; i < 16; ++i) m = a.v[i] > m ? a.v[i] : m;
  return m;
}

// r[i] lane j <- r[j] lane i.
inline void Transpose16(V* r) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < i; ++j) {
      const float swap = r[i].v[j];
      r[i].v[j] = r[j].v[i];
      r[j].v[i] = swap;
    }
  }
}
