// HeadLoss: the token losses and dhidden, in one pass over the vocabulary.
// With E = sum over v of p_v s_v W_v and s the softcap's slope, dlogprob/dhidden = (s_t W_t - E) / temperature, and the
// loss's slope in the logprob is one number a row. So E grows chunk by chunk like the sum of a softmax, rescaled when
// the maximum moves, while a chunk's logits are still in the cache; it is turned into the gradient when the row's
// logprob is known. Two products in all: each weight is used once for its logits and once for E.
// Rows are split over threads: E of a row is one chain, and dhidden is where it grows. A row whose loss has no slope
// whatever its logprob (no advantage, no weight) needs no E: half the work.
// A truncated distribution takes whole rows of logits, as many as fit; its gradient touches the kept tokens alone.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "backends/cpu/head_pass.h"
#include "backends/cpu/token_loss.h"
#include "backends/cpu/weight_layout.h"

namespace rlvr::cpu {

namespace {

void Write(const Tensor& to, int64_t row, double value) {
  if (to.defined()) to.F32()[row] = static_cast<float>(value);
}

class LossPass {
 public:
  LossPass(HeadPass& pass, const SamplingParams& sampling, double softcap, const HeadTargets& targets,
           const TokenLoss& loss, const HeadOutputs& out, const Tensor& dhidden)
      : pass_(pass),
        sampling_(sampling),
        softcap_(softcap),
        targets_(targets),
        loss_(loss),
        out_(out),
        dhidden_(View(dhidden)),
        tokens_(pass.Targets(targets.target)) {}

  // Untruncated rows.
  void Run() {
    const int64_t rows = pass_.hidden().rows;
    const int64_t workers = std::min({int64_t{pass_.workers()}, std::max<int64_t>(rows / 4, 1), pass_.block_rows()});
    // Sums() holds block_rows() rows for all: each worker has its share. Tiles are taken as threads come free, four for
    // each when there are rows enough: rows without a gradient take half the time.
    const int64_t share = std::max<int64_t>(1, pass_.block_rows() / workers);
    const int64_t few = std::max<int64_t>((rows / (4 * workers) + 11) / 12 * 12, 48);
    const int64_t tile = std::min({pass_.tile_rows(), share, few, (rows + workers - 1) / workers});
    pass_.CountLogits(workers * tile * pass_.chunk_width());
    std::atomic<int64_t> next{0};
    pass_.pool().ParallelFor(workers, [&](int64_t worker, int64_t, int thread) {
      for (int64_t row = tile * next++; row < rows; row = tile * next++) {
        Tile(row, std::min(tile, rows - row), worker * share, static_cast<int>(worker), thread);
      }
    });
  }

  // One row of a truncated distribution.
  void Truncated(int64_t row, const float* x, const RowSums& sums, int thread) {
    const Support support = FindSupport(pass_, sampling_, x, sums, thread);
    const Candidate* candidates = pass_.Candidates(thread);
    const int64_t token = tokens_[row];
    bool inside = false;
    for (int64_t i = 0; i < support.count && !inside; ++i) inside = candidates[i].token == token;
    const RowSums of{sums.max, inside ? support.sum : sums.sum, 0};
    const double slope = Finish(row, of.LogProb(x[token]), support.entropy) * pass_.inverse_temperature();
    float* gradient = dhidden_.Row(row);
    std::fill(gradient, gradient + dhidden_.cols, 0.0f);
    if (slope == 0) return;
    // Outside the support the logprob is that of all tokens; many tokens are cheaper as one product with the weight.
    if (!inside || support.count > pass_.vocab() / 16) {
      float* p = pass_.Weights(thread);
      std::fill(p, p + pass_.vocab(), 0.0f);
      const auto share = [&](int64_t v) { p[v] = static_cast<float>(Share(of, x[v], slope)); };
      if (inside) {
        for (int64_t i = 0; i < support.count; ++i) share(candidates[i].token);
      } else {
        for (int64_t v = 0; v < pass_.vocab(); ++v) share(v);
      }
      p[token] += static_cast<float>(slope * CapSlope(x[token]));
      pass_.MultiplyHere(Expectation(p, pass_.vocab(), 1, pass_.vocab(), 0, gradient), thread);
      return;
    }
    float* weight_row = pass_.RowRoom(thread);
    const auto add = [&](int64_t v, double factor) {
      pass_.kernels().head_row(PackedFactor(pass_.weight(), false), v, weight_row);
      pass_.kernels().axpy(static_cast<float>(factor), weight_row, gradient, dhidden_.cols);
    };
    for (int64_t i = 0; i < support.count; ++i) {
      const double one = candidates[i].token == token ? slope * CapSlope(candidates[i].x) : 0;
      add(candidates[i].token, one + Share(of, candidates[i].x, slope));
    }
  }

