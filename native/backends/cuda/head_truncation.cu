// The support of a truncated distribution, and draws from it, without sorting a row.
// 1  a block sorts the row                  18 log-squared passes over a megabyte
// 2  a block selects by radix in the row    every pass of three selections reads the row; most logits of a row share
//                                           their upper byte, so the counters are fought over
// 3  candidates first                       all blocks count the row by distance from the largest logit; that bounds
//                                           top-k, top-p and min-p; the few tokens before the bound are gathered, and
//                                           one block a row selects among them
// A selection finds the first token, in the order of the distribution, at which a cumulated weight passes a goal: with
// weight 1 that is top-k, with masses top-p and the draw. Weights are integers and sort keys differ, so ties, and the
// order in which candidates were gathered, cannot matter.
#include "backends/cuda/head_pass.h"
#include "backends/cuda/shared_atomic.cuh"

namespace rlvr::cuda {

namespace {

// Of one chunk.
struct SupportScratch {
  uint32_t* bin_counts;
  uint64_t* bin_masses;
  uint32_t* first_slots;
  HeadCandidates* candidates;
  uint64_t* keys;  // [rows, stride]
};

DEVICE int64_t SegmentBins(const HeadChunk& chunk, int row, int segment) {
  return (static_cast<int64_t>(row) * chunk.segment_count + segment) * kHeadBins;
}

// Grows as the logit falls, without gaps: subtraction and multiplication by a constant keep the order.
DEVICE uint32_t BinOf(const Truncation& truncation, float largest_raw, float raw) {
  return static_cast<uint32_t>(fminf((largest_raw - raw) * truncation.bins_per_raw, kHeadBins - 1.0f));
}

DEVICE uint64_t RowMass(const LogitMap& map, float largest, float raw) {
  return Fixed<kRowBits>(expf(-(largest - Logit(map, raw))));
}

// Calls body(raw, id) for the tokens of a block's segment.
template <typename Body>
DEVICE void ForSegment(const HeadChunk& chunk, int row, int segment, const Body& body) {
  const int begin = segment * kHeadSegment;
  const int end = begin + kHeadSegment < chunk.vocab ? begin + kHeadSegment : chunk.vocab;
  for (int first = begin + static_cast<int>(threadIdx.x) * 4; first < end; first += kHeadThreads * 4) {
    float x[4];
    LoadFour(chunk.logits + row * chunk.stride, first, chunk.vocab, x);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (first + i < end) body(x[i], first + i);
    }
  }
}

// A block a segment: how many tokens lie in each bin, and their mass.
KERNEL(kHeadThreads) CountBins(HeadChunk chunk, Truncation truncation, SupportScratch scratch) {
  SharedCarver carver;
  auto* masses = carver.Take<unsigned long long>(kHeadBins);
  auto* counts = carver.Take<unsigned>(kHeadBins);
  const int row = blockIdx.x, segment = blockIdx.y;
  for (int bin = threadIdx.x; bin < kHeadBins; bin += kHeadThreads) masses[bin] = counts[bin] = 0;
  const float largest_raw = RawOf(LoadGlobal(&chunk.distributions[row].best));
  const float largest = Logit(chunk.map, largest_raw);
  __syncthreads();
  ForSegment(chunk, row, segment, [&](float raw, int) {
    const uint32_t bin = BinOf(truncation, largest_raw, raw);
    const uint64_t mass = RowMass(chunk.map, largest, raw);
    AddShared(&counts[bin], 1u);
    if (mass > 0) AddShared(&masses[bin], static_cast<unsigned long long>(mass));
  });
  __syncthreads();
  const int64_t to = SegmentBins(chunk, row, segment);
  for (int bin = threadIdx.x; bin < kHeadBins; bin += kHeadThreads) {
    StoreGlobal(scratch.bin_counts + to + bin, counts[bin]);
    StoreGlobal(scratch.bin_masses + to + bin, static_cast<uint64_t>(masses[bin]));
  }
}

// The smallest mass that reaches a share p of the total.
DEVICE uint64_t MassGoal(double p, uint64_t total) {
  const double goal = ceil(p * static_cast<double>(total));
  return goal >= static_cast<double>(total) ? total : static_cast<uint64_t>(goal > 1 ? goal : 1);
}

constexpr int kBinsEach = kHeadBins / kHeadThreads;

// A block a row: the last bin that may hold a token of the support, and where each segment's candidates go. top-p is
// taken of the whole row here, which is never less than of the top-k.
KERNEL(kHeadThreads) BoundBins(HeadChunk chunk, Truncation truncation, SupportScratch scratch) {
  SharedCarver carver;
  uint64_t* scan = carver.Take<uint64_t>(kScanRoom);
  uint32_t* last_bins = carver.Take<uint32_t>(2);  // by top-k, by top-p
  const int row = blockIdx.x, thread = threadIdx.x;
  uint32_t counts[kBinsEach] = {};
  uint64_t masses[kBinsEach] = {}, count = 0, mass = 0;
  for (int segment = 0; segment < chunk.segment_count; ++segment) {
    const int64_t from = SegmentBins(chunk, row, segment) + thread * kBinsEach;
#pragma unroll
    for (int i = 0; i < kBinsEach; ++i) {
      counts[i] += LoadGlobal(scratch.bin_counts + from + i);
      masses[i] += LoadGlobal(scratch.bin_masses + from + i);
    }
  }
#pragma unroll
  for (int i = 0; i < kBinsEach; ++i) {
    count += counts[i];
    mass += masses[i];
  }
  if (thread < 2) last_bins[thread] = kHeadBins - 1;
  uint64_t counted = BlockScan64(count, scan).before;
  const Scanned weighed = BlockScan64(mass, scan);
  uint64_t massed = weighed.before;
  const auto count_goal = static_cast<uint64_t>(truncation.top_k);
  const uint64_t mass_goal = truncation.top_p < 1 ? MassGoal(truncation.top_p, weighed.total) : ~uint64_t{0};
#pragma unroll
  for (int i = 0; i < kBinsEach; ++i) {
    const uint32_t bin = thread * kBinsEach + i;
    if (counted < count_goal && counted + counts[i] >= count_goal) last_bins[0] = bin;
    if (massed < mass_goal && massed + masses[i] >= mass_goal) last_bins[1] = bin;
    counted += counts[i];
    massed += masses[i];
  }
  __syncthreads();
  uint32_t last = truncation.min_p_bin;
  for (int i = 0; i < 2; ++i) last = last_bins[i] < last ? last_bins[i] : last;

  uint64_t slot = 0;
  for (int segment = 0; segment < chunk.segment_count; ++segment) {
    uint64_t taken = 0;
    for (uint32_t bin = thread; bin <= last; bin += kHeadThreads) {
      taken += LoadGlobal(scratch.bin_counts + SegmentBins(chunk, row, segment) + bin);
    }
    taken = BlockReduce64(taken, Add64(), scan);
    if (thread == 0) {
      StoreGlobal(scratch.first_slots + row * chunk.segment_count + segment, static_cast<uint32_t>(slot));
    }
    slot += taken;
  }
  if (thread != 0) return;
  HeadCandidates* to = scratch.candidates + row;
  StoreGlobal(&to->last_bin, last);
  StoreGlobal(&to->count, static_cast<uint32_t>(slot));
  StoreGlobal(&to->total_mass, weighed.total);
}

// A block a segment: the sort keys of its candidates.
KERNEL(kHeadThreads) GatherCandidates(HeadChunk chunk, Truncation truncation, SupportScratch scratch) {
  SharedCarver carver;
  unsigned* taken = carver.Take<unsigned>(1);
  const int row = blockIdx.x, segment = blockIdx.y;
  if (threadIdx.x == 0) *taken = 0;
  __syncthreads();
  const float largest_raw = RawOf(LoadGlobal(&chunk.distributions[row].best));
  const uint32_t last = LoadGlobal(&scratch.candidates[row].last_bin);
  uint64_t* to =
      scratch.keys + row * chunk.stride + LoadGlobal(scratch.first_slots + row * chunk.segment_count + segment);
  ForSegment(chunk, row, segment, [&](float raw, int id) {
    if (BinOf(truncation, largest_raw, raw) <= last) StoreGlobal(to + AddShared(taken, 1u), SortKey(raw, id));
  });
}

// One block's selections among a row's candidates.
class Selection {
 public:
  DEVICE Selection(const HeadChunk& chunk, const SupportScratch& scratch, int row, uint64_t best, uint64_t* scan,
                   unsigned long long* weights, uint64_t* found)
      : map_(chunk.map),
        largest_(Logit(chunk.map, RawOf(best))),
        keys_(scratch.keys + row * chunk.stride),
        count_(static_cast<int>(LoadGlobal(&scratch.candidates[row].count))),
        scan_(scan),
        weights_(weights),
        found_(found) {}

