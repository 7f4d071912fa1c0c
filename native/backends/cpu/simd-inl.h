// The vector type of the kernels, V: sixteen floats on every instruction set, with the functions built on it that are
// written once. An ISA file opens its target region, defines RLVR_ISA_NAMESPACE and one of RLVR_ISA_AVX512,
// RLVR_ISA_AVX2 (else: baseline), and includes the kernels; everything here has internal linkage.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

#if defined(RLVR_ISA_AVX512)
#include "backends/cpu/simd_avx512-inl.h"
constexpr int kTileRows = 12;  // 12 x 2 accumulators, 2 of weights, a broadcast: 27 of 32 registers
constexpr int kTileVectors = 2;
#elif defined(RLVR_ISA_AVX2)
#include "backends/cpu/simd_avx2-inl.h"
constexpr int kTileRows = 6;  // 6 x 1 vectors of two ymm: 12 accumulators, 2 of weights, a broadcast of 16
constexpr int kTileVectors = 1;
#else
#include "backends/cpu/simd_baseline-inl.h"
constexpr int kTileRows = 2;  // 2 x 1 vectors of four xmm
constexpr int kTileVectors = 1;
#endif

constexpr float kInfinity = __builtin_huge_valf();

inline int64_t Smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t Larger(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// e^x within about 1 ulp (Cephes' polynomial); exp(0) = 1 and exp(-inf) = 0 exactly, results under 2^-126 are 0,
// arguments above 88.37 are clamped, a NaN stays.
inline V Exp(V x) {
  const V low = Set1(-87.33654f);
  const V y = Max(low, Min(Set1(88.37626f), x));
  const V n = Round(Mul(y, Set1(1.44269504088896341f)));
  V r = Fma(n, Set1(-0.693359375f), y);
  r = Fma(n, Set1(2.12194440e-4f), r);
  V p = Set1(1.9875691500e-4f);
  p = Fma(p, r, Set1(1.3981999507e-3f));
  p = Fma(p, r, Set1(8.3334519073e-3f));
  p = Fma(p, r, Set1(4.1665795894e-2f));
  p = Fma(p, r, Set1(1.6666665459e-1f));
  p = Fma(p, r, Set1(5.0000001201e-1f));
  p = Add(Fma(p, Mul(r, r), r), Set1(1.0f));
  return IfLess(x, low, Zero(), ScaleByPowerOfTwo(p, n));
}

// tanh within about 2 ulp: a polynomial near zero, where 1 - 2 / (e^2x + 1) would cancel.
inline V Tanh(V x) {
  const V size = Abs(x), square = Mul(x, x);
  V p = Set1(-5.70498872745e-3f);
  p = Fma(p, square, Set1(2.06390887954e-2f));
  p = Fma(p, square, Set1(-5.37397155531e-2f));
  p = Fma(p, square, Set1(1.33314422036e-1f));
  p = Fma(p, square, Set1(-3.33332819422e-1f));
  const V near = Fma(Mul(p, square), x, x);
  const V e = Exp(Add(size, size));
  const V far = Sub(Set1(1.0f), Div(Set1(2.0f), Add(e, Set1(1.0f))));
  return IfLess(size, Set1(0.625f), near, IfLess(x, Zero(), Sub(Zero(), far), far));
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
