// How the small-row kernels cut a product: outputs over blocks, and the inner dimension over `splits` when the outputs
// alone would leave most of the card idle. A function of the weight's shape alone, never of the rows, so that a row's
// result has the same bits whatever stands beside it. Parts are summed in order by a second kernel.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rlvr::cuda {

constexpr int64_t kGemvRows = 4;
constexpr int64_t kFewLinearRows = 64;

// Three blocks for each multiprocessor of the largest consumer and server cards (128 and 132).
constexpr int64_t kSplitBlocks = 384;

constexpr int64_t kMostBlockOutputs = 128;

struct LinearSplit {
  int64_t tiles_per_split = 0;
  int64_t splits = 0;
};

// `tiles` of the inner dimension, `blocks` of outputs, at least min_tiles a part.
inline LinearSplit SplitTiles(int64_t tiles, int64_t blocks, int64_t min_tiles) {
  const int64_t wanted =
      std::clamp<int64_t>(kSplitBlocks / std::max<int64_t>(blocks, 1), 1, std::max<int64_t>(tiles / min_tiles, 1));
  const int64_t tiles_per_split = std::max<int64_t>((tiles + wanted - 1) / wanted, 1);
  return {tiles_per_split, std::max<int64_t>((tiles + tiles_per_split - 1) / tiles_per_split, 1)};
}

// Elements of parts that any split needs: only products of at most half the blocks are split.
inline int64_t MostPartElements(int64_t rows) {
  return kSplitBlocks * kMostBlockOutputs * std::min(rows, kFewLinearRows);
}

}  // namespace rlvr::cuda
