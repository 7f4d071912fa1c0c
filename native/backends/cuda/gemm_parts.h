// A product as parts of its sum, for kernels that add the parts on their way to something else.
#pragma once

#include "backends/cuda/gemm.h"
#include "backends/cuda/product_output.cuh"

namespace rlvr::cuda {

// op(A) op(B) is the sum, in this order, of `count` F32 matrices [m, n] in the scratch. They live until its next use.
struct GemmParts {
  const float* sums = nullptr;
  int count = 0;
  int64_t stride = 0;  // elements from one part to the next
  int64_t ld = 0;      // a multiple of 4
};

// c, ldc, accumulate, alpha and bias of the call are not used.
GemmParts MultiplyInParts(cudaStream_t stream, const GemmCall& call, const LinearScratch& scratch);

// Where and how a call's sums end.
ProductOutput OutputOf(const GemmCall& call);

}  // namespace rlvr::cuda