  DEVICE uint64_t Mass(uint64_t key) const { return RowMass(map_, largest_, RawOf(key)); }
  // How far a token's logit lies below the largest, exactly.
  DEVICE double Distance(uint64_t key) const { return static_cast<double>(largest_) - Logit(map_, RawOf(key)); }

  // Combines value(key) over the candidates. Every thread receives the result.
  template <typename Value, typename Combine>
  DEVICE uint64_t Reduce(const Value& value, Combine combine) const {
    uint64_t result = 0;
    for (int i = threadIdx.x; i < count_; i += kHeadThreads) result = combine(result, value(LoadGlobal(keys_ + i)));
    return BlockReduce64(result, combine, scan_);
  }

  // The first key, from the largest down, at which the weights add up to more than the goal; the last with any weight
  // when they never do; 0 when there is no weight at all. By radix, a byte at a time.
  template <typename Weight>
  DEVICE uint64_t Find(uint64_t goal, int vocab, const Weight& weight) const {
    uint64_t prefix = 0;
    const int thread = threadIdx.x;
    for (int shift = 56; shift >= 0; shift -= 8) {
      if (shift < 32 && vocab <= 1ll << shift) {  // this byte of every id is zero, and inverted in the key
        prefix |= uint64_t{0xff} << shift;
        continue;
      }
      __syncthreads();
      weights_[thread] = 0;
      __syncthreads();
      for (int i = thread; i < count_; i += kHeadThreads) {
        const uint64_t key = LoadGlobal(keys_ + i);
        if (((key ^ prefix) >> shift) >> 8 != 0) continue;
        const uint64_t w = weight(key);
        if (w > 0) AddShared(&weights_[key >> shift & 0xff], static_cast<unsigned long long>(w));
      }
      __syncthreads();
      const uint64_t mine = weights_[kHeadThreads - 1 - thread];  // from the largest byte down
      const Scanned sums = BlockScan64(mine, scan_);
      if (sums.total == 0) return 0;
      goal = goal < sums.total ? goal : sums.total - 1;
      if (sums.before <= goal && goal < sums.before + mine) {
        found_[0] = kHeadThreads - 1 - thread;
        found_[1] = sums.before;
      }
      __syncthreads();
      prefix |= found_[0] << shift;
      goal -= found_[1];
    }
    return prefix;
  }

