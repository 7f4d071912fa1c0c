// Scratch of the attention ops: the spans of the batch, work lists, and partial results of keys that are split over blocks.
#pragma once

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct AttentionScratch {
  AttentionScratch() = default;
  AttentionScratch(Carver& carver, const WorkspaceLimits& limits) {
    (void)carver;
    (void)limits;
  }
};

}  // namespace rlvr::cuda
