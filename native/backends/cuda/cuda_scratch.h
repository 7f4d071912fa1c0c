// The workspace of the cuda backend, by concern. Each part is a plain function of the limits; CudaScratch adds them up.
// Pure host code: the plan of a run is made on machines without CUDA.
#pragma once

#include "backends/cuda/attention_scratch.h"
#include "backends/cuda/carver.h"
#include "backends/cuda/head_scratch.h"
#include "backends/cuda/linear_scratch.h"
#include "backends/cuda/reduce_scratch.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct CudaScratch {
  LinearScratch linear;
  AttentionScratch attention;
  HeadScratch head;
  ReduceScratch reduce;

  CudaScratch() = default;
  CudaScratch(Carver& carver, const WorkspaceLimits& limits)
      : linear(carver, limits), attention(carver, limits), head(carver, limits), reduce(carver, limits) {}
};

inline size_t ScratchBytes(const WorkspaceLimits& limits) {
  Carver carver;
  const CudaScratch scratch(carver, limits);
  return carver.used();
}

}  // namespace rlvr::cuda
