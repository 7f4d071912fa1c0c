// Gradients of keys and values: a block takes one page of one KV head and goes through all vectors that see some of
// it, its own span's rows and then their descendants', so that no two blocks add to one sum.
//   dv = p^T dout,  dk = scale * ds^T q
// Scores are made with vectors as rows of the product, weights and ds go through shared memory, and each warp sums some
// columns of dk and dv. Untried: the next vectors' copies under the present ones' products.
#include "backends/cuda/attention_grad_tile.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kVectors = 32;
constexpr int kWeightStride = kKeys + 8;  // elements of a row of weights in shared memory; as kRowStride

template <int kDim>
constexpr int kWarps = kDim <= 96 ? 4 : 8;
template <int kDim>
constexpr int kThreads = kWarps<kDim>* kWarpSize;
// Keys whose scores with sixteen vectors a warp makes.
template <int kDim>
constexpr int kScoreKeys = kVectors / kWarpVectors* kKeys / kWarps<kDim>;
// Groups of sixteen columns of dk and dv that a warp sums.
template <int kDim>
constexpr int kColumnGroups = (kDim / 16 + kWarps<kDim> - 1) / kWarps<kDim>;

template <int kDim>
constexpr int kBlocks = kDim <= 64    ? 4
                        : kDim <= 128 ? 2
                                      : 1;

DEVICE KeyTile LoadKeyTile(const KeyTile* tiles, int index) {
  const int32_t* fields = reinterpret_cast<const int32_t*>(tiles + index);
  return {LoadForWarp(fields), LoadForWarp(fields + 1), LoadForWarp(fields + 2), LoadForWarp(fields + 3)};
}

// The vectors that may see the page, by number: the span's own rows first, without those a window hides it from.
struct Viewers {
  int first_row, own_rows;  // in tree_rows
  int first_descendant, descendants;

  DEVICE int RowIndex(int i) const { return i < own_rows ? first_row + i : first_descendant + i - own_rows; }
};

DEVICE Viewers ViewersOf(const KeyTile& tile, const Span& span, int window) {
  const int first_own = tile.page * kKeys - span.keys_before;  // row of the page's first key
  const int skipped = first_own > 0 ? first_own : 0;
  int own = span.rows - skipped;
  const int end_key = tile.page * kKeys + kKeys < KeysOf(span) ? tile.page * kKeys + kKeys : KeysOf(span);
  const int latest = end_key - 1 + window - span.keys_before - skipped;  // rows up to the last that sees it
  Viewers viewers;
  viewers.first_row = tile.first_row;
  viewers.first_descendant = tile.first_row + own;
  viewers.descendants = tile.end_row - viewers.first_descendant;
  viewers.own_rows = window > 0 && latest < own ? latest : own;
  return viewers;
}

// d[j] += sixteen shared rows times eight (or sixteen) others: a warp's scores.
template <int kDim>
DEVICE void Products(float (&d)[kScoreKeys<kDim> / 8][4], const Bf16* vectors, const Bf16* keys) {
  RowFragments<kDim, false> rows;
  rows.Bind(vectors);
  if constexpr (kScoreKeys<kDim> == 16) {
    MultiplyByRows<kDim, 16>(d, rows, keys);
  } else {
    const int lane = threadIdx.x % kWarpSize;
    const Bf16* lane_columns = keys + lane % 8 * kRowStride<kDim> + lane / 8 % 2 * 8;
#pragma unroll
    for (int k = 0; k < kDim / 16; ++k) {
      uint32_t a[4], b[2];
      rows.Get(k, a);
      LdMatrixX2(b, lane_columns + k * 16);
      MmaBf16(d[0], a, b);
    }
  }
}

// sum[i] += the transpose of weights (vectors x keys) times sixteen columns of the vectors' rows.
template <int kDim>
DEVICE void AccumulateColumns(float (&sum)[kKeys / 16][2][4], const Bf16* weights, const Bf16* columns) {
  const int lane = threadIdx.x % kWarpSize;
  const Bf16* lane_weights = weights + (lane / 16 * 8 + lane % 8) * kWeightStride + lane / 8 % 2 * 8;
  const Bf16* lane_rows = LaneRows<kDim>(columns);
#pragma unroll
  for (int k = 0; k < kVectors / 16; ++k) {
    uint32_t b[4];
    LdMatrixX4Trans(b, lane_rows + k * 16 * kRowStride<kDim>);
#pragma unroll
    for (int i = 0; i < kKeys / 16; ++i) {
      uint32_t a[4];
      LdMatrixX4Trans(a, lane_weights + k * 16 * kWeightStride + i * 16);
      MmaBf16(sum[i][0], a, {b[0], b[1]});
      MmaBf16(sum[i][1], a, {b[2], b[3]});
    }
  }
}

