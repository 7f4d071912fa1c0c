// Scratch of the head ops: a chunk of logits, which become their gradient, and what is reduced from them.
#pragma once

#include <algorithm>

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// A row's logits are summed in parts, a block each: 256 threads hold sixteen each in registers.
constexpr int kHeadPart = 4096;
// A block of the later passes takes this many. A multiple of what weights are packed in, since the gradient's products
// take a segment at a time.
constexpr int kHeadSegment = 16384;
// Distances below the largest logit, 1 / 32 nat each, into which a truncated row is counted.
constexpr int kHeadBins = 1024;
// A chunk of truncated rows is no longer than this: more would not make it faster, and bins are 12 KiB each.
constexpr int64_t kMostTruncatedRows = 128;

// The number of `size`s that hold `count`.
constexpr int64_t Pieces(int64_t count, int64_t size) { return (count + size - 1) / size; }

// Floats from one row of logits to the next: rows start at 16 bytes.
constexpr int64_t HeadStride(int64_t vocab) { return (vocab + 3) / 4 * 4; }

// Of one part of a row; `sum` and `weighted` are in units of 2^-40 (head_row.cuh).
struct HeadPart {
  uint64_t best;      // the sort key of the largest
  uint64_t sum;       // of exp(x - largest)
  uint64_t weighted;  // of exp(x - largest) (largest - x)
};

// The distribution of one row.
struct HeadRow {
  uint64_t best;   // the sort key of the largest
  uint64_t least;  // that of the last token of the support
  double total;    // the sum of exp(x - largest)
  double sum;      // the same over the support
  double entropy;  // of the support, nats
};

// Where a truncated row's candidates lie, and what they weigh, in units of 2^-44.
struct HeadCandidates {
  uint32_t last_bin;    // the last whose tokens may be in the support
  uint32_t count;       // of candidates
  uint64_t total_mass;  // of the row
  uint64_t mass;        // of the support
};

// What makes a row's gradient from its logits.
struct HeadSlope {
  uint64_t least;  // tokens before this key have none but, for the target, `own`
  float own;       // dLoss / dlogprob / temperature: the target's own term
  float share;     // times exp(x - largest): every token's
};

struct HeadScratch {
  int64_t vocab = 0;
  int64_t dim = 0;
  int64_t rows = 0;            // of a chunk
  int64_t truncated_rows = 0;  // of a chunk of a truncated distribution, whose candidates lie behind the logits
  float* logits = nullptr;
  HeadPart* parts = nullptr;
  HeadRow* distributions = nullptr;
  HeadSlope* slopes = nullptr;
  float* residuals = nullptr;       // [rows, segments], what rounding took from the sum of a segment's gradients
  float* dhidden = nullptr;         // [rows, dim], the sum over segments
  uint16_t* target_rows = nullptr;  // BF16 [rows, dim], the targets' rows of the weight
  uint32_t* bin_counts = nullptr;   // [truncated_rows, segments, kHeadBins]
  uint64_t* bin_masses = nullptr;   // the same
  uint32_t* first_slots = nullptr;  // [truncated_rows, segments], where a segment's candidates start
  HeadCandidates* candidates = nullptr;

  HeadScratch() = default;
  HeadScratch(Carver& carver, const WorkspaceLimits& limits) {
    vocab = std::max<int64_t>(limits.vocab, 1);
    dim = std::max<int64_t>(limits.dim, 1);
    const int64_t stride = HeadStride(vocab);
    const int64_t most_rows = std::max<int64_t>(limits.max_head_rows, 1);
    const auto fitting = static_cast<int64_t>(limits.head_chunk_bytes / sizeof(float)) / stride;
    rows = std::clamp<int64_t>(fitting, 1, most_rows);
    // A candidate has eight bytes, a logit four.
    truncated_rows = std::clamp<int64_t>(fitting / 3, 1, std::min(most_rows, kMostTruncatedRows));
    const int64_t segments = Pieces(vocab, kHeadSegment);
    logits = carver.Take<float>(std::max(rows, 3 * truncated_rows) * stride);
    parts = carver.Take<HeadPart>(rows * Pieces(vocab, kHeadPart));
    distributions = carver.Take<HeadRow>(rows);
    slopes = carver.Take<HeadSlope>(rows);
    residuals = carver.Take<float>(rows * segments);
    dhidden = carver.Take<float>(rows * dim);
    target_rows = carver.Take<uint16_t>(rows * dim);
    bin_counts = carver.Take<uint32_t>(truncated_rows * segments * kHeadBins);
    bin_masses = carver.Take<uint64_t>(truncated_rows * segments * kHeadBins);
    first_slots = carver.Take<uint32_t>(truncated_rows * segments);
    candidates = carver.Take<HeadCandidates>(truncated_rows);
  }
};

}  // namespace rlvr::cuda
