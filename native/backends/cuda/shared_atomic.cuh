// Integer additions to shared memory by many threads at once: the one atomic that kernels here use, since the sum of
// integers does not depend on its order.
#pragma once

#include "backends/cuda/device.h"

namespace rlvr::cuda {

// Returns what was there. T: unsigned or unsigned long long.
template <typename T>
DEVICE T AddShared(T* to, T value) {
#ifdef __CUDACC__
  return atomicAdd(to, value);
#else
  return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
#endif
}

}  // namespace rlvr::cuda
