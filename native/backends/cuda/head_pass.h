// What the head ops share: rows are taken a chunk at a time, each with its logits and its distribution. All three give
// a token the same logprob, bit for bit, because they have these steps in common.
#pragma once

#include <algorithm>
#include <memory>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/head_row.cuh"

namespace rlvr::cuda {

// Truncation, as kernels see it.
struct Truncation {
  int top_k;            // the vocabulary when all
  double top_p;         // 1: all
  double max_distance;  // of a logit from the largest, by min-p; infinite: any
  float bins_per_raw;   // bins in one unit of the raw logit
  uint32_t min_p_bin;   // no bin after this one holds what min-p keeps
};

class HeadPass {
 public:
  HeadPass(CudaBackend& backend, const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling);

  bool truncates() const { return truncates_; }
  int64_t chunk_rows() const { return chunk_rows_; }
  // Of the chunks of this op.
  size_t logits_bytes() const;

  // The logits of rows [first, first + count), count at most chunk_rows(), and their distributions.
  HeadChunk Distribute(int64_t first, int64_t count) const;
  // Draws a token for each row of the chunk. uniform: null for the likeliest.
  void Draw(const HeadChunk& chunk, const double* uniform, int32_t* tokens) const;

 private:
  void Truncate(const HeadChunk& chunk) const;
  void DrawTruncated(const HeadChunk& chunk, const double* uniform, int32_t* tokens) const;

  CudaBackend& backend_;
  const HeadScratch& scratch_;
  Tensor hidden_;
  PackedWeight weight_;
  LogitMap map_;
  Truncation truncation_;
  bool truncates_;
  int64_t chunk_rows_;
  int64_t stride_;
};

// Calls body(first, chunk) for the rows of an op, chunk by chunk.
template <typename Body>
void ForChunks(const HeadPass& pass, int64_t rows, const Body& body) {
  for (int64_t first = 0; first < rows; first += pass.chunk_rows()) {
    body(first, pass.Distribute(first, std::min(pass.chunk_rows(), rows - first)));
  }
}

// An output's column of a row, or null.
inline float* OutputFrom(const Tensor& to, int64_t row) { return to.defined() ? to.F32() + row : nullptr; }

}  // namespace rlvr::cuda
