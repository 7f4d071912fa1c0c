// Gradients of queries: dq = scale * ds K, tile by tile of vectors over the pages they see, as in the forward; and the
// products dout . out that all gradients need.
//
// Wide heads: two warps share sixteen vectors, one half of each page's keys each, since a warp's registers hold one sum
// of 256 columns and no more; the two sums are added at the end.
#include "backends/cuda/attention_grad_tile.cuh"
#include "backends/cuda/attention_walk.cuh"
#include "backends/cuda/reduce.cuh"

namespace rlvr::cuda {

namespace {

// --- dout . out ---

constexpr int kProductWarps = 8;

// One warp a row and head.
KERNEL(kProductWarps* kWarpSize) OutProducts(AttentionGradArgs args) {
  const AttentionArgs& forward = args.forward;
  const int lane = threadIdx.x % kWarpSize, row = blockIdx.x;
  const int head = blockIdx.y * kProductWarps + threadIdx.x / kWarpSize;
  if (head >= forward.heads) return;
  float sum = 0;
  if (lane * 8 < forward.dim) {
    const int column = head * forward.dim + lane * 8;
    const uint4 a = LoadGlobal(reinterpret_cast<const uint4*>(args.dout.data + row * args.dout.stride + column));
    const uint4 b = LoadGlobal(reinterpret_cast<const uint4*>(forward.out.data + row * forward.out.stride + column));
    const uint32_t pairs[4][2] = {{a.x, b.x}, {a.y, b.y}, {a.z, b.z}, {a.w, b.w}};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum = fmaf(LowBf16(pairs[i][0]), LowBf16(pairs[i][1]), sum);
      sum = fmaf(HighBf16(pairs[i][0]), HighBf16(pairs[i][1]), sum);
    }
  }
  sum = WarpSum(sum);
  if (lane == 0) StoreGlobal(args.out_products + row * forward.heads + head, sum);
}

// --- dq ---

template <int kDim>
constexpr int kKeyParts = kDim <= 128 ? 1 : 2;
constexpr int kRowTiles = 4;
constexpr int kVectors = kRowTiles * kWarpVectors;
template <int kDim>
constexpr int kThreads = kRowTiles* kKeyParts<kDim>* kWarpSize;

// Pages in shared memory at a time: the next one is copied while this one is used, where there is room.
template <int kDim>
constexpr int kStages = kDim <= 128 ? 2 : 1;
template <int kDim>
constexpr int kQueryRows = kQueriesInRegisters<kDim> ? 0 : 2 * kVectors;
template <int kDim>
constexpr int kSharedRows = kQueryRows<kDim> + 2 * kStages<kDim>* kKeys;
static_assert(2 * kVectors <= kSharedRows<128>, "q and dout pass through the rows of the pages");

// The second half's sums join the first's, by way of shared memory.
template <int kDim>
DEVICE void AddHalves(float (&sum)[kDim / 8][4], Bf16* shared, int row_tile, int key_part) {
  const int lane = threadIdx.x % kWarpSize;
  float4* parts = reinterpret_cast<float4*>(shared) + row_tile * (kDim / 8) * kWarpSize + lane;
  if (key_part == 1) {
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) parts[n * kWarpSize] = make_float4(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
  }
  __syncthreads();
  if (key_part == 0) {
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      const float4 other = parts[n * kWarpSize];
      sum[n][0] += other.x;
      sum[n][1] += other.y;
      sum[n][2] += other.z;
      sum[n][3] += other.w;
    }
  }
  __syncthreads();  // the memory takes the results
}

// That many blocks' registers and pages fit an SM.
template <int kDim>
constexpr int kBlocks = kDim <= 64    ? 3
                        : kDim <= 128 ? 2
                                      : 1;

