// Attention of many rows: flash attention over a tree of spans.
//
// A block takes a tile of vectors of one span and walks the keys they see, a page at a time: its own span's first, then
// its parent's and so on to the root. Keys are copied while the last page's weights are summed, values while scores are
// made. Pages that a window hides from the whole tile are skipped. Untried: two pages a step, keys two pages ahead.
#include "backends/cuda/attention_walk.cuh"

namespace rlvr::cuda {

namespace {

// Wider heads leave room for one block an SM; it has twice the warps and reads its keys half as often.
template <int kDim>
constexpr int kWarps = kDim <= 128 ? 4 : 8;
template <int kDim>
constexpr int kVectors = kWarps<kDim>* kWarpVectors;

// Shared rows: the queries' own, unless they move to registers before the first page comes, and a page of each.
template <int kDim>
constexpr int kQueryRows = kQueriesInRegisters<kDim> ? 0 : kVectors<kDim>;
template <int kDim>
constexpr int kSharedRows = kQueryRows<kDim> + 2 * kKeys;
static_assert(kVectors<128> <= 2 * kKeys, "queries pass through the rows of the pages");

// That many blocks' registers fit an SM.
template <int kDim, typename Kv>
constexpr int kBlocks = kDim <= 64                       ? 4
                        : kDim > 128                     ? 1
                        : kDim == 128 && sizeof(Kv) == 1 ? 2
                                                         : 3;

template <int kDim, typename Kv>
__global__ void __launch_bounds__(kWarps<kDim>* kWarpSize, kBlocks<kDim, Kv>) ManyRows(AttentionArgs args) {
  constexpr int kThreads = kWarps<kDim> * kWarpSize;
  SharedCarver carver;
  Bf16* shared = carver.Take<Bf16>(kSharedRows<kDim> * kRowStride<kDim>);
  Bf16* keys = shared + kQueryRows<kDim> * kRowStride<kDim>;
  Bf16* values = keys + kKeys * kRowStride<kDim>;

  const VectorTile tile = LoadTile<kVectors<kDim>>(args.batch, args.group);
  if (!tile.Has(0)) return;
  const int kv_head = blockIdx.y, first_head = kv_head * args.group;
  const auto row_of = [&](int v) { return tile.RowOf(v); };
  const auto load = [&](Bf16* to, const void* pages, int64_t page) {
    LoadPage<kDim, kThreads>(to, static_cast<const Kv*>(pages), page * args.kv_heads + kv_head, args.dim);
    CpAsyncCommit();
  };

  LoadVectors<kDim, kThreads, kVectors<kDim>>(shared, args.q, first_head, args.dim, row_of);
  CpAsyncCommit();
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  Bf16* warp_rows = shared + warp * kWarpVectors * kRowStride<kDim>;
  RowFragments<kDim, kQueriesInRegisters<kDim>> queries;
  if constexpr (kQueriesInRegisters<kDim>) {
    CpAsyncWait<0>();
    __syncthreads();
    queries.Bind(warp_rows);
    __syncthreads();
  } else {
    queries.Bind(warp_rows);
  }

  PageWalk walk(args.batch, tile, kVectors<kDim>, args.window);
  const int half_key[2] = {tile.KeyOf(warp * kWarpVectors + lane / 4), tile.KeyOf(warp * kWarpVectors + lane / 4 + 8)};
  const bool has_vectors = tile.Has(warp * kWarpVectors);
  OnlineSoftmax<kDim> softmax;
  softmax.Start();
  int64_t page = walk.Page();
  load(keys, args.k, page);
  while (!walk.done()) {
    CpAsyncWait<0>();
    __syncthreads();  // keys are there; the last page's values have been used
    load(values, args.v, page);
    float s[kKeys / 8][4] = {};
    if (has_vectors) {
      MultiplyByRows<kDim, kKeys>(s, queries, keys);
      ScaleScores(s, args.rule);
      if (!walk.IsFull()) MaskScores(s, walk.key(), {walk.Seen(half_key[0]), walk.Seen(half_key[1])});
    }
    walk.Next();
    CpAsyncWait<0>();
    __syncthreads();  // values are there; the keys have been used
    if (!walk.done()) {
      page = walk.Page();
      load(keys, args.k, page);
    }
    if (has_vectors) softmax.Absorb(s, values);
  }

  softmax.Finish();
  __syncthreads();  // all pages have been used: their rows take the results
  const float factor[2] = {1 / softmax.sum[0], 1 / softmax.sum[1]};
  StageRows<kDim>(warp_rows, softmax.out, factor);
  __syncwarp();
  StoreRows<kDim>(args.out, warp_rows, warp * kWarpVectors, first_head, args.dim, row_of);
  if (args.lse == nullptr || lane % 4 != 0) return;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const VectorRow at = tile.RowOf(warp * kWarpVectors + lane / 4 + 8 * half);
    if (at.row < 0) continue;
    StoreGlobal(args.lse + at.row * args.lse_stride + first_head + at.head,
                fmaf(softmax.largest[half], kLn2, logf(softmax.sum[half])));
  }
}

template <int kDim, typename Kv>
void Launch(const AttentionArgs& args, int64_t tiles, cudaStream_t stream) {
  const int64_t blocks = tiles * BlocksOfEntry(args.group, kVectors<kDim>);
  const size_t shared = SharedSize().Add<Bf16>(kSharedRows<kDim> * kRowStride<kDim>).bytes();
  cuda::Launch("attention_many_rows", ManyRows<kDim, Kv>,
               {dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(args.kv_heads)),
                dim3(kWarps<kDim> * kWarpSize), shared},
               stream, args);
}

}  // namespace

void LaunchManyRows(const AttentionArgs& args, const AttentionBatch& batch, bool is_fp8, cudaStream_t stream) {
  WithHeadWidth(args.dim, [&](auto width) {
    constexpr int kDim = decltype(width)::value;
    if (is_fp8) {
      Launch<kDim, uint8_t>(args, batch.many_row_tiles, stream);
    } else {
      Launch<kDim, Bf16>(args, batch.many_row_tiles, stream);
    }
  });
}

}  // namespace rlvr::cuda