// Sixteen columns of the sums go to shared rows, a key a row.
template <int kDim>
DEVICE void StageColumns(Bf16* rows, const float (&sum)[kKeys / 16][2][4], float factor) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int i = 0; i < kKeys / 16; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t* row = reinterpret_cast<uint32_t*>(rows + (i * 16 + lane / 4 + 8 * half) * kRowStride<kDim>);
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        row[n * 4 + lane % 4] = PackBf16(sum[i][n][2 * half] * factor, sum[i][n][2 * half + 1] * factor);
      }
    }
  }
}

struct SharedParts {
  Bf16 *keys, *values, *queries, *douts, *weights, *ds;
  VectorState* states;
};

// Two sets of states, so that one can be filled while the other is still looked at.
constexpr int kStateSets = 2;

template <int kDim>
size_t SharedBytes() {
  SharedSize size;
  size.Add<Bf16>((2 * kKeys + 2 * kVectors) * kRowStride<kDim>);
  size.Add<Bf16>(2 * kVectors * kWeightStride);
  size.Add<VectorState>(kStateSets * kVectors);
  return size.bytes();
}

// A warp fetches its share of the next vectors: what they see, and the copies of their q and dout if they see some of
// the page (zeros if not).
template <int kDim>
DEVICE void LoadViewers(const AttentionGradArgs& args, const SharedParts& parts, VectorState* states,
                        const KeyTile& tile, const Span& span, const Viewers& viewers, int first, int first_head) {
  constexpr int kShare = kVectors / kWarps<kDim>;
  const AttentionArgs& forward = args.forward;
  const int lane = threadIdx.x % kWarpSize, warp_first = threadIdx.x / kWarpSize * kShare;
  const int vector = first + warp_first + lane, group = forward.group;
  int row = -1;
  if (lane < kShare) {
    VectorState state = NoVector();
    if (vector / group < viewers.own_rows + viewers.descendants) {
      row = LoadGlobal(forward.batch.tree_rows + viewers.RowIndex(vector / group));
      const RowPlace place = LoadPlace(forward.batch.rows, row);
      const int hi = place.span == tile.span ? place.key + 1 : KeysOf(span);
      const KeyRange seen = RangeOf(place.position, hi, span.first_position, forward.window);
      const int page_key = tile.page * kKeys;
      if (seen.lo < page_key + kKeys && seen.hi > page_key && seen.lo < seen.hi) {
        LoadState(args, row, first_head + vector % group, state);
        state.lo = seen.lo;
        state.hi = seen.hi;
      } else {
        row = -1;
      }
    }
    states[warp_first + lane] = state;
  }
  for (int i = lane; i < kShare * kDim / 8; i += kWarpSize) {
    const int v = i / (kDim / 8), d = i % (kDim / 8) * 8;
    const int64_t from_row = __shfl_sync(kFullMask, row, v);
    const bool valid = from_row >= 0 && d < forward.dim;
    const int column = (first_head + (first + warp_first + v) % group) * forward.dim + d;
    const int to = (warp_first + v) * kRowStride<kDim> + d;
    CpAsync16(parts.queries + to, forward.q.data + (valid ? from_row * forward.q.stride + column : 0), valid);
    CpAsync16(parts.douts + to, args.dout.data + (valid ? from_row * args.dout.stride + column : 0), valid);
  }
  CpAsyncCommit();
}

// Weights p and ds of all vectors and keys go to shared memory, a vector a row.
template <int kDim>
DEVICE void MakeWeights(const AttentionGradArgs& args, const SharedParts& parts, const VectorState* states,
                        int page_key) {
  constexpr int kAcross = kKeys / kScoreKeys<kDim>;  // warps that share sixteen vectors
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int vector = warp / kAcross * kWarpVectors, key = warp % kAcross * kScoreKeys<kDim>;
  float s[kScoreKeys<kDim> / 8][4] = {}, dp[kScoreKeys<kDim> / 8][4] = {};
  Products<kDim>(s, parts.queries + vector * kRowStride<kDim>, parts.keys + key * kRowStride<kDim>);
  Products<kDim>(dp, parts.douts + vector * kRowStride<kDim>, parts.values + key * kRowStride<kDim>);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = vector + lane / 4 + 8 * half;
    const VectorState state = states[row];
#pragma unroll
    for (int j = 0; j < kScoreKeys<kDim> / 8; ++j) {
      const int column = key + j * 8 + lane % 4 * 2;
      float(&p)[4] = s[j];
      float(&ds)[4] = dp[j];
      DifferentiateScore(p[2 * half], ds[2 * half], args.forward.rule, state, page_key + column);
      DifferentiateScore(p[2 * half + 1], ds[2 * half + 1], args.forward.rule, state, page_key + column + 1);
      const int at = row * kWeightStride + column;
      *reinterpret_cast<uint32_t*>(parts.weights + at) = PackBf16(p[2 * half], p[2 * half + 1]);
      *reinterpret_cast<uint32_t*>(parts.ds + at) = PackBf16(ds[2 * half], ds[2 * half + 1]);
    }
  }
}