  // dweight += dlogits^T hidden, with the logits computed again; rows in order, vocabulary split over threads.
  void WeightGradient(const Floats& dweight) {
    const int64_t rows = pass_.hidden().rows, vocab = pass_.vocab();
    const int64_t workers = pass_.workers();
    const int64_t width = std::clamp<int64_t>(vocab / (4 * workers) / kPanel * kPanel, kPanel, kHeadChunk);
    const int64_t parts = (vocab + width - 1) / width;
    const int64_t tile = std::min(pass_.tile_rows(), rows), room = std::min(width, pass_.chunk_width());
    pass_.CountLogits(workers * tile * room);
    pass_.pool().ParallelFor(workers, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t worker = begin; worker < end; ++worker) {
        for (int64_t c = parts * worker / workers; c < parts * (worker + 1) / workers; ++c) {
          const int64_t first = c * width, count = std::min(width, vocab - first);
          for (int64_t row = 0; row < rows; row += tile) {
            const int64_t n = std::min(tile, rows - row);
            float* logits = pass_.ChunkLogits(static_cast<int>(worker));
            pass_.MultiplyHere(pass_.LogitsOf(row, n, first, count, logits, count), thread);
            for (int64_t i = 0; i < n; ++i) LogitGradients(row + i, first, count, logits + i * count);
            Product product;
            product.x = logits;
            product.x_row = 1;
            product.x_inner = count;
            product.m = count;
            product.inner = n;
            product.n = dweight.cols;
            Floats hidden = pass_.hidden();
            hidden.data = hidden.Row(row);
            product.b = PlainFactor(hidden);
            product.y = dweight.Row(first);
            product.y_row = dweight.stride;
            product.accumulate = true;
            pass_.MultiplyHere(product, thread);
          }
        }
      }
    });
  }

 private:
  // d capped / d raw logit, for a logit over temperature.
  double CapSlope(double x) const {
    if (softcap_ <= 0) return 1;
    const double t = x / (pass_.inverse_temperature() * softcap_);
    return 1 - t * t;
  }

  // Gradient of a token's raw logit but for the target's own term.
  double Share(const RowSums& sums, double x, double slope) const {
    return -slope * std::exp(x - sums.max) / sums.sum * CapSlope(x);
  }

  // y (+)= p W over tokens [first, first + count).
  Product Expectation(const float* p, int64_t p_row, int64_t rows, int64_t count, int64_t first, float* y) const {
    const PackedWeight& w = pass_.weight();
    Product product;
    product.x = p;
    product.x_row = p_row;
    product.m = rows;
    product.inner = count;
    product.n = w.in;
    product.b = PackedFactor(w, true);
    product.b.packed += static_cast<size_t>(first / kPanel) * PanelBytes(FormatOf(w.dtype), w.in);
    product.y = y;
    product.y_row = dhidden_.stride;
    product.accumulate = true;
    return product;
  }

  // Writes the outputs of a row; returns dLoss / dlogprob.
  double Finish(int64_t row, double logprob, double entropy) const {
    const TokenTerms terms = EvaluateToken(loss_, targets_, row, logprob);
    Write(out_.logprob, row, logprob);
    Write(out_.entropy, row, entropy);
    Write(out_.loss, row, terms.loss);
    Write(out_.kl, row, terms.kl);
    Write(out_.clipped, row, terms.clipped);
    return terms.slope;
  }

