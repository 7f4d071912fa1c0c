// What the head ops share: memory, chunks of logits, and a row's distribution from the sums of its chunks.
// Sums are taken per chunk of kHeadChunk tokens, then over the chunks in order, in double. The sampler, the scorer and
// the loss therefore give a token the same logprob, bit for bit, whatever tiles they work in.
#pragma once

#include <algorithm>

#include "backends/cpu/cpu_backend.h"

namespace rlvr::cpu {

// A row's distribution, from its chunks.
struct RowSums {
  double max = 0;
  double sum = 0;      // of exp(x - max)
  double entropy = 0;  // nats
  double LogProb(double x) const;
};

RowSums MergeChunks(const ChunkSum* chunks, int64_t count);

// Memory and plan of one head op. Nothing is allocated.
class HeadPass {
 public:
  HeadPass(CpuBackend& backend, const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling);

  int64_t vocab() const { return weight_.out; }
  int64_t chunks() const { return chunks_; }
  bool truncates() const { return truncates_; }
  double inverse_temperature() const { return inverse_temperature_; }
  Floats hidden() const { return hidden_; }
  const PackedWeight& weight() const { return weight_; }
  // Tokens [first, first + count) of chunk c.
  int64_t ChunkFirst(int64_t c) const { return c * kHeadChunk; }
  int64_t ChunkCount(int64_t c) const;

  // The targets, checked.
  const int32_t* Targets(const Tensor& target) const;

  // Raw logits of rows [row, row + rows) for tokens [first, first + count), first a multiple of 32.
  Product LogitsOf(int64_t row, int64_t rows, int64_t first, int64_t count, float* logits, int64_t stride) const;
  ChunkArgs Chunk(float* logits, int64_t count) const;

  // Sums of all chunks and the logit of `target` (may be null) of rows [row, row + rows), rows at most block_rows().
  void SumRows(int64_t row, int64_t rows, const int32_t* target, bool entropy, bool argmax);
  int64_t block_rows() const { return block_rows_; }
  // Of row i of the block.
  ChunkSum* Sums(int64_t i) const { return sums_ + i * chunks_; }
  float& TargetLogit(int64_t i) const { return target_logits_[i]; }

  // Threads that may hold a chunk of logits at a time, and the memory of one: [tile_rows()][kHeadChunk].
  int workers() const { return workers_; }
  int64_t tile_rows() const { return tile_rows_; }
  float* ChunkLogits(int worker) const { return logits_ + static_cast<int64_t>(worker) * tile_rows_ * chunk_width_; }
  int64_t chunk_width() const { return chunk_width_; }
  void CountLogits(int64_t floats) const;

  // Whole rows, for truncation: [whole_rows()][vocab].
  int64_t whole_rows() const { return whole_rows_; }
  float* WholeRow(int64_t i) const { return logits_ + i * vocab(); }
  ChunkSum* RowChunks(int thread) const { return row_chunks_ + static_cast<int64_t>(thread) * chunks_; }
  float* Weights(int thread) const { return weights_ + static_cast<int64_t>(thread) * vocab(); }
  Candidate* Candidates(int thread) const { return candidates_ + static_cast<int64_t>(thread) * vocab(); }

  // Room for one row of the weight, of row_room() floats.
  float* RowRoom(int thread) const { return row_rooms_ + static_cast<int64_t>(thread) * row_room_; }
  int64_t row_room() const { return row_room_; }

  // Per row of the op, for the second pass of the loss: max, sum and slope / temperature.
  double* RowNumbers(int64_t row) const { return row_numbers_ + 3 * row; }

  CpuBackend& backend() const { return backend_; }
  const Kernels& kernels() const { return backend_.kernels_; }
  ThreadPool& pool() const { return backend_.pool_; }
  std::byte* Scratch(int thread) const { return backend_.Scratch(thread); }
  void MultiplyHere(const Product& product, int thread) const { backend_.MultiplyHere(product, Scratch(thread)); }
  void Multiply(const Product& product) const { backend_.Multiply(product); }

 private:
  CpuBackend& backend_;
  Floats hidden_;
  PackedWeight weight_;
  float softcap_;
  double inverse_temperature_;
  bool truncates_;
  int64_t chunks_, chunk_width_, block_rows_, tile_rows_, whole_rows_, row_room_;
  int workers_;
  float *logits_, *target_logits_, *weights_, *row_rooms_;
  ChunkSum *sums_, *row_chunks_;
  Candidate* candidates_;
  double* row_numbers_;
};

// Calls body(row, logits over temperature, sums, thread) for every row of the op, whole rows at a time.
template <typename Body>
void ForWholeRows(const HeadPass& pass, const Body& body) {
  const int64_t vocab = pass.vocab(), rows = pass.hidden().rows;
  for (int64_t first = 0; first < rows; first += pass.whole_rows()) {
    const int64_t count = std::min(pass.whole_rows(), rows - first);
    pass.CountLogits(count * vocab);
    pass.Multiply(pass.LogitsOf(first, count, 0, vocab, pass.WholeRow(0), vocab));
    pass.pool().ParallelFor(count, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t i = begin; i < end; ++i) {
        float* x = pass.WholeRow(i);
        ChunkSum* chunks = pass.RowChunks(thread);
        for (int64_t c = 0; c < pass.chunks(); ++c) {
          ChunkArgs args = pass.Chunk(x + pass.ChunkFirst(c), pass.ChunkCount(c));
          args.entropy = true;
          chunks[c] = pass.kernels().head_sum(args);
        }
        body(first + i, x, MergeChunks(chunks, pass.chunks()), thread);
      }
    });
  }
}

// The support of a truncated distribution, called in ForWholeRows: candidates in order of drawing, their count, and
// their sum of exp(x - max).
struct Support {
  int64_t count = 0;
  double sum = 0;
  double entropy = 0;
};
Support FindSupport(const HeadPass& pass, const SamplingParams& sampling, const float* x, const RowSums& sums,
                    int thread);

}  // namespace rlvr::cpu