// Writes the page's keys' gradients from shared rows.
template <int kDim>
DEVICE void StoreKeys(const OutRows& to, const Bf16* rows, const Span& span, int page_key, int kv_head, int dim) {
  for (int i = threadIdx.x; i < kKeys * kDim / 8; i += kThreads<kDim>) {
    const int key = page_key + i / (kDim / 8), d = i % (kDim / 8) * 8;
    if (key < span.keys_before || key >= KeysOf(span) || d >= dim) continue;
    const int64_t row = span.first_row + key - span.keys_before;
    StoreGlobal(reinterpret_cast<uint4*>(to.data + row * to.stride + kv_head * dim + d),
                *reinterpret_cast<const uint4*>(rows + i / (kDim / 8) * kRowStride<kDim> + d));
  }
}

template <int kDim>
__global__ void __launch_bounds__(kThreads<kDim>, kBlocks<kDim>) KeyGrads(AttentionGradArgs args) {
  constexpr int kStride = kRowStride<kDim>;
  const AttentionArgs& forward = args.forward;
  SharedCarver carver;
  SharedParts parts;
  parts.keys = carver.Take<Bf16>((2 * kKeys + 2 * kVectors) * kStride);
  parts.values = parts.keys + kKeys * kStride;
  parts.queries = parts.values + kKeys * kStride;
  parts.douts = parts.queries + kVectors * kStride;
  parts.weights = carver.Take<Bf16>(2 * kVectors * kWeightStride);
  parts.ds = parts.weights + kVectors * kWeightStride;
  parts.states = carver.Take<VectorState>(kStateSets * kVectors);

  const KeyTile tile = LoadKeyTile(forward.batch.key_tiles, blockIdx.x);
  const Span span = LoadSpan(forward.batch.spans, tile.span);
  const Viewers viewers = ViewersOf(tile, span, forward.window);
  const int kv_head = blockIdx.y, first_head = kv_head * forward.group;
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int64_t page = LoadForWarp(forward.batch.pages + span.first_page + tile.page);
  LoadPage<kDim, kThreads<kDim>>(parts.keys, static_cast<const Bf16*>(forward.k), page * forward.kv_heads + kv_head,
                                 forward.dim);
  LoadPage<kDim, kThreads<kDim>>(parts.values, static_cast<const Bf16*>(forward.v), page * forward.kv_heads + kv_head,
                                 forward.dim);

  float dk[kColumnGroups<kDim>][kKeys / 16][2][4] = {}, dv[kColumnGroups<kDim>][kKeys / 16][2][4] = {};
  const int count = (viewers.own_rows + viewers.descendants) * forward.group;
  VectorState* states = parts.states;
  for (int first = 0; first < count; first += kVectors) {
    LoadViewers<kDim>(args, parts, states, tile, span, viewers, first, first_head);
    CpAsyncWait<0>();
    __syncthreads();  // vectors are there
    const bool is_seen = __any_sync(kFullMask, states[lane].hi > states[lane].lo);
    if (is_seen) {
      MakeWeights<kDim>(args, parts, states, tile.page * kKeys);
      __syncthreads();  // weights are there
#pragma unroll
      for (int g = 0; g < kColumnGroups<kDim>; ++g) {
        const int column = (g * kWarps<kDim> + warp) * 16;
        if (column >= kDim) break;
        AccumulateColumns<kDim>(dv[g], parts.weights, parts.douts + column);
        AccumulateColumns<kDim>(dk[g], parts.ds, parts.queries + column);
      }
      __syncthreads();  // vectors have been used
    }
    states = states == parts.states ? parts.states + kVectors : parts.states;
  }

#pragma unroll
  for (int g = 0; g < kColumnGroups<kDim>; ++g) {
    const int column = (g * kWarps<kDim> + warp) * 16;
    if (column >= kDim) break;
    StageColumns<kDim>(parts.keys + column, dk[g], args.scale);
    StageColumns<kDim>(parts.values + column, dv[g], 1);
  }
  __syncthreads();
  StoreKeys<kDim>(args.dk, parts.keys, span, tile.page * kKeys, kv_head, forward.dim);
  StoreKeys<kDim>(args.dv, parts.values, span, tile.page * kKeys, kv_head, forward.dim);
}

}  // namespace

void LaunchKeyGrads(const AttentionGradArgs& args, const AttentionBatch& batch, cudaStream_t stream) {
  WithHeadWidth(args.forward.dim, [&](auto width) {
    constexpr int kDim = decltype(width)::value;
    const dim3 grid(static_cast<unsigned>(batch.key_tiles), static_cast<unsigned>(args.forward.kv_heads));
    Launch("attention_key_grads", KeyGrads<kDim>, {grid, dim3(kThreads<kDim>), SharedBytes<kDim>()}, stream, args);
  });
}

}  // namespace rlvr::cuda
