// Sixteen floats in four vectors of the compiler's own: any processor. There is no fused multiply-add here, so results
// differ from the other instruction sets in the last bits.
typedef float Quad __attribute__((vector_size(16)));
typedef int32_t QuadBits __attribute__((vector_size(16)));
struct V {
  Quad a, b, c, d;
};

template <typename F>
inline V Map(F f, V x) {
  return {f(x.a), f(x.b), f(x.c), f(x.d)};
}
template <typename F>
inline V Map(F f, V x, V y) {
  return {f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d)};
}
inline Quad LoadQuad(const float* p) {
  Quad r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
inline V Load(const float* p) { return {LoadQuad(p), LoadQuad(p + 4), LoadQuad(p + 8), LoadQuad(p + 12)}; }
inline void StoreQuad(float* p, Quad x) { __builtin_memcpy(p, &x, sizeof x); }
inline void Store(float* p, V x) {
  StoreQuad(p, x.a);
  StoreQuad(p + 4, x.b);
  StoreQuad(p + 8, x.c);
  StoreQuad(p + 12, x.d);
}
// Lane by lane, for what has no vector form.
template <typename F>
inline V Each(F f) {
  float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = f(i);
  return Load(lanes);
}
inline V Set1(float x) {
  const Quad v = {x, x, x, x};
  return {v, v, v, v};
}
inline V Zero() { return Set1(0.0f); }
inline V LoadN(const float* p, int64_t n) {
  if (n >= 16) return Load(p);
  float lanes[16] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return Load(lanes);
}
inline void StoreN(float* p, V x, int64_t n) {
  if (n >= 16) return Store(p, x);
  float lanes[16];
  Store(lanes, x);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

inline V Add(V x, V y) { return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
inline V Sub(V x, V y) { return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
inline V Mul(V x, V y) { return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
inline V Div(V x, V y) { return {x.a / y.a, x.b / y.b, x.c / y.c, x.d / y.d}; }
inline V Fma(V x, V y, V z) { return {x.a * y.a + z.a, x.b * y.b + z.b, x.c * y.c + z.c, x.d * y.d + z.d}; }
inline V Sqrt(V x) {
  float lanes[16];
  Store(lanes, x);
  return Each([&](int i) { return __builtin_sqrtf(lanes[i]); });
}
inline Quad Choose(QuadBits mask, Quad yes, Quad no) {
  return reinterpret_cast<Quad>((mask & reinterpret_cast<QuadBits>(yes)) | (~mask & reinterpret_cast<QuadBits>(no)));
}
// A NaN in y is returned, one in x is not.
inline Quad QuadMax(Quad p, Quad q) { return Choose(p > q, p, q); }
inline V Max(V x, V y) { return Map(QuadMax, x, y); }
inline V Min(V x, V y) {
  return Map([](Quad p, Quad q) { return Choose(p < q, p, q); }, x, y);
}
// Nearest, ties to even, for |x| < 2^22.
inline V Round(V x) {
  return Map([](Quad p) { return (p + 12582912.0f) - 12582912.0f; }, x);
}
// x * 2^n, n integral in [-126, 127]: n + 127 stands in the low bits of n + 127 + 1.5 * 2^23.
inline V ScaleByPowerOfTwo(V x, V n) {
  return Map(
      [](Quad p, Quad q) {
        return p * reinterpret_cast<Quad>(reinterpret_cast<QuadBits>(q + (12582912.0f + 127.0f)) << 23);
      },
      x, n);
}
// x < y ? yes : no
inline V IfLess(V x, V y, V yes, V no) {
  return {Choose(x.a < y.a, yes.a, no.a), Choose(x.b < y.b, yes.b, no.b), Choose(x.c < y.c, yes.c, no.c),
          Choose(x.d < y.d, yes.d, no.d)};
}
inline V Abs(V x) {
  return Map([](Quad p) { return reinterpret_cast<Quad>(reinterpret_cast<QuadBits>(p) & 0x7fffffff); }, x);
}
// Lanes [lo, hi) of x, `other` elsewhere.
inline V KeepRange(V x, int64_t lo, int64_t hi, V other) {
  float inside[16], outside[16];
  Store(inside, x);
  Store(outside, other);
  return Each([&](int i) { return i >= lo && i < hi ? inside[i] : outside[i]; });
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

// Sixteen words of four bytes: a byte is one weight of a lane.
typedef uint32_t QuadWords __attribute__((vector_size(16)));
struct Bits {
  QuadWords w[4];
};
inline Bits LoadBits(const std::byte* p) {
  Bits r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
inline Bits RightBits(Bits x, int count) {
  for (QuadWords& w : x.w) w >>= count;
  return x;
}
inline Bits RotateByOne(Bits x) {
  for (QuadWords& w : x.w) w = w >> 1 | w << 31;
  return x;
}
inline Bits KeepBits(Bits x, uint32_t mask) {
  for (QuadWords& w : x.w) w &= mask;
  return x;
}
// x with the bits of y that are in the mask.
inline Bits WithBits(Bits x, Bits y, uint32_t mask) {
  for (int i = 0; i < 4; ++i) x.w[i] |= y.w[i] & mask;
  return x;
}
// The bits of x in the mask, as an integer, less the centre.
inline V BitsToFloat(Bits x, uint32_t mask, uint32_t centre) {
  const auto convert = [=](QuadWords w) {
    return __builtin_convertvector(reinterpret_cast<QuadBits>((w & mask) - centre), Quad);
  };
  return {convert(x.w[0]), convert(x.w[1]), convert(x.w[2]), convert(x.w[3])};
}

// table[the low four bits of x >> shift] in each lane.
inline V LookUp(const float* table, Bits x, int shift) {
  return Each([=](int i) { return table[(x.w[i / 4][i % 4] >> shift) & 15]; });
}

inline float ReduceAdd(V x) {
  const Quad quarter = (x.a + x.c) + (x.b + x.d);
  return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}
inline float ReduceMax(V x) {
  const Quad m = QuadMax(QuadMax(x.a, x.b), QuadMax(x.c, x.d));
  const float low = m[0] > m[1] ? m[0] : m[1], high = m[2] > m[3] ? m[2] : m[3];
  return low > high ? low : high;
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
