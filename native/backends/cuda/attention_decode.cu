// Attention of few rows a span: keys are split over blocks, and what rows share is read once.
//
// A block takes one chunk of one span's keys, for one KV head and all decoded rows that see the chunk: a prompt's
// chunks meet the rows of all its rollouts, a rollout's own chunks meet its one row. It leaves (largest score, sum,
// weighted values) of each vector, and a second kernel combines a row's chunks, root first. Chunks begin at fixed keys
// of their span, so a row's result does not depend on who else is decoded. Untried: several pages ahead.
#include "backends/cuda/attention_tile.cuh"
#include "backends/cuda/reduce.cuh"

namespace rlvr::cuda {

namespace {

struct DecodeArgs {
  AttentionArgs attention;
  const DecodeItem* items;
  float* part_sums;  // [parts, heads, 2]
  float* part_out;   // [parts, heads, dim]
};

// Warps with sixteen vectors each. Items of one row need one: the other three of its block only copy.
constexpr int kWarpsOfOneRow = 1;
constexpr int kWarpsOfSome = 4;
constexpr int kWarpsOfMany = 8;

template <int kWarps>
constexpr int kThreads = (kWarps > 4 ? kWarps : 4) * kWarpSize;
template <int kDim, int kWarps>
constexpr int kSharedRows = kWarps* kWarpVectors + 2 * kKeys;

DEVICE DecodeItem LoadItem(const DecodeItem* items, int index) {
  static_assert(sizeof(DecodeItem) == 8 * sizeof(int32_t), "a lane reads a field");
  const int lane = threadIdx.x % kWarpSize;
  const int32_t field = lane < 7 ? LoadGlobal(reinterpret_cast<const int32_t*>(items + index) + lane) : 0;
  DecodeItem item = {};
  item.span = __shfl_sync(kFullMask, field, 0);
  item.first_page = __shfl_sync(kFullMask, field, 1);
  item.end_page = __shfl_sync(kFullMask, field, 2);
  item.first_row = __shfl_sync(kFullMask, field, 3);
  item.rows = __shfl_sync(kFullMask, field, 4);
  item.first_part = __shfl_sync(kFullMask, field, 5);
  item.first_position = __shfl_sync(kFullMask, field, 6);
  return item;
}

// The sixteen vectors of a warp: lane v knows vector v.
struct WarpVectors {
  int row = -1;  // packed; -1: none
  KeyRange seen = {0, 1 << 30};

