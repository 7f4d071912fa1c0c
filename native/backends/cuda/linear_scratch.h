// Scratch of the linear ops: unpacked weights, split sums of the small-row kernels, the workspace of cuBLASLt.
#pragma once

#include "backends/cuda/carver.h"
#include "backends/cuda/gemm_scratch.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct LinearScratch {
  GemmScratch gemm;

  LinearScratch() = default;
  LinearScratch(Carver& carver, const WorkspaceLimits& limits) : gemm(carver, limits) {}
};

}  // namespace rlvr::cuda
