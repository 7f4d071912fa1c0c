// to[rows[i], :] += scale * from[i, :] in order of i, without atomics.
#pragma once

#include "backends/cuda/cuda_backend.h"

namespace rlvr::cuda {

// from: BF16 [R, cols]; rows: I32 [1, R]; to: BF16 or F32 [any, cols]. Several rows of `from` that meet in one of `to`
// are added in F32 in order of i, and rounded once.
void ScatterAddRows(const char* name, const CudaBackend& backend, const Tensor& from, const Tensor& rows, float scale,
                    const Tensor& to);

}  // namespace rlvr::cuda