  // Rows [row, row + count), whose sums and running maxima stand from slot `slot` on.
  void Tile(int64_t row, int64_t count, int64_t slot, int worker, int thread) {
    float* logits = pass_.ChunkLogits(worker);
    for (int64_t i = 0; i < count; ++i) std::fill_n(dhidden_.Row(row + i), dhidden_.cols, 0.0f);
    for (int64_t c = 0; c < pass_.chunks(); ++c) {
      const int64_t width = pass_.ChunkCount(c);
      pass_.MultiplyHere(pass_.LogitsOf(row, count, pass_.ChunkFirst(c), width, logits, width), thread);
      for (int64_t i = 0; i < count; ++i) AddChunk(row + i, c, slot + i, logits + i * width, width);
      for (int64_t i = 0, end; i < count; i = end) {  // runs of rows that want E
        const bool wanted = HasSlope(loss_, targets_, row + i);
        for (end = i + 1; end < count && HasSlope(loss_, targets_, row + end) == wanted;) ++end;
        if (!wanted) continue;
        float* to = dhidden_.Row(row + i);
        const float* p = logits + i * width;
        pass_.MultiplyHere(Expectation(p, width, end - i, width, pass_.ChunkFirst(c), to), thread);
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const RowSums sums = MergeChunks(pass_.Sums(slot + i), pass_.chunks());
      const double x = pass_.TargetLogit(slot + i);
      const double slope = Finish(row + i, sums.LogProb(x), sums.entropy) * pass_.inverse_temperature();
      double* numbers = pass_.RowNumbers(row + i);
      numbers[0] = sums.max;
      numbers[1] = sums.sum;
      numbers[2] = slope;
      if (!HasSlope(loss_, targets_, row + i)) continue;  // dhidden stays zero
      float* gradient = dhidden_.Row(row + i);
      pass_.kernels().scale(static_cast<float>(-slope / sums.sum), gradient, dhidden_.cols);
      float* weight_row = pass_.RowRoom(thread);
      pass_.kernels().head_row(PackedFactor(pass_.weight(), false), tokens_[row + i], weight_row);
      pass_.kernels().axpy(static_cast<float>(slope * CapSlope(x)), weight_row, gradient, dhidden_.cols);
    }
  }

  // The chunk's sums; its logits become exp(x - max so far) times the softcap's slope; E is brought to that maximum.
  void AddChunk(int64_t row, int64_t c, int64_t slot, float* logits, int64_t width) {
    ChunkArgs args = pass_.Chunk(logits, width);
    args.entropy = out_.entropy.defined();
    const ChunkSum sum = pass_.kernels().head_sum(args);
    pass_.Sums(slot)[c] = sum;
    const int64_t at = tokens_[row] - pass_.ChunkFirst(c);
    if (at >= 0 && at < width) pass_.TargetLogit(slot) = logits[at];
    if (!HasSlope(loss_, targets_, row)) return;
    double& most = pass_.RowNumbers(row)[0];
    if (c == 0) {
      most = sum.max;
    } else if (sum.max > most) {
      pass_.kernels().scale(static_cast<float>(std::exp(most - sum.max)), dhidden_.Row(row), dhidden_.cols);
      most = sum.max;
    }
    pass_.kernels().head_softmax(args, static_cast<float>(most), 1.0f);
  }

  // Raw logits of a row to their gradients.
  void LogitGradients(int64_t row, int64_t first, int64_t count, float* logits) const {
    const double* numbers = pass_.RowNumbers(row);
    const ChunkArgs args = pass_.Chunk(logits, count);
    pass_.kernels().head_sum(args);
    const int64_t at = tokens_[row] - first;
    const bool here = at >= 0 && at < count;
    const double own = here ? numbers[2] * CapSlope(logits[at]) : 0;
    pass_.kernels().head_softmax(args, static_cast<float>(numbers[0]), static_cast<float>(-numbers[2] / numbers[1]));
    if (here) logits[at] += static_cast<float>(own);
  }

  HeadPass& pass_;
  const SamplingParams& sampling_;
  double softcap_;
  const HeadTargets& targets_;
  const TokenLoss& loss_;
  const HeadOutputs& out_;
  Floats dhidden_;
  const int32_t* tokens_;
};

}  // namespace

void CpuBackend::HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                          const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out,
                          const Tensor& dhidden, const Tensor& dweight) {
  HeadPass pass(*this, hidden, head, sampling);
  if (hidden.rows() == 0) return;
  LossPass losses(pass, sampling, head.softcap, targets, loss, out, dhidden);
  if (pass.truncates()) {
    RLVR_CHECK(!dweight.defined(), "full training takes the untruncated distribution");
    ForWholeRows(pass, [&](int64_t row, const float* x, const RowSums& sums, int thread) {
      losses.Truncated(row, x, sums, thread);
    });
    return;
  }
  losses.Run();
  if (dweight.defined()) losses.WeightGradient(View(dweight));
}

}  // namespace rlvr::cpu
