// Sixteen floats in four vectors of the compiler's own: any processor. There is no fused multiply-add here, so results
// differ from the other instruction sets in the last bits.
typedef float Quad __attribute__((vector_size(16)));
typedef int32_t QuadBits __attribute__((vector_size(16)));
struct V {
  Quad q[4];
};

template <typename F>
inline V EachQuad(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
// Lane by lane, for what has no vector form.
template <typename F>
inline V Each(F f) {
  V r;
  for (int i = 0; i < 16; ++i) r.q[i / 4][i % 4] = f(i);
  return r;
}
inline V Set1(float x) {
  const Quad v = {x, x, x, x};
  return {{v, v, v, v}};
}
inline V Zero() { return Set1(0.0f); }
inline V Load(const float* p) {
  V r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
inline void Store(float* p, const V& a) { __builtin_memcpy(p, &a, sizeof a); }
inline V LoadN(const float* p, int64_t n) {
  if (n >= 16) return Load(p);
  V r = Zero();
  if (n > 0) __builtin_memcpy(&r, p, static_cast<size_t>(n) * sizeof(float));
  return r;
}
inline void StoreN(float* p, const V& a, int64_t n) {
  if (n >= 16) return Store(p, a);
  if (n > 0) __builtin_memcpy(p, &a, static_cast<size_t>(n) * sizeof(float));
}

inline V Add(const V& a, const V& b) { return EachQuad([&](int i) { return a.q[i] + b.q[i]; }); }
inline V Sub(const V& a, const V& b) { return EachQuad([&](int i) { return a.q[i] - b.q[i]; }); }
inline V Mul(const V& a, const V& b) { return EachQuad([&](int i) { return a.q[i] * b.q[i]; }); }
inline V Div(const V& a, const V& b) { return EachQuad([&](int i) { return a.q[i] / b.q[i]; }); }
inline V Sqrt(const V& a) { return Each([&](int i) { return __builtin_sqrtf(a.q[i / 4][i % 4]); }); }
inline V Fma(const V& a, const V& b, const V& c) { return EachQuad([&](int i) { return a.q[i] * b.q[i] + c.q[i]; }); }
inline Quad Choose(QuadBits mask, Quad yes, Quad no) {
  return reinterpret_cast<Quad>((mask & reinterpret_cast<QuadBits>(yes)) | (~mask & reinterpret_cast<QuadBits>(no)));
}
// A NaN in b is returned, one in a is not.
inline V Max(const V& a, const V& b) { return EachQuad([&](int i) { return Choose(a.q[i] > b.q[i], a.q[i], b.q[i]); }); }
inline V Min(const V& a, const V& b) { return EachQuad([&](int i) { return Choose(a.q[i] < b.q[i], a.q[i], b.q[i]); }); }
// Nearest, ties to even, for |a| < 2^22.
inline V Round(const V& a) {
  return EachQuad([&](int i) { return (a.q[i] + 12582912.0f) - 12582912.0f; });
}
// a * 2^n, n integral in [-126, 127]: n + 127 stands in the low bits of n + 127 + 1.5 * 2^23.
inline V ScaleByPowerOfTwo(const V& a, const V& n) {
  return EachQuad([&](int i) {
    const QuadBits biased = reinterpret_cast<QuadBits>(n.q[i] + (12582912.0f + 127.0f));
    return a.q[i] * reinterpret_cast<Quad>(biased << 23);
  });
}
// a < b ? yes : no
inline V IfLess(const V& a, const V& b, const V& yes, const V& no) {
  return EachQuad([&](int i) { return Choose(a.q[i] < b.q[i], yes.q[i], no.q[i]); });
}
inline V Abs(const V& a) {
  return EachQuad([&](int i) { return reinterpret_cast<Quad>(reinterpret_cast<QuadBits>(a.q[i]) & 0x7fffffff); });
}
// Lanes [lo, hi) of a, `other` elsewhere.
inline V KeepRange(const V& a, int64_t lo, int64_t hi, const V& other) {
  V r = a;
  for (int i = 0; i < 16; ++i) {
    if (i < lo || i >= hi) r.q[i / 4][i % 4] = other.q[i / 4][i % 4];
  }
  return r;
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
  return Each([&](int i) { return a.q[i / 4][i % 4] + ((bits >> i) & 1u ? value.q[i / 4][i % 4] : 0.0f); });
}

inline float ReduceAdd(const V& a) {
  const Quad quarter = (a.q[0] + a.q[2]) + (a.q[1] + a.q[3]);
  return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}
inline float ReduceMax(const V& a) {
  float m = a.q[0][0];
  for (int i = 1; i < 16; ++i) m = a.q[i / 4][i % 4] > m ? a.q[i / 4][i % 4] : m;
  return m;
}

// r[i] lane j <- r[j] lane i.
inline void Transpose16(V* r) {
  float in[16][16], out[16][16];
  for (int i = 0; i < 16; ++i) Store(in[i], r[i]);
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) out[i][j] = in[j][i];
  }
  for (int i = 0; i < 16; ++i) r[i] = Load(out[i]);
}
