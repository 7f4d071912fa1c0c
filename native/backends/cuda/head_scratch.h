// Scratch of the head ops: a chunk of logits, their gradient, and what is reduced from them.
#pragma once

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct HeadScratch {
  HeadScratch() = default;
  HeadScratch(Carver& carver, const WorkspaceLimits& limits) {
    (void)carver;
    (void)limits;
  }
};

}  // namespace rlvr::cuda
