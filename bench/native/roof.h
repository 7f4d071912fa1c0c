// What this machine can do at most, measured: multiply-adds a second, bytes read a second by working set, and the cost
// of a parallel region.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/native/clock.h"

namespace rlvr::bench {

struct ReadRate {
  double bytes;  // the working set of all threads together
  double bytes_per_second;
};

struct Roof {
  int threads = 1;
  double flops_per_second = 0;
  std::vector<ReadRate> reads;  // by rising working set
  Times region_hot;             // start and join of an empty region, its threads still spinning
  Times region_cold;            // the same after a millisecond without work

  // Seconds that this much work takes at least. The rate is that of the largest measured set inside `bytes`, so that
  // the bound stays a bound.
  double Seconds(double flops, double bytes) const;
};

// isa: one of CpuIsas(). The peak is that of its vectors.
Roof MeasureRoof(const std::string& isa, int threads);

// What roof-inl.h gives for one instruction set.
struct RoofLoops {
  const char* isa;
  float (*multiply_adds)(int64_t rounds);
  double flops_per_round;
  float (*read_all)(const float* data, int64_t count);
};

}  // namespace rlvr::bench