 private:
  const LogitMap map_;
  const float largest_;
  const uint64_t* keys_;
  const int count_;
  uint64_t* scan_;
  unsigned long long* weights_;
  uint64_t* found_;
};
static_assert(kHeadThreads == 256, "a thread a value of a byte");

size_t SelectionBytes() {
  return SharedSize().Add<uint64_t>(kScanRoom).Add<unsigned long long>(kHeadThreads).Add<uint64_t>(2).bytes();
}

// A block a row.
KERNEL(kHeadThreads) FindSupport(HeadChunk chunk, Truncation truncation, SupportScratch scratch) {
  SharedCarver carver;
  uint64_t* scan = carver.Take<uint64_t>(kScanRoom);
  auto* weights = carver.Take<unsigned long long>(kHeadThreads);
  uint64_t* found = carver.Take<uint64_t>(2);
  const int row = blockIdx.x;
  HeadRow* of = chunk.distributions + row;
  const uint64_t best = LoadGlobal(&of->best);
  const Selection selection(chunk, scratch, row, best, scan, weights, found);

  const bool has_top_k = truncation.top_k < chunk.vocab;
  uint64_t least = 0;
  if (has_top_k) {
    least = selection.Find(truncation.top_k - 1, chunk.vocab, [](uint64_t) { return uint64_t{1}; });
  }
  const auto mass = [&](uint64_t key) { return key >= least ? selection.Mass(key) : 0; };
  if (truncation.top_p < 1) {
    const uint64_t total =
        has_top_k ? selection.Reduce(mass, Add64()) : LoadGlobal(&scratch.candidates[row].total_mass);
    least = selection.Find(MassGoal(truncation.top_p, total) - 1, chunk.vocab, mass);
  }
  if (truncation.max_distance < INFINITY) {
    // The smallest key that is near enough; the best token always is.
    const uint64_t last = ~selection.Reduce(
        [&](uint64_t key) { return key == best || selection.Distance(key) <= truncation.max_distance ? ~key : 0; },
        Larger64());
    least = Larger64()(least, last);
  }

  const uint64_t sum = selection.Reduce(mass, Add64());
  const uint64_t weighted = selection.Reduce(
      [&](uint64_t key) {
        const float distance = static_cast<float>(selection.Distance(key));
        return key >= least ? Fixed<kRowBits>(expf(-distance) * distance) : 0;
      },
      Add64());
  if (threadIdx.x != 0) return;
  const auto units = static_cast<double>(sum);
  StoreGlobal(&scratch.candidates[row].mass, sum);
  StoreGlobal(&of->least, least);
  StoreGlobal(&of->sum, units * kRowUnit);
  StoreGlobal(&of->entropy, log(units * kRowUnit) + static_cast<double>(weighted) / units);
}

// A block a row.
KERNEL(kHeadThreads) DrawCandidates(HeadChunk chunk, SupportScratch scratch, const double* uniform, int32_t* tokens) {
  SharedCarver carver;
  uint64_t* scan = carver.Take<uint64_t>(kScanRoom);
  auto* weights = carver.Take<unsigned long long>(kHeadThreads);
  uint64_t* found = carver.Take<uint64_t>(2);
  const int row = blockIdx.x;
  const HeadRow* of = chunk.distributions + row;
  const uint64_t best = LoadGlobal(&of->best), least = LoadGlobal(&of->least);
  const Selection selection(chunk, scratch, row, best, scan, weights, found);
  const double goal = LoadGlobal(uniform + row) * static_cast<double>(LoadGlobal(&scratch.candidates[row].mass));
  uint64_t drawn = selection.Find(static_cast<uint64_t>(goal > 0 ? goal : 0), chunk.vocab,
                                  [&](uint64_t key) { return key >= least ? selection.Mass(key) : 0; });
  if (drawn == 0) drawn = best;  // a row without mass (its logits are NaN)
  if (threadIdx.x == 0) StoreGlobal(tokens + row, IdOf(drawn));
}

// Candidates lie behind the chunk's logits.
SupportScratch SupportScratchOf(const HeadScratch& scratch, int64_t stride) {
  auto* keys = reinterpret_cast<uint64_t*>(scratch.logits + scratch.truncated_rows * stride);
  return {scratch.bin_counts, scratch.bin_masses, scratch.first_slots, scratch.candidates, keys};
}

}  // namespace

