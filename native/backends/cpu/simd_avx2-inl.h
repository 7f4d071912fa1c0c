// Sixteen floats in two ymm registers. Included by simd-inl.h inside the per-ISA region.
struct V {
  __m256 a, b;
};

inline V Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline V Set1(float x) {
  const __m256 v = _mm256_set1_ps(x);
  return {v, v};
}
inline V Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void Store(float* p, V x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline __m256i LaneIds(int first) {
  return _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first));
}
inline __m256i Below(int64_t n, int first) {
  const int limit = n > 16 ? 16 : n < 0 ? 0 : static_cast<int>(n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), LaneIds(first));
}
inline V LoadN(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, Below(n, 0)), _mm256_maskload_ps(p + 8, Below(n, 8))};
}
inline void StoreN(float* p, V x, int64_t n) {
  _mm256_maskstore_ps(p, Below(n, 0), x.a);
  _mm256_maskstore_ps(p + 8, Below(n, 8), x.b);
}

inline V Add(V x, V y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline V Sub(V x, V y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline V Mul(V x, V y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline V Div(V x, V y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline V Sqrt(V x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
inline V Fma(V x, V y, V z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
// A NaN in y is returned, one in x is not.
inline V Max(V x, V y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline V Min(V x, V y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline V Round(V x) {
  return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline __m256 PowerOfTwo(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
// x * 2^n, n integral in [-126, 127].
inline V ScaleByPowerOfTwo(V x, V n) {
  return {_mm256_mul_ps(x.a, PowerOfTwo(n.a)), _mm256_mul_ps(x.b, PowerOfTwo(n.b))};
}
// x < y ? yes : no
inline V IfLess(V x, V y, V yes, V no) {
  return {_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
inline V Abs(V x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
// Lanes [lo, hi) of x, `other` elsewhere.
inline V KeepRange(V x, int64_t lo, int64_t hi, V other) {
  const __m256 a = _mm256_castsi256_ps(_mm256_andnot_si256(Below(lo, 0), Below(hi, 0)));
  const __m256 b = _mm256_castsi256_ps(_mm256_andnot_si256(Below(lo, 8), Below(hi, 8)));
  return {_mm256_blendv_ps(other.a, x.a, a), _mm256_blendv_ps(other.b, x.b, b)};
}

inline __m128i Load8(const std::byte* p) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)); }
inline __m128i Load16(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline V LoadI8(const std::byte* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Load8(p))), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(Load8(p + 8)))};
}
inline V LoadBf16(const std::byte* p) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(Load16(p)), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(Load16(p + 16)), 16))};
}
inline V LoadF16(const std::byte* p) { return {_mm256_cvtph_ps(Load16(p)), _mm256_cvtph_ps(Load16(p + 16))}; }

// Sixteen words of four bytes: a byte is one weight of a lane.
struct Bits {
  __m256i a, b;
};
inline Bits LoadBits(const std::byte* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
inline Bits RightBits(Bits x, int count) { return {_mm256_srli_epi32(x.a, count), _mm256_srli_epi32(x.b, count)}; }
inline __m256i RotateByOne(__m256i x) { return _mm256_or_si256(_mm256_srli_epi32(x, 1), _mm256_slli_epi32(x, 31)); }
inline Bits RotateByOne(Bits x) { return {RotateByOne(x.a), RotateByOne(x.b)}; }
inline Bits KeepBits(Bits x, uint32_t mask) {
  const __m256i m = _mm256_set1_epi32(static_cast<int>(mask));
  return {_mm256_and_si256(x.a, m), _mm256_and_si256(x.b, m)};
}
// x with the bits of y that are in the mask.
inline Bits WithBits(Bits x, Bits y, uint32_t mask) {
  const Bits kept = KeepBits(y, mask);
  return {_mm256_or_si256(x.a, kept.a), _mm256_or_si256(x.b, kept.b)};
}
// The bits of x in the mask, as an integer, less the centre.
inline V BitsToFloat(Bits x, uint32_t mask, uint32_t centre) {
  const Bits kept = KeepBits(x, mask);
  if (centre == 0) return {_mm256_cvtepi32_ps(kept.a), _mm256_cvtepi32_ps(kept.b)};
  const __m256i c = _mm256_set1_epi32(static_cast<int>(centre));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(kept.a, c)), _mm256_cvtepi32_ps(_mm256_sub_epi32(kept.b, c))};
}

inline __m256 LookUp8(const float* table, __m256i places) {
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), places);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), places);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(places, 28)));
}
// table[the low four bits of x >> shift] in each lane.
inline V LookUp(const float* table, Bits x, int shift) {
  const Bits places = RightBits(x, shift);
  return {LookUp8(table, places.a), LookUp8(table, places.b)};
}

inline float ReduceAdd(V x) {
  const __m256 half = _mm256_add_ps(x.a, x.b);
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
inline float ReduceMax(V x) {
  const __m256 half = _mm256_max_ps(x.a, x.b);
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}

inline void Transpose8(__m256* r) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}
// r[i] lane j <- r[j] lane i.
inline void Transpose16(V* r) {
  __m256 q[4][8];
  for (int i = 0; i < 8; ++i) {
    q[0][i] = r[i].a;
    q[1][i] = r[i].b;
    q[2][i] = r[i + 8].a;
    q[3][i] = r[i + 8].b;
  }
  for (auto& quarter : q) Transpose8(quarter);
  for (int i = 0; i < 8; ++i) {
    r[i] = {q[0][i], q[2][i]};
    r[i + 8] = {q[1][i], q[3][i]};
  }
}
