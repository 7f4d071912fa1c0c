// Scratch of the linear ops: unpacked weights, split sums of the small-row kernels, the workspace of cuBLASLt.
#pragma once

#include <algorithm>

#include "backends/cuda/carver.h"
#include "backends/cuda/gemm_scratch.h"
#include "backends/cuda/linear_split.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct Bf16;

struct LinearScratch {
  GemmScratch gemm;
  // A frozen matrix, or rows of one that is larger, with rows padded to whole vectors. One side of every matrix but the
  // head is the model's width.
  Bf16* unpacked = nullptr;
  int64_t unpacked_elements = 0;
  float* parts = nullptr;  // MostPartElements()

  LinearScratch() = default;
  LinearScratch(Carver& carver, const WorkspaceLimits& limits)
      : gemm(carver, limits), unpacked_elements(UnpackedElements(limits)) {
    unpacked = reinterpret_cast<Bf16*>(carver.Take<uint16_t>(unpacked_elements));
    parts = carver.Take<float>(MostPartElements(std::max(limits.max_rows, limits.max_head_rows)));
  }

  static int64_t UnpackedStride(int64_t in) { return (in + 7) / 8 * 8; }

 private:
  static int64_t UnpackedElements(const WorkspaceLimits& limits) {
    const int64_t widest = UnpackedStride(std::max({limits.max_in, limits.max_out, limits.dim}));
    return widest * UnpackedStride(std::max<int64_t>(limits.dim, 1));
  }
};

}  // namespace rlvr::cuda
