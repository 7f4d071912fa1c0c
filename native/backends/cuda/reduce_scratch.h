// Scratch of the reduce ops: partial sums of reductions over rows or whole tensors.
#pragma once

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct ReduceScratch {
  ReduceScratch() = default;
  ReduceScratch(Carver& carver, const WorkspaceLimits& limits) {
    (void)carver;
    (void)limits;
  }
};

}  // namespace rlvr::cuda
