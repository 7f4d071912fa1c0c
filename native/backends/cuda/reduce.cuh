// Sums and maxima over a warp and over a block, in one fixed order whatever the data.
#pragma once

#include "backends/cuda/device.h"

namespace rlvr::cuda {

// Every lane receives the result. All 32 lanes take part.
DEVICE float WarpSum(float value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kFullMask, value, distance);
  }
  return value;
}

DEVICE float WarpMax(float value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kFullMask, value, distance));
  }
  return value;
}

// Every thread's neighbours in one-dimensional blocks of whole warps; `partials` is 32 floats of shared memory, which
// may be used again at once: a call starts by waiting for the readers of the last.
DEVICE float ShareWarpResult(float value, float empty, float* partials) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  __syncthreads();
  if (lane == 0) partials[warp] = value;
  __syncthreads();
  return lane < static_cast<int>(blockDim.x) / kWarpSize ? partials[lane] : empty;
}

// Every thread receives the result. All threads of the block take part.
DEVICE float BlockSum(float value, float* partials) { return WarpSum(ShareWarpResult(WarpSum(value), 0.0f, partials)); }

DEVICE float BlockMax(float value, float* partials) {
  return WarpMax(ShareWarpResult(WarpMax(value), -INFINITY, partials));
}

}  // namespace rlvr::cuda
