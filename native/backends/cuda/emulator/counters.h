// What kernels did, exactly: the same on every machine, so that tests can hold a kernel to its ideal.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace rlvr::cuda::emulator {

struct Counters {
  uint64_t launches = 0;
  uint64_t blocks = 0;
  uint64_t threads = 0;
  uint64_t barriers = 0;             // __syncthreads, once a block
  uint64_t collectives = 0;          // shuffles, votes, __syncwarp, mma, ldmatrix: once a warp
  uint64_t mma = 0;                  // m16n8k16 products
  uint64_t ldmatrix = 0;             // 8x8 matrices read
  uint64_t ldmatrix_wavefronts = 0;  // passes over the banks these took; equal to ldmatrix when no bank conflicts
  uint64_t async_copy_bytes = 0;     // read by cp.async; zero-filled copies read nothing
  uint64_t load_bytes = 0;           // through LoadGlobal
  uint64_t store_bytes = 0;          // through StoreGlobal

  uint64_t global_bytes() const { return async_copy_bytes + load_bytes + store_bytes; }
  Counters& operator+=(const Counters& other);
};

// Of all kernels since the last reset, and of each by the name it was launched with.
Counters TotalCounters();
const std::map<std::string, Counters>& CountersByKernel();
// Of one kernel; all zero when it did not run.
Counters CountersOf(const std::string& kernel);
void ResetCounters();

}  // namespace rlvr::cuda::emulator
