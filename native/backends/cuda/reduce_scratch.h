// Scratch of the reduce ops: partial sums of whole tensors, what the gradient of a norm's weight needs of each row, and
// where the same row or token occurs again.
#pragma once

#include <algorithm>

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// The most blocks of SumSquares, each with a partial sum.
constexpr int kMostSumBlocks = 1024;

struct ReduceScratch {
  double* sums = nullptr;       // [kMostSumBlocks] and their sum
  float* row_scales = nullptr;  // [max_rows]
  int64_t max_rows = 0;         // of a norm: the heads of a packed batch are rows too
  int32_t* first = nullptr;     // [max_places]: 1 where a value of `rows` or `ids` occurs first
  int32_t* next = nullptr;      // [max_places]: where it occurs again, or -1
  int64_t max_places = 0;

  ReduceScratch() = default;
  ReduceScratch(Carver& carver, const WorkspaceLimits& limits)
      : sums(carver.Take<double>(kMostSumBlocks + 1)),
        row_scales(carver.Take<float>(limits.max_rows * std::max<int64_t>(limits.heads, 1))),
        max_rows(limits.max_rows * std::max<int64_t>(limits.heads, 1)),
        first(carver.Take<int32_t>(std::max(limits.max_rows, limits.max_head_rows))),
        next(carver.Take<int32_t>(std::max(limits.max_rows, limits.max_head_rows))),
        max_places(std::max(limits.max_rows, limits.max_head_rows)) {}
};

}  // namespace rlvr::cuda