  DEVICE void Load(const AttentionArgs& args, const DecodeItem& item, const Span& span, int vector) {
    if (threadIdx.x % kWarpSize >= kWarpVectors || vector >= item.rows * args.group) return;
    row = LoadGlobal(args.batch.decode_rows + item.first_row + vector / args.group);
    const RowPlace place = LoadPlace(args.batch.rows, row);
    const int hi = place.span == item.span ? place.key + 1 : KeysOf(span);
    seen = RangeOf(place.position, hi, span.first_position, args.window);
  }
  DEVICE int RowOf(int v) const { return __shfl_sync(kFullMask, row, v); }
  DEVICE KeyRange SeenBy(int v) const {
    return {__shfl_sync(kFullMask, seen.lo, v), __shfl_sync(kFullMask, seen.hi, v)};
  }
};

// Starts the copy of the warp's queries into its shared rows.
template <int kDim>
DEVICE void LoadQueries(Bf16* rows, const AttentionArgs& args, const WarpVectors& vectors, int first_vector,
                        int first_head) {
#pragma unroll
  for (int step = 0; step < kDim / 16; ++step) {
    const int i = step * kWarpSize + threadIdx.x % kWarpSize;
    const int v = i / (kDim / 8), d = i % (kDim / 8) * 8;
    const int row = vectors.RowOf(v);
    const bool valid = row >= 0 && d < args.dim;
    const Bf16* from =
        args.q.data + row * args.q.stride + (first_head + (first_vector + v) % args.group) * args.dim + d;
    CpAsync16(rows + v * kRowStride<kDim> + d, valid ? from : args.q.data, valid);
  }
}

// The partial results of a half's vector. One that saw no key has no values.
template <int kDim>
DEVICE void StorePart(const DecodeArgs& decode, const OnlineSoftmax<kDim>& softmax, int half, int64_t part_vector) {
  const int column = threadIdx.x % 4 * 2;
  if (column == 0) {
    StoreGlobal(reinterpret_cast<float2*>(decode.part_sums) + part_vector,
                make_float2(softmax.largest[half], softmax.sum[half]));
  }
  if (softmax.largest[half] == -INFINITY) return;
  float* out = decode.part_out + part_vector * decode.attention.dim + column;
#pragma unroll
  for (int n = 0; n < kDim / 8; ++n) {
    if (n * 8 >= decode.attention.dim) return;
    StoreGlobal(reinterpret_cast<float2*>(out + n * 8),
                make_float2(softmax.out[n][2 * half], softmax.out[n][2 * half + 1]));
  }
}

template <int kDim, int kWarps, typename Kv>
KERNEL(kThreads<kWarps>)
Decode(DecodeArgs decode) {
  const AttentionArgs& args = decode.attention;
  SharedCarver carver;
  Bf16* shared = carver.Take<Bf16>(kSharedRows<kDim, kWarps> * kRowStride<kDim>);
  Bf16* keys = shared + kWarps * kWarpVectors * kRowStride<kDim>;
  Bf16* values = keys + kKeys * kRowStride<kDim>;

  const DecodeItem item = LoadItem(decode.items, blockIdx.x);
  const int first = blockIdx.z * kWarps * kWarpVectors, count = item.rows * args.group;
  if (first >= count) return;
  const Span span = LoadSpan(args.batch.spans, item.span);
  const int kv_head = blockIdx.y, first_head = kv_head * args.group;
  const auto page_of = [&](int page) { return LoadForWarp(args.batch.pages + span.first_page + page); };
  const auto load = [&](Bf16* to, const void* pages, int64_t page) {
    LoadPage<kDim, kThreads<kWarps>>(to, static_cast<const Kv*>(pages), page * args.kv_heads + kv_head, args.dim);
    CpAsyncCommit();
  };

  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int warp_first = first + warp * kWarpVectors;
  const bool has_vectors = warp < kWarps && warp_first < count;
  WarpVectors vectors;
  RowFragments<kDim, kQueriesInRegisters<kDim>> queries;
  Bf16* warp_rows = shared + warp * kWarpVectors * kRowStride<kDim>;
  if (has_vectors) {
    vectors.Load(args, item, span, warp_first + lane);
    LoadQueries<kDim>(warp_rows, args, vectors, warp_first, first_head);
    CpAsyncCommit();
    CpAsyncWait<0>();
    __syncwarp();
    queries.Bind(warp_rows);
  }
  const KeyRange seen[2] = {vectors.SeenBy(lane / 4), vectors.SeenBy(lane / 4 + 8)};

  OnlineSoftmax<kDim> softmax;
  softmax.Start();
  const int oldest = RangeOf(item.first_position, 0, span.first_position, args.window).lo / kKeys;
  int next = item.first_page > oldest ? item.first_page : oldest;
  int64_t page = 0;
  if (next < item.end_page) {
    page = page_of(next);
    load(keys, args.k, page);
  }
  while (next < item.end_page) {
    CpAsyncWait<0>();
    __syncthreads();  // keys are there; the last page's values have been used
    load(values, args.v, page);
    float s[kKeys / 8][4] = {};
    if (has_vectors) {
      MultiplyByRows<kDim, kKeys>(s, queries, keys);
      ScaleScores(s, args.rule);
      MaskScores(s, next * kKeys, seen);
    }
    ++next;
    CpAsyncWait<0>();
    __syncthreads();  // values are there; the keys have been used
    if (next < item.end_page) {
      page = page_of(next);
      load(keys, args.k, page);
    }
    if (has_vectors) softmax.Absorb(s, values);
  }
  if (!has_vectors) return;

  softmax.Finish();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int vector = warp_first + lane / 4 + 8 * half;
    if (vector >= count) continue;
    const int64_t part = item.first_part + vector / args.group;
    StorePart(decode, softmax, half, part * args.heads + first_head + vector % args.group);
  }
}

// --- combining ---

constexpr int kCombineWarps = 4;
constexpr int kCombineColumns = 256 / (4 * kWarpSize);  // groups of four columns a lane

struct CombineArgs {
  AttentionArgs attention;
  DecodeWave wave;
  const float* part_sums;
  const float* part_out;
};

// One warp a row and head. A lane holds the sums of one part at a time, and four columns of the output.
KERNEL(kCombineWarps* kWarpSize) Combine(CombineArgs combine) {
  const AttentionArgs& args = combine.attention;
  const DecodeWave& wave = combine.wave;
  const int lane = threadIdx.x % kWarpSize;
  const int row_index = blockIdx.x, head = blockIdx.y * kCombineWarps + threadIdx.x / kWarpSize;
  if (head >= args.heads) return;
  const int begin = LoadForWarp(wave.part_starts + row_index), end = LoadForWarp(wave.part_starts + row_index + 1);
  const int row = LoadForWarp(args.batch.decode_rows + wave.first_row + row_index);
  const auto sums_of = [&](int part) {
    return LoadGlobal(reinterpret_cast<const float2*>(combine.part_sums) + int64_t{part} * args.heads + head);
  };

  float largest = -INFINITY;
  for (int i = begin + lane; i < end; i += kWarpSize) {
    largest = fmaxf(largest, sums_of(LoadGlobal(wave.parts + i)).x);
  }
  largest = WarpMax(largest);

  float sum = 0, out[kCombineColumns][4] = {};
  for (int base = begin; base < end; base += kWarpSize) {
    const int mine = base + lane < end ? LoadGlobal(wave.parts + base + lane) : 0;
    const float2 own = base + lane < end ? sums_of(mine) : make_float2(-INFINITY, 0);
    const float own_weight = exp2f(own.x - largest);
    for (int i = 0; i < kWarpSize && base + i < end; ++i) {
      const int64_t part = __shfl_sync(kFullMask, mine, i);
      const float weight = __shfl_sync(kFullMask, own_weight, i), part_sum = __shfl_sync(kFullMask, own.y, i);
      if (weight == 0) continue;  // it saw no key, or nothing that counts
      sum = fmaf(part_sum, weight, sum);
#pragma unroll
      for (int c = 0; c < kCombineColumns; ++c) {
        const int d = (c * kWarpSize + lane) * 4;
        if (d >= args.dim) continue;
        const float4 v =
            LoadGlobal(reinterpret_cast<const float4*>(combine.part_out + (part * args.heads + head) * args.dim + d));
        out[c][0] = fmaf(v.x, weight, out[c][0]);
        out[c][1] = fmaf(v.y, weight, out[c][1]);
        out[c][2] = fmaf(v.z, weight, out[c][2]);
        out[c][3] = fmaf(v.w, weight, out[c][3]);
      }
    }
  }

  const float factor = 1 / sum;
#pragma unroll
  for (int c = 0; c < kCombineColumns; ++c) {
    const int d = (c * kWarpSize + lane) * 4;
    if (d >= args.dim) continue;
    StoreGlobal(
        reinterpret_cast<uint2*>(args.out.data + row * args.out.stride + head * args.dim + d),
        make_uint2(PackBf16(out[c][0] * factor, out[c][1] * factor), PackBf16(out[c][2] * factor, out[c][3] * factor)));
  }
  if (args.lse != nullptr && lane == 0) {
    StoreGlobal(args.lse + row * args.lse_stride + head, fmaf(largest, kLn2, logf(sum)));
  }
}

// --- launching ---

template <int kDim, int kWarps, typename Kv>
void LaunchItems(const DecodeArgs& args, int items, int most_rows, cudaStream_t stream) {
  const int vectors = kWarps * kWarpVectors;
  const int tiles = (most_rows * args.attention.group + vectors - 1) / vectors;
  const size_t shared = SharedSize().Add<Bf16>(kSharedRows<kDim, kWarps> * kRowStride<kDim>).bytes();
  const dim3 grid(static_cast<unsigned>(items), static_cast<unsigned>(args.attention.kv_heads),
                  static_cast<unsigned>(tiles));
  Launch("attention_decode", Decode<kDim, kWarps, Kv>, {grid, dim3(kThreads<kWarps>), shared}, stream, args);
}

template <int kDim, typename Kv>
void LaunchWave(DecodeArgs args, const DecodeWave& wave, cudaStream_t stream) {
  args.items = wave.single_items;
  LaunchItems<kDim, kWarpsOfOneRow, Kv>(args, wave.singles, 1, stream);
  args.items = wave.shared_items;
  if (wave.most_rows * args.attention.group <= kWarpsOfSome * kWarpVectors) {
    LaunchItems<kDim, kWarpsOfSome, Kv>(args, wave.shared, wave.most_rows, stream);
  } else {
    LaunchItems<kDim, kWarpsOfMany, Kv>(args, wave.shared, wave.most_rows, stream);
  }
}

}  // namespace

void LaunchDecode(const AttentionArgs& args, const AttentionScratch& scratch, bool is_fp8, cudaStream_t stream) {
  for (const DecodeWave& wave : scratch.batch.waves) {
    const DecodeArgs decode = {args, nullptr, scratch.part_sums, scratch.part_out};
    WithHeadWidth(args.dim, [&](auto width) {
      constexpr int kDim = decltype(width)::value;
      if (is_fp8) {
        LaunchWave<kDim, uint8_t>(decode, wave, stream);
      } else {
        LaunchWave<kDim, Bf16>(decode, wave, stream);
      }
    });
    const dim3 grid(static_cast<unsigned>(wave.rows),
                    static_cast<unsigned>((args.heads + kCombineWarps - 1) / kCombineWarps));
    const CombineArgs combine = {args, wave, scratch.part_sums, scratch.part_out};
    Launch("attention_combine", Combine, {grid, dim3(kCombineWarps * kWarpSize)}, stream, combine);
  }
}

}  // namespace rlvr::cuda
