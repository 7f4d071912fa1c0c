// Scratch of the attention ops: the lists of the batch, partial results of keys that are split over blocks, and what
// the backward needs of each row.
#pragma once

#include "backends/cuda/attention_batch.h"
#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct AttentionScratch {
  std::byte* lists = nullptr;
  size_t list_bytes = 0;
  float* part_sums = nullptr;     // [kMaxParts, heads, 2]: largest score in powers of two, sum of exp2(score - largest)
  float* part_out = nullptr;      // [kMaxParts, heads, head_dim]: sum of exp2(score - largest) * value
  float* out_products = nullptr;  // [max_rows, heads]: dout . out
  AttentionBatch batch;           // of BeginBatch

  AttentionScratch() = default;
  AttentionScratch(Carver& carver, const WorkspaceLimits& limits) {
    // Rows and their places in a few lists, tiles, spans; the constant is room for a million pages.
    list_bytes = (size_t{4} << 20) + static_cast<size_t>(limits.max_rows) * 256;
    lists = carver.Take<std::byte>(static_cast<int64_t>(list_bytes));
    part_sums = carver.Take<float>(int64_t{kMaxParts} * limits.heads * 2);
    part_out = carver.Take<float>(int64_t{kMaxParts} * limits.heads * limits.head_dim);
    out_products = carver.Take<float>(limits.max_rows * limits.heads);
  }
};

}  // namespace rlvr::cuda
