// Scratch of the linear ops: unpacked weights, split sums of the small-row kernels, the workspace of cuBLASLt.
#pragma once

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct LinearScratch {
  LinearScratch() = default;
  LinearScratch(Carver& carver, const WorkspaceLimits& limits) {
    (void)carver;
    (void)limits;
  }
};

}  // namespace rlvr::cuda