template <int kDim>
__global__ void __launch_bounds__(kThreads<kDim>, kBlocks<kDim>) QueryGrads(AttentionGradArgs args) {
  constexpr int kPartKeys = kKeys / kKeyParts<kDim>;
  constexpr int kStride = kRowStride<kDim>;
  const AttentionArgs& forward = args.forward;
  SharedCarver carver;
  Bf16* shared = carver.Take<Bf16>(kSharedRows<kDim> * kStride);
  Bf16* pages = shared + kQueryRows<kDim> * kStride;

  const VectorTile tile = LoadTile<kVectors>(forward.batch, forward.group);
  if (!tile.Has(0)) return;
  const int kv_head = blockIdx.y, first_head = kv_head * forward.group;
  const auto row_of = [&](int v) { return tile.RowOf(v); };
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int row_tile = warp % kRowTiles, key_part = warp / kRowTiles, warp_first = row_tile * kWarpVectors;

  LoadVectors<kDim, kThreads<kDim>, kVectors>(shared, forward.q, first_head, forward.dim, row_of);
  LoadVectors<kDim, kThreads<kDim>, kVectors>(shared + kVectors * kStride, args.dout, first_head, forward.dim, row_of);
  CpAsyncCommit();
  CpAsyncWait<0>();
  __syncthreads();
  RowFragments<kDim, kQueriesInRegisters<kDim>> queries, douts;
  queries.Bind(shared + warp_first * kStride);
  douts.Bind(shared + (kVectors + warp_first) * kStride);
  __syncthreads();

  VectorState own = NoVector();  // lane v knows vector v of the warp
  if (lane < kWarpVectors && tile.Has(warp_first + lane)) {
    const VectorRow at = tile.RowOf(warp_first + lane);
    LoadState(args, at.row, first_head + at.head, own);
  }
  VectorState state[2];
  int half_key[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int v = lane / 4 + 8 * half;
    state[half].lse = __shfl_sync(kFullMask, own.lse, v);
    state[half].out_product = __shfl_sync(kFullMask, own.out_product, v);
    half_key[half] = tile.KeyOf(warp_first + v);
  }

  PageWalk walk(forward.batch, tile, kVectors, forward.window);
  const auto load = [&](int stage) {
    const int64_t page_head = walk.Page() * forward.kv_heads + kv_head;
    Bf16* keys = pages + stage * 2 * kKeys * kStride;
    LoadPage<kDim, kThreads<kDim>>(keys, static_cast<const Bf16*>(forward.k), page_head, forward.dim);
    LoadPage<kDim, kThreads<kDim>>(keys + kKeys * kStride, static_cast<const Bf16*>(forward.v), page_head, forward.dim);
    CpAsyncCommit();
  };
  float dq[kDim / 8][4] = {};
  load(0);
  for (int stage = 0; !walk.done(); stage = (stage + 1) % kStages<kDim>) {
    const int key = walk.key() + key_part * kPartKeys;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const KeyRange seen = walk.Seen(half_key[half]);
      state[half].lo = seen.lo;
      state[half].hi = seen.hi;
    }
    walk.Next();
    CpAsyncWait<0>();
    __syncthreads();  // the page is there; with two stages, the one before it has been used
    if (kStages<kDim> == 2 && !walk.done()) load(1 - stage);
    const Bf16* keys = pages + (stage * 2 * kKeys + key_part * kPartKeys) * kStride;
    float s[kPartKeys / 8][4] = {}, dp[kPartKeys / 8][4] = {};
    if (tile.Has(warp_first)) {
      MultiplyByRows<kDim, kPartKeys>(s, queries, keys);
      MultiplyByRows<kDim, kPartKeys>(dp, douts, keys + kKeys * kStride);
#pragma unroll
      for (int j = 0; j < kPartKeys / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          DifferentiateScore(s[j][e], dp[j][e], forward.rule, state[e / 2], key + j * 8 + lane % 4 * 2 + e % 2);
        }
      }
      AccumulateRows<kDim, kPartKeys / 16>(dq, dp, keys);
    }
    if constexpr (kStages<kDim> == 1) {
      __syncthreads();
      if (!walk.done()) load(0);
    }
  }

  __syncthreads();  // all pages have been used
  if constexpr (kKeyParts<kDim> == 2) AddHalves<kDim>(dq, shared, row_tile, key_part);
  if (key_part > 0) return;
  const float factor[2] = {args.scale, args.scale};
  Bf16* warp_rows = shared + warp_first * kStride;
  StageRows<kDim>(warp_rows, dq, factor);
  __syncwarp();
  StoreRows<kDim>(args.dq, warp_rows, warp_first, first_head, forward.dim, row_of);
}

}  // namespace

void LaunchOutProducts(const AttentionGradArgs& args, int64_t rows, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(rows),
                  static_cast<unsigned>((args.forward.heads + kProductWarps - 1) / kProductWarps));
  Launch("attention_out_products", OutProducts, {grid, dim3(kProductWarps * kWarpSize)}, stream, args);
}

void LaunchQueryGrads(const AttentionGradArgs& args, const AttentionBatch& batch, cudaStream_t stream) {
  WithHeadWidth(args.forward.dim, [&](auto width) {
    constexpr int kDim = decltype(width)::value;
    const int64_t blocks = batch.query_tiles * BlocksOfEntry(args.forward.group, kVectors);
    const size_t shared = SharedSize().Add<Bf16>(kSharedRows<kDim> * kRowStride<kDim>).bytes();
    const dim3 grid(static_cast<unsigned>(blocks), static_cast<unsigned>(args.forward.kv_heads));
    Launch("attention_query_grads", QueryGrads<kDim>, {grid, dim3(kThreads<kDim>), shared}, stream, args);
  });
}

}  // namespace rlvr::cuda
