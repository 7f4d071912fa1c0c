// Which tile a product takes and into how many parts its sum is cut. Pure: the same on every machine and card, because
// the cut is part of the result's bits (the tile is not: every element is summed over k in steps of 16, in order).
#pragma once

#include "backends/cuda/gemm.h"

namespace rlvr::cuda {

enum class GemmTile { k128x128, k64x64, k32x128, k64x32 };

constexpr int kGemmDepth = 32;  // of k in a tile: 64 bytes a row, two sectors

struct GemmPlan {
  GemmTile tile = GemmTile::k64x64;
  bool aligned = true;  // both operands can be copied in chunks of 16 bytes
  int splits = 1;
  int64_t k_per_split = 0;
};

// `partial_bytes`: room for the parts of a cut sum.
GemmPlan PlanGemm(const GemmCall& call, size_t partial_bytes);

// Whether chunks of 16 bytes of this matrix, with rows of `row` elements, can be copied whole.
bool IsAligned(const void* data, int64_t ld, int64_t row);

// The leading dimension of a part [m, n] of F32 sums: whole groups of 16 bytes.
constexpr int64_t PartialLd(int64_t n) { return (n + 3) / 4 * 4; }

}  // namespace rlvr::cuda
