// The two loops that a roof is measured with, on the vector type of the kernels. Included once per instruction set.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

#if defined(RLVR_ISA_AVX512)
constexpr int kChains = 24;  // registers of accumulators: four cycles of latency by two units need eight
#elif defined(RLVR_ISA_AVX2)
constexpr int kChains = 6;  // of two ymm each
#else
constexpr int kChains = 2;  // of four xmm each
#endif

// `rounds` multiply-adds on each lane of each chain; the sum keeps the compiler from dropping them.
float MultiplyAdds(int64_t rounds) {
  V chains[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chains[i] = Set1(static_cast<float>(i));
  const V factor = Set1(0.999f), term = Set1(1e-3f);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chains[i] = Fma(chains[i], factor, term);
  }
  V sum = Zero();
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) sum = Add(sum, chains[i]);
  return ReduceAdd(sum);
}

// Reads count floats, a multiple of 128, the way a product streams its weights.
float ReadAll(const float* data, int64_t count) {
  V sums[8];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) sums[j] = Zero();
  for (int64_t i = 0; i < count; i += 128) {
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) sums[j] = Add(sums[j], Load(data + i + 16 * j));
  }
#pragma GCC unroll 8
  for (int j = 1; j < 8; ++j) sums[0] = Add(sums[0], sums[j]);
  return ReduceAdd(sums[0]);
}

constexpr bench::RoofLoops kLoops = {RLVR_ISA_NAME, MultiplyAdds, 2.0 * 16 * kChains, ReadAll};

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
