// From the order of a checkpoint's file to the planes of weight_layout.h. Pure host code.
#pragma once

#include <functional>

#include "backends/cuda/weight_layout.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// Takes `bytes` bytes for the packed weight from byte `offset` on; they are the caller's again at return.
using PackedSink = std::function<void(const void* from, size_t offset, size_t bytes)>;

// Gives every byte of the packed matrix but padding to the sink, a few MB at a time.
void RepackWeight(const WeightSource& source, const PackedSink& sink);

}  // namespace rlvr::cuda
