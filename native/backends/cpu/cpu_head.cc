// Sampling and scoring: the head's forward ops.
#include <algorithm>
#include <cmath>

#include "backends/cpu/head_pass.h"

namespace rlvr::cpu {

namespace {

void Write(const Tensor& to, int64_t row, double value) {
  if (to.defined()) to.F32()[row] = static_cast<float>(value);
}

// The first of `count` logits whose cumulated share of `sums` passes `goal`, given `before`; the last with any share
// when rounding leaves the sum short.
int64_t WalkChunk(const float* x, int64_t count, const RowSums& sums, double before, double goal) {
  int64_t last = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double share = std::exp(x[i] - sums.max);
    if (share == 0) continue;
    before += share;
    last = i;
    if (before > goal) break;
  }
  return last;
}

// The untruncated draw: the chunk by its sum, then the token inside it, whose logits are computed again.
int64_t DrawFromChunks(const HeadPass& pass, int64_t row, const ChunkSum* chunks, const RowSums& sums, double uniform,
                       int worker, int thread, float& x) {
  const double goal = uniform * sums.sum;
  double before = 0;
  int64_t chosen = -1;
  for (int64_t c = 0; c < pass.chunks(); ++c) {
    const double share = chunks[c].sum * std::exp(chunks[c].max - sums.max);
    if (share == 0) continue;
    chosen = c;
    if (before + share > goal) break;
    before += share;
  }
  chosen = std::max<int64_t>(chosen, 0);
  float* logits = pass.ChunkLogits(worker);
  const int64_t first = pass.ChunkFirst(chosen), count = pass.ChunkCount(chosen);
  pass.MultiplyHere(pass.LogitsOf(row, 1, first, count, logits, count), thread);
  pass.kernels().head_sum(pass.Chunk(logits, count));
  const int64_t token = WalkChunk(logits, count, sums, before, goal);
  x = logits[token];
  return first + token;
}

// Greedy: the best of the chunks' best, the first of equals.
int64_t BestToken(const HeadPass& pass, const ChunkSum* chunks, float& x) {
  int64_t best = 0;
  for (int64_t c = 1; c < pass.chunks(); ++c) {
    if (chunks[c].max > chunks[best].max) best = c;
  }
  x = chunks[best].max;
  return pass.ChunkFirst(best) + chunks[best].argmax;
}

// Whether the token is in the support, by walking it.
bool Holds(const Candidate* candidates, int64_t count, int64_t token) {
  for (int64_t i = 0; i < count; ++i) {
    if (candidates[i].token == token) return true;
  }
  return false;
}

}  // namespace

void CpuBackend::HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                            const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) {
  HeadPass pass(*this, hidden, head, sampling);
  int32_t* drawn = tokens.I32();
  const double* u = sampling.greedy() ? nullptr : uniform.F64();
  if (pass.truncates()) {
    ForWholeRows(pass, [&](int64_t row, const float* x, const RowSums& sums, int thread) {
      const Support support = FindSupport(pass, sampling, x, sums, thread);
      const Candidate* candidates = pass.Candidates(thread);
      const double goal = u[row] * support.sum;
      double cumulated = 0;
      int64_t chosen = 0;
      for (int64_t i = 0; i < support.count; ++i) {
        chosen = i;
        if ((cumulated += std::exp(candidates[i].x - sums.max)) > goal) break;
      }
      drawn[row] = candidates[chosen].token;
      Write(out.logprob, row, RowSums{sums.max, support.sum, 0}.LogProb(candidates[chosen].x));
      Write(out.entropy, row, support.entropy);
    });
    return;
  }
  for (int64_t first = 0; first < hidden.rows(); first += pass.block_rows()) {
    const int64_t count = std::min(pass.block_rows(), hidden.rows() - first);
    pass.SumRows(first, count, nullptr, out.entropy.defined(), sampling.greedy());
    const int workers = static_cast<int>(std::min<int64_t>(pass.workers(), count));
    pool_.ParallelFor(workers, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t part = begin; part < end; ++part) {
        for (int64_t i = count * part / workers; i < count * (part + 1) / workers; ++i) {
          const RowSums sums = MergeChunks(pass.Sums(i), pass.chunks());
          const int64_t row = first + i;
          float x;
          const int64_t token = sampling.greedy() ? BestToken(pass, pass.Sums(i), x)
                                                  : DrawFromChunks(pass, row, pass.Sums(i), sums, u[row],
                                                                   static_cast<int>(part), thread, x);
          drawn[row] = static_cast<int32_t>(token);
          Write(out.logprob, row, sums.LogProb(x));
          Write(out.entropy, row, sums.entropy);
        }
      }
    });
  }
}

void CpuBackend::HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                              const Tensor& target, const HeadOutputs& out) {
  HeadPass pass(*this, hidden, head, sampling);
  const int32_t* targets = pass.Targets(target);
  if (pass.truncates()) {
    ForWholeRows(pass, [&](int64_t row, const float* x, const RowSums& sums, int thread) {
      const Support support = FindSupport(pass, sampling, x, sums, thread);
      const bool inside = Holds(pass.Candidates(thread), support.count, targets[row]);
      Write(out.logprob, row, RowSums{sums.max, inside ? support.sum : sums.sum, 0}.LogProb(x[targets[row]]));
      Write(out.entropy, row, support.entropy);
    });
    return;
  }
  for (int64_t first = 0; first < hidden.rows(); first += pass.block_rows()) {
    const int64_t count = std::min(pass.block_rows(), hidden.rows() - first);
    pass.SumRows(first, count, targets, out.entropy.defined(), false);
    for (int64_t i = 0; i < count; ++i) {
      const RowSums sums = MergeChunks(pass.Sums(i), pass.chunks());
      Write(out.logprob, first + i, sums.LogProb(pass.TargetLogit(i)));
      Write(out.entropy, first + i, sums.entropy);
    }
  }
}

}  // namespace rlvr::cpu
