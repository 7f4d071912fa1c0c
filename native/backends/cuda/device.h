// The device layer: what kernels are written in. One source serves two compilers: nvcc takes device_ptx.h (the
// instructions themselves), a host compiler takes emulator/device.h (twins that check and count).
//
// Both sides give, in namespace rlvr::cuda:
//   Bf16, ToFloat, ToBf16, PackBf16, LowBf16, HighBf16, HalfToFloat, Fp8ToFloat, ToFp8      types and conversions
//   MmaBf16, LdMatrixX4, LdMatrixX2, LdMatrixX4Trans, LdMatrixX2Trans                       tensor cores
//   CpAsync16, CpAsyncCommit, CpAsyncWait<pending>                                          copies into shared memory
//   LoadGlobal, StoreGlobal                                                                 all other global memory
//   traffic SharedCarver in kernels, SharedSize on the host                                         dynamic shared
//   memory Launch(name, kernel, shape, stream, arguments...)
// and CUDA's own threadIdx, blockIdx, blockDim, gridDim, __syncthreads, __syncwarp, the shuffles and votes.
#pragma once

#include "backends/cuda/device_types.h"

#ifdef __CUDACC__
#include "backends/cuda/device_ptx.h"
#else
#include "backends/cuda/emulator/device.h"
#endif