void HeadPass::Truncate(const HeadChunk& chunk) const {
  const SupportScratch scratch = SupportScratchOf(scratch_, stride_);
  const auto rows = static_cast<unsigned>(chunk.rows), segments = static_cast<unsigned>(chunk.segment_count);
  const dim3 threads(kHeadThreads);
  Launch(
      "CountBins", CountBins,
      {dim3(rows, segments), threads, SharedSize().Add<unsigned long long>(kHeadBins).Add<unsigned>(kHeadBins).bytes()},
      backend_.stream(), chunk, truncation_, scratch);
  Launch("BoundBins", BoundBins, {dim3(rows), threads, SharedSize().Add<uint64_t>(kScanRoom).Add<uint32_t>(2).bytes()},
         backend_.stream(), chunk, truncation_, scratch);
  Launch("GatherCandidates", GatherCandidates, {dim3(rows, segments), threads, SharedSize().Add<unsigned>(1).bytes()},
         backend_.stream(), chunk, truncation_, scratch);
  Launch("FindSupport", FindSupport, {dim3(rows), threads, SelectionBytes()}, backend_.stream(), chunk, truncation_,
         scratch);
}

void HeadPass::DrawTruncated(const HeadChunk& chunk, const double* uniform, int32_t* tokens) const {
  Launch("DrawCandidates", DrawCandidates,
         {dim3(static_cast<unsigned>(chunk.rows)), dim3(kHeadThreads), SelectionBytes()}, backend_.stream(), chunk,
         SupportScratchOf(scratch_, stride_), uniform, tokens);
}

}  // namespace rlvr::cuda
