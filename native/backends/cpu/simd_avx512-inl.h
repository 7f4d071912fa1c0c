// Sixteen floats in one zmm register. Included by simd-inl.h inside the per-ISA region.
struct V {
  __m512 v;
};

inline V Zero() { return {_mm512_setzero_ps()}; }
inline V Set1(float x) { return {_mm512_set1_ps(x)}; }
inline V Load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void Store(float* p, V a) { _mm512_storeu_ps(p, a.v); }
inline __mmask16 FirstLanes(int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u);
}
inline V LoadN(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(FirstLanes(n), p)}; }
inline void StoreN(float* p, V a, int64_t n) { _mm512_mask_storeu_ps(p, FirstLanes(n), a.v); }

inline V Add(V a, V b) { return {_mm512_add_ps(a.v, b.v)}; }
inline V Sub(V a, V b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline V Mul(V a, V b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline V Div(V a, V b) { return {_mm512_div_ps(a.v, b.v)}; }
inline V Sqrt(V a) { return {_mm512_sqrt_ps(a.v)}; }
inline V Fma(V a, V b, V c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// A NaN in b is returned, one in a is not.
inline V Max(V a, V b) { return {_mm512_max_ps(a.v, b.v)}; }
inline V Min(V a, V b) { return {_mm512_min_ps(a.v, b.v)}; }
inline V Round(V a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// a * 2^n, n integral in [-126, 127].
inline V ScaleByPowerOfTwo(V a, V n) {
  const __m512i exponent = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23);
  return {_mm512_mul_ps(a.v, _mm512_castsi512_ps(exponent))};
}
// a < b ? yes : no
inline V IfLess(V a, V b, V yes, V no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
inline V Abs(V a) { return {_mm512_abs_ps(a.v)}; }
// Lanes [lo, hi) of a, `other` elsewhere.
inline V KeepRange(V a, int64_t lo, int64_t hi, V other) {
  const auto mask = static_cast<__mmask16>(FirstLanes(hi) & ~FirstLanes(lo));
  return {_mm512_mask_blend_ps(mask, other.v, a.v)};
}

inline V LoadI8(const std::byte* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline V LoadBf16(const std::byte* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
inline V LoadF16(const std::byte* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

// Sixteen words of four bytes: a byte is one weight of a lane.
struct Bits {
  __m512i v;
};
inline Bits LoadBits(const std::byte* p) { return {_mm512_loadu_si512(p)}; }
inline Bits RightBits(Bits x, int count) { return {_mm512_srli_epi32(x.v, static_cast<unsigned>(count))}; }
inline Bits RotateByOne(Bits x) { return {_mm512_ror_epi32(x.v, 1)}; }
inline Bits KeepBits(Bits x, uint32_t mask) {
  return {_mm512_and_si512(x.v, _mm512_set1_epi32(static_cast<int>(mask)))};
}
// x with the bits of y that are in the mask.
inline Bits WithBits(Bits x, Bits y, uint32_t mask) {
  return {_mm512_ternarylogic_epi32(x.v, y.v, _mm512_set1_epi32(static_cast<int>(mask)), 0xf8)};
}
// The bits of x in the mask, as an integer, less the centre.
inline V BitsToFloat(Bits x, uint32_t mask, uint32_t centre) {
  const Bits kept = KeepBits(x, mask);
  if (centre == 0) return {_mm512_cvtepi32_ps(kept.v)};
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(kept.v, _mm512_set1_epi32(static_cast<int>(centre))))};
}

// table[the low four bits of x >> shift] in each lane.
inline V LookUp(const float* table, Bits x, int shift) {
  return {_mm512_permutexvar_ps(RightBits(x, shift).v, _mm512_loadu_ps(table))};
}

inline float ReduceAdd(V a) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
inline float ReduceMax(V a) { return _mm512_reduce_max_ps(a.v); }

// r[i] lane j <- r[j] lane i.
inline void Transpose16(V* r) {
  __m512 a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i]), _mm512_castps_pd(a[i + 2])));
    b[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
    b[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a[i + 1]), _mm512_castps_pd(a[i + 3])));
  }
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    r[i].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0x88);
    r[i + 8].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0xdd);
  }
}
