// The runtime API: NVIDIA's where the toolkit is used (nvcc, or a host compiler with RLVR_CUDA_TOOLKIT), else the
// emulator's.
#pragma once

#if defined(__CUDACC__) || defined(RLVR_CUDA_TOOLKIT)
#include <cuda_runtime.h>
#else
#include "backends/cuda/emulator/runtime_api.h"
#endif
