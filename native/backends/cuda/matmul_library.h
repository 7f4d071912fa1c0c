// The library that takes large products when the machine has one; without it the kernels here compute them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/cublaslt.h"
#include "backends/cuda/gemm.h"

namespace rlvr::cuda {

// Whether a product is large enough, in every direction, for the library to be worth asking, and such as it takes: no
// bias, 16-byte aligned.
bool SuitsLibrary(const GemmCall& call);

// Enqueues the product by the library; false when it does not suit, there is no library, or it has no algorithm.
bool MultiplyByLibrary(cudaStream_t stream, const GemmCall& call, const GemmScratch& scratch);

// For reports: "cuBLASLt 13.1.0 (/usr/local/cuda/lib64/libcublasLt.so.13)", or "none" and why.
std::string MatmulLibraryReport();

// Where the library is looked for, best first. RLVR_CUBLAS (a file, or a folder that holds one) stands alone when it is
// set; else the toolkit, the loader's own paths, and NVIDIA's wheels in Python's site-packages.
std::vector<std::string> MatmulLibraryPaths();

// Puts another library, or none, in the place of the one found; gives that back. For tests.
std::shared_ptr<CublasLt> ExchangeMatmulLibrary(std::shared_ptr<CublasLt> library);

}  // namespace rlvr::cuda
