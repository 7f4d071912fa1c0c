// Memory, chunks and sums that the head ops share.
#include "backends/cpu/head_pass.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>

#include "backends/cpu/weight_layout.h"

namespace rlvr::cpu {

namespace {

// Rows of a tile, of which a thread has one at a time: enough that unpacking a weight is small beside using it, few
// enough that a chunk's logits and its rows of hidden states stay in the caches.
constexpr int64_t kMostTileRows = 192;

size_t RoundUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

// How the head's memory is cut. Logits take at most head_chunk_bytes, or one row.
struct Cut {
  int64_t budget;  // floats of logits
  int64_t chunks, width, block_rows, tile_rows, whole_rows;
  int workers;
  size_t logits, sums, row_chunks, targets, weights, candidates, rows, rooms;  // bytes
  size_t total() const { return logits + sums + row_chunks + targets + weights + candidates + rows + rooms; }

  Cut(const WorkspaceLimits& limits, int threads) {
    const int64_t vocab = std::max<int64_t>(limits.vocab, 1);
    budget = std::max<int64_t>(static_cast<int64_t>(limits.head_chunk_bytes / sizeof(float)), vocab);
    chunks = (vocab + kHeadChunk - 1) / kHeadChunk;
    width = std::min(vocab, kHeadChunk);
    block_rows = std::clamp<int64_t>(limits.max_head_rows, 1, std::max<int64_t>(kMostTileRows, 48 * threads));
    workers = static_cast<int>(std::clamp<int64_t>(budget / width, 1, threads));
    tile_rows = std::clamp<int64_t>(budget / width / workers, 1, std::min(block_rows, kMostTileRows));
    whole_rows = std::clamp<int64_t>(budget / vocab, 1, std::max<int64_t>(limits.max_head_rows, 1));
    const auto count = [](int64_t n, size_t bytes) { return RoundUp(static_cast<size_t>(n) * bytes); };
    logits = count(budget, sizeof(float));
    sums = count(block_rows * chunks, sizeof(ChunkSum));
    row_chunks = count(chunks * threads, sizeof(ChunkSum));
    targets = count(block_rows, sizeof(float));
    weights = count(vocab * threads, sizeof(float));
    candidates = count(vocab * threads, sizeof(Candidate));
    rooms = count(std::max<int64_t>(limits.dim, 1) * threads, sizeof(float));
    rows = count(3 * std::max<int64_t>(limits.max_head_rows, 1), sizeof(double));
  }
};

}  // namespace

size_t HeadMemoryBytes(const WorkspaceLimits& limits, int threads) { return Cut(limits, threads).total(); }

HeadPass::HeadPass(CpuBackend& backend, const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling)
    : backend_(backend), hidden_(View(hidden)), weight_(head.weight), softcap_(static_cast<float>(head.softcap)) {
  RLVR_CHECK(backend.head_memory_ != nullptr, "an op before SetWorkspace()");
  const WorkspaceLimits& limits = backend.limits_;
  const int64_t vocabulary = head.weight.out, width = head.weight.in, rows = hidden.rows();
  RLVR_CHECK(
      hidden.cols() == width && vocabulary <= limits.vocab && width <= limits.dim && rows <= limits.max_head_rows,
      "a head [", vocabulary, ", ", width, "] on ", rows, " x ", hidden.cols(), "; the workspace is for ", limits.vocab,
      " tokens, width ", limits.dim, " and ", limits.max_head_rows, " rows");
  inverse_temperature_ = sampling.greedy() ? 1.0 : 1.0 / sampling.temperature;
  truncates_ = sampling.truncates() && !sampling.greedy();
  const Cut cut(limits, backend.pool_.threads());
  chunks_ = (vocab() + kHeadChunk - 1) / kHeadChunk;
  chunk_width_ = std::min(vocab(), kHeadChunk);
  block_rows_ = cut.block_rows;
  tile_rows_ = cut.tile_rows;
  whole_rows_ = cut.whole_rows;
  workers_ = cut.workers;
  std::byte* memory = backend.head_memory_;
  logits_ = reinterpret_cast<float*>(memory);
  sums_ = reinterpret_cast<ChunkSum*>(memory += cut.logits);
  row_chunks_ = reinterpret_cast<ChunkSum*>(memory += cut.sums);
  target_logits_ = reinterpret_cast<float*>(memory += cut.row_chunks);
  weights_ = reinterpret_cast<float*>(memory += cut.targets);
  candidates_ = reinterpret_cast<Candidate*>(memory += cut.weights);
  row_numbers_ = reinterpret_cast<double*>(memory += cut.candidates);
  row_rooms_ = reinterpret_cast<float*>(memory += cut.rows);
  row_room_ = limits.dim;
}

int64_t HeadPass::ChunkCount(int64_t c) const { return std::min(kHeadChunk, vocab() - c * kHeadChunk); }

const int32_t* HeadPass::Targets(const Tensor& target) const {
  const int32_t* tokens = target.I32();
  RLVR_CHECK(target.cols() == hidden_.rows, target.cols(), " targets for ", hidden_.rows, " rows");
  for (int64_t r = 0; r < hidden_.rows; ++r) {
    RLVR_CHECK(tokens[r] >= 0 && tokens[r] < vocab(), "target ", tokens[r], " of ", vocab());
  }
  return tokens;
}

void HeadPass::CountLogits(int64_t floats) const {
  backend_.peak_logits_bytes_ = std::max(backend_.peak_logits_bytes_, static_cast<size_t>(floats) * sizeof(float));
}

Product HeadPass::LogitsOf(int64_t row, int64_t rows, int64_t first, int64_t count, float* logits,
                           int64_t stride) const {
  Product product;
  product.x = hidden_.Row(row);
  product.x_row = hidden_.stride;
  product.m = rows;
  product.inner = hidden_.cols;
  product.n = count;
  product.b = PackedFactor(weight_, false);
  product.b.packed += static_cast<size_t>(first / kPanel) * PanelBytes(FormatOf(weight_.dtype), weight_.in);
  product.y = logits;
  product.y_row = stride;
  return product;
}

ChunkArgs HeadPass::Chunk(float* logits, int64_t count) const {
  ChunkArgs args;
  args.logits = logits;
  args.count = count;
  args.softcap = softcap_;
  args.inverse_temperature = static_cast<float>(inverse_temperature_);
  return args;
}

void HeadPass::SumRows(int64_t row, int64_t rows, const int32_t* target, bool entropy, bool argmax) {
  // Items are (tile of rows, chunk); tiles are smaller when there are few chunks, so that all threads have work.
  int64_t tile = std::min(tile_rows_, rows);
  if (chunks_ < 4 * workers_) tile = std::min(tile, std::max<int64_t>(12, (rows / (2 * workers_) + 11) / 12 * 12));
  const int64_t tiles = (rows + tile - 1) / tile;
  // Taken as threads come free: a core may be shared with other programs.
  const int64_t items = tiles * chunks_, parts = std::min<int64_t>(workers_, items);
  std::atomic<int64_t> next{0};
  CountLogits(parts * tile * chunk_width_);
  pool().ParallelFor(parts, [&](int64_t begin, int64_t, int thread) {
    float* logits = ChunkLogits(static_cast<int>(begin));
    for (int64_t item = next++; item < items; item = next++) {
      const int64_t first = item / chunks_ * tile, count = std::min(tile, rows - first), c = item % chunks_;
      const int64_t width = ChunkCount(c);
      MultiplyHere(LogitsOf(row + first, count, ChunkFirst(c), width, logits, width), thread);
      for (int64_t i = 0; i < count; ++i) {
        ChunkArgs args = Chunk(logits + i * width, width);
        args.entropy = entropy;
        args.argmax = argmax;
        Sums(first + i)[c] = kernels().head_sum(args);
        if (target == nullptr) continue;
        const int64_t at = target[row + first + i] - ChunkFirst(c);
        if (at >= 0 && at < width) TargetLogit(first + i) = logits[i * width + at];
      }
    }
  });
}

double RowSums::LogProb(double x) const { return (x - max) - std::log(sum); }

RowSums MergeChunks(const ChunkSum* chunks, int64_t count) {
  RowSums total;
  total.max = chunks[0].max;
  for (int64_t c = 1; c < count; ++c) total.max = std::max(total.max, static_cast<double>(chunks[c].max));
  double weighted = 0;  // sum of exp(x - max) (x - max)
  for (int64_t c = 0; c < count; ++c) {
    const double distance = chunks[c].max - total.max, factor = std::exp(distance);
    total.sum += factor * chunks[c].sum;
    weighted += factor * (chunks[c].weighted + distance * chunks[c].sum);
  }
  total.entropy = std::log(total.sum) - weighted / total.sum;
  return total;
}

namespace {

// Distances below the maximum, in bins: how many tokens and how much of the sum lie in each.
constexpr int64_t kBins = 1024;
constexpr float kBinsPerNat = 32;  // the last bin takes all that is more than 32 nats below

int64_t BinOf(float distance) {
  const float bin = distance * kBinsPerNat;
  return bin < static_cast<float>(kBins - 1) ? static_cast<int64_t>(bin) : kBins - 1;
}

// Fills the candidates from the bins down to the last that can hold a member of the support; returns their count.
int64_t SelectByBins(const HeadPass& pass, const SamplingParams& sampling, int64_t top_k, const float* x,
                     const RowSums& sums, int thread) {
  const int64_t vocab = pass.vocab();
  const auto max = static_cast<float>(sums.max);
  float* weights = pass.Weights(thread);
  std::copy(x, x + vocab, weights);
  ChunkArgs args;
  args.logits = weights;
  args.count = vocab;
  pass.kernels().head_softmax(args, max, 1.0f);
  int32_t counts[kBins] = {};
  double mass[kBins] = {};
  for (int64_t v = 0; v < vocab; ++v) {
    const int64_t bin = BinOf(max - x[v]);
    ++counts[bin];
    mass[bin] += weights[v];
  }
  int64_t last = kBins - 1;
  if (top_k < vocab) {
    int64_t seen = 0;
    for (last = 0; (seen += counts[last]) < top_k; ++last) {}
  } else if (sampling.top_p < 1) {  // one bin more than the sums say, for their rounding
    double seen = 0;
    for (last = 0; last < kBins - 1 && (seen += mass[last]) < sampling.top_p * sums.sum; ++last) {}
    last = std::min(last + 1, kBins - 1);
  }
  Candidate* candidates = pass.Candidates(thread);
  int64_t count = 0;
  for (int64_t v = 0; v < vocab; ++v) {
    if (BinOf(max - x[v]) > last) continue;
    candidates[count++] = {x[v] == x[v] ? x[v] : -INFINITY, static_cast<int32_t>(v)};  // a NaN has no place in an order
  }
  return count;
}

// What no member of the support lies below: each of the k chunks with the largest maxima has a token at or above the
// smallest of these. -inf when it cannot be told so.
float LeastOfSupport(const HeadPass& pass, const SamplingParams& sampling, int64_t top_k, const RowSums& sums,
                     int thread) {
  float least = -INFINITY;
  if (top_k <= pass.chunks()) {
    float* maxima = pass.Weights(thread);
    for (int64_t c = 0; c < pass.chunks(); ++c) {
      const float max = pass.RowChunks(thread)[c].max;
      maxima[c] = max == max ? max : -INFINITY;
    }
    std::nth_element(maxima, maxima + top_k - 1, maxima + pass.chunks(), std::greater<>());
    least = maxima[top_k - 1];
  }
  if (sampling.min_p > 0) {
    const double distance = -std::log(std::min(sampling.min_p, 1.0));
    least = std::max(least, static_cast<float>(sums.max - distance) - 1 / kBinsPerNat);  // more, for rounding
  }
  return least;
}

// Candidates from the chunks that reach `least`.
int64_t SelectFromChunks(const HeadPass& pass, float least, const float* x, int thread) {
  int64_t count = 0;
  for (int64_t c = 0; c < pass.chunks(); ++c) {
    if (!(pass.RowChunks(thread)[c].max >= least)) continue;
    const int64_t first = pass.ChunkFirst(c);
    count += pass.kernels().head_select(x + first, pass.ChunkCount(c), least, first, pass.Candidates(thread) + count);
  }
  return count;
}

}  // namespace

Support FindSupport(const HeadPass& pass, const SamplingParams& sampling, const float* x, const RowSums& sums,
                    int thread) {
  const int64_t vocab = pass.vocab(), top_k = sampling.top_k > 0 ? std::min(sampling.top_k, vocab) : vocab;
  const float least = LeastOfSupport(pass, sampling, top_k, sums, thread);
  Candidate* candidates = pass.Candidates(thread);
  int64_t count = least > -INFINITY ? SelectFromChunks(pass, least, x, thread) : 0;
  if (count == 0) count = SelectByBins(pass, sampling, top_k, x, sums, thread);
  const auto before = [](const Candidate& a, const Candidate& b) { return a.x != b.x ? a.x > b.x : a.token < b.token; };
  if (top_k < count) {
    std::nth_element(candidates, candidates + top_k, candidates + count, before);
    count = top_k;
  }
  std::sort(candidates, candidates + count, before);
  const auto weight = [&](int64_t i) { return std::exp(candidates[i].x - sums.max); };

  if (sampling.top_p < 1) {
    double total = sums.sum;
    if (top_k < vocab) {
      total = 0;
      for (int64_t i = 0; i < count; ++i) total += weight(i);
    }
    double cumulated = 0;
    int64_t kept = 0;
    while (kept < count && cumulated < sampling.top_p * total) cumulated += weight(kept++);
    count = std::max<int64_t>(kept, 1);
  }
  while (sampling.min_p > 0 && count > 1 && weight(count - 1) < sampling.min_p) --count;

  Support support;
  support.count = count;
  double weighted = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double w = weight(i);
    support.sum += w;
    weighted += w * (candidates[i].x - sums.max);
  }
  support.entropy = std::log(support.sum) - weighted / support.sum;
  return support;
}

}  // namespace rlvr::cpu
