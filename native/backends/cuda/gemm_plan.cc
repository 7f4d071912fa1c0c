#include "backends/cuda/gemm_plan.h"

#include <algorithm>

namespace rlvr::cuda {

namespace {

// Of the RTX 4090; an H100 has 132.
constexpr int64_t kMultiprocessors = 128;
// Two blocks a multiprocessor hide each other's waits.
constexpr int64_t kWantedBlocks = 2 * kMultiprocessors;
// A part shorter than four tiles of k costs more to add than it saves.
constexpr int64_t kMinTilesPerSplit = 4;
constexpr int64_t kMaxSplits = 32;

struct TileCost {
  int64_t m, n;
  double efficiency;  // of the tensor cores, by operand bytes through shared memory for each product
};
constexpr TileCost kLarge{128, 128, 1.0}, kMedium{64, 64, 0.75};

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Time of the busiest multiprocessor, in products of one k.
double Cost(const TileCost& tile, int64_t m, int64_t n) {
  const int64_t waves = DivideUp(DivideUp(m, tile.m) * DivideUp(n, tile.n), kMultiprocessors);
  return static_cast<double>(waves * tile.m * tile.n) / tile.efficiency;
}

GemmTile ChooseTile(const GemmCall& call) {
  if (call.n <= 32) return GemmTile::k64x32;
  if (call.m <= 32) return GemmTile::k32x128;
  return Cost(kLarge, call.m, call.n) <= Cost(kMedium, call.m, call.n) ? GemmTile::k128x128 : GemmTile::k64x64;
}

// Blocks of an uncut product, as the cut counts them: for few rows by columns alone.
int64_t Blocks(const GemmCall& call) {
  if (call.m <= kFewRows) return DivideUp(call.n, 128);
  return DivideUp(call.m, 64) * DivideUp(call.n, call.n <= 32 ? 32 : 64);
}

}  // namespace

bool IsAligned(const void* data, int64_t ld, int64_t row) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && ld % 8 == 0 && row % 8 == 0;
}

GemmPlan PlanGemm(const GemmCall& call, size_t partial_bytes) {
  GemmPlan plan;
  plan.aligned = IsAligned(call.a, call.lda, call.a_transposed ? call.m : call.k) &&
                 IsAligned(call.b, call.ldb, call.b_transposed ? call.k : call.n);
  plan.tile = plan.aligned ? ChooseTile(call) : GemmTile::k64x64;
  plan.k_per_split = call.k;
  if (call.m > kFewRows && !call.may_split) return plan;

  const int64_t tiles = DivideUp(call.k, kGemmDepth);
  // Room for kFewRows rows whatever m is, or the cut would depend on it.
  const int64_t part = std::max(call.m, kFewRows) * PartialLd(call.n) * static_cast<int64_t>(sizeof(float));
  const int64_t wanted = std::min({kWantedBlocks / std::max<int64_t>(Blocks(call), 1), tiles / kMinTilesPerSplit,
                                   static_cast<int64_t>(partial_bytes) / std::max<int64_t>(part, 1), kMaxSplits});
  if (wanted <= 1) return plan;
  const int64_t tiles_per_split = DivideUp(tiles, wanted);
  plan.splits = static_cast<int>(DivideUp(tiles, tiles_per_split));
  plan.k_per_split = tiles_per_split * kGemmDepth;
  return plan;
}

}  // namespace rlvr::cuda
