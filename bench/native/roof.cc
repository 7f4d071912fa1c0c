#include "bench/native/roof.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>

#include "core/error.h"
#include "core/thread_pool.h"

// The vector types of the kernels, each in its target region, as native/backends/cpu/isa_*.cc open theirs.
#define RLVR_ISA_NAMESPACE roof_baseline
#define RLVR_ISA_NAME "baseline"
#include "backends/cpu/simd-inl.h"
#include "bench/native/roof-inl.h"
#undef RLVR_ISA_NAMESPACE
#undef RLVR_ISA_NAME
#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#define RLVR_ISA_NAMESPACE roof_avx2
#define RLVR_ISA_NAME "avx2"
#define RLVR_ISA_AVX2
#include "backends/cpu/simd-inl.h"
#include "bench/native/roof-inl.h"
#undef RLVR_ISA_NAMESPACE
#undef RLVR_ISA_NAME
#undef RLVR_ISA_AVX2
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns of its own undefined vectors
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#define RLVR_ISA_NAMESPACE roof_avx512
#define RLVR_ISA_NAME "avx512"
#define RLVR_ISA_AVX512
#include "backends/cpu/simd-inl.h"
#include "bench/native/roof-inl.h"
#pragma GCC pop_options
#endif

namespace rlvr::bench {

namespace {

const RoofLoops& LoopsOf(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx2") return roof_avx2::kLoops;
  if (isa == "avx512") return roof_avx512::kLoops;
#endif
  RLVR_CHECK(isa == "baseline", "no roof loops for ", isa);
  return roof_baseline::kLoops;
}

volatile float kept;  // results go here, so that they are computed

double MeasureFlops(const RoofLoops& loops, ThreadPool& pool) {
  constexpr int64_t kRounds = 200000;  // about 20 ms
  const Times times = TimeRuns(0.4, [&] {
    pool.ParallelFor(pool.threads(), [&](int64_t, int64_t, int) { kept = loops.multiply_adds(kRounds); });
  });
  return loops.flops_per_round * kRounds * pool.threads() / times.min;
}

std::vector<ReadRate> MeasureReads(const RoofLoops& loops, ThreadPool& pool) {
  constexpr int64_t kLargest = int64_t{256} << 20;
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  const std::unique_ptr<float, Free> memory(static_cast<float*>(std::aligned_alloc(4096, kLargest)));
  RLVR_CHECK(memory != nullptr);
  std::fill_n(memory.get(), kLargest / 4, 1.0f);
  std::vector<ReadRate> rates;
  for (int64_t bytes = 16 << 10; bytes <= kLargest; bytes *= 4) {
    const int64_t share = bytes / 4 / pool.threads() / 128 * 128;
    const int64_t passes = std::max<int64_t>(1, (int64_t{4} << 20) / bytes);
    const Times times = TimeRuns(0.1, [&] {
      pool.ParallelFor(pool.threads(), [&](int64_t, int64_t, int thread) {
        for (int64_t pass = 0; pass < passes; ++pass) kept = loops.read_all(memory.get() + thread * share, share);
      });
    });
    const double read = 4.0 * static_cast<double>(share * pool.threads() * passes);
    rates.push_back({4.0 * static_cast<double>(share * pool.threads()), read / times.min});
  }
  return rates;
}

void MeasureRegions(ThreadPool& pool, Roof& roof) {
  const auto region = [&] { pool.ParallelFor(pool.threads(), [](int64_t, int64_t, int) {}); };
  roof.region_hot = TimeRuns(0.1, region);
  std::vector<double> cold;
  for (int i = 0; i < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const double start = Now();
    region();
    cold.push_back(Now() - start);
  }
  roof.region_cold = Summarize(std::move(cold));
}

}  // namespace

double Roof::Seconds(double flops, double bytes) const {
  double rate = reads.front().bytes_per_second;
  for (const ReadRate& read : reads) {
    if (read.bytes <= bytes) rate = read.bytes_per_second;
  }
  return std::max(flops / flops_per_second, bytes / rate);
}

Roof MeasureRoof(const std::string& isa, int threads) {
  const RoofLoops& loops = LoopsOf(isa);
  ThreadPool pool(threads);
  Roof roof;
  roof.threads = threads;
  roof.flops_per_second = MeasureFlops(loops, pool);
  roof.reads = MeasureReads(loops, pool);
  MeasureRegions(pool, roof);
  return roof;
}

}  // namespace rlvr::bench
