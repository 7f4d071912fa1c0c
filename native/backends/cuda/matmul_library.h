// The library that takes large products when the machine has one; without it the kernels here compute them.
#pragma once

#include <string>

#include "backends/cuda/gemm.h"

namespace rlvr::cuda {

// Enqueues the product by the library; false when there is none, the product is not for it (small, few rows, a bias,
// unaligned), or it refuses.
bool MultiplyByLibrary(cudaStream_t stream, const GemmCall& call, const GemmScratch& scratch);

// For reports: "cuBLASLt 13.1.0 (/path/libcublasLt.so.13)", or why there is none.
std::string MatmulLibraryReport();

}  // namespace rlvr::cuda
