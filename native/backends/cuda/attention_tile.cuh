// What the attention kernels share: a page of keys in shared memory, the scores of sixteen queries against it, which of
// them count, and the running softmax.
//
// A "vector" is one query head of one packed row. The vectors of a tile are numbered row by row, heads of one KV head
// innermost, so that all of them read the same keys. A warp works on sixteen; in the layout of mma a thread holds two:
// lane / 4 and lane / 4 + 8 of them, called its half 0 and 1.
#pragma once

#include "backends/cuda/attention_args.h"
#include "backends/cuda/device.h"

namespace rlvr::cuda {

constexpr int kKeys = static_cast<int>(kKvBlock);  // of a tile: one page
constexpr int kWarpVectors = 16;
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

// Elements from one shared row to the next: 16 bytes more than the row, so that the eight rows of a matrix that
// ldmatrix reads lie in different banks.
template <int kDim>
constexpr int kRowStride = kDim + 8;

// Queries of wider heads stay in shared memory: the sums of their outputs fill the registers.
template <int kDim>
constexpr bool kQueriesInRegisters = kDim <= 128;

// --- loads ---

// One number that all lanes want, read once.
DEVICE int LoadForWarp(const int32_t* p) {
  const int value = threadIdx.x % kWarpSize == 0 ? LoadGlobal(p) : 0;
  return __shfl_sync(kFullMask, value, 0);
}

DEVICE Span LoadSpan(const Span* spans, int index) {
  static_assert(sizeof(Span) == 6 * sizeof(int32_t), "a lane reads a field");
  const int lane = threadIdx.x % kWarpSize;
  const int32_t field = lane < 6 ? LoadGlobal(reinterpret_cast<const int32_t*>(spans + index) + lane) : 0;
  Span span;
  span.parent = __shfl_sync(kFullMask, field, 0);
  span.first_position = __shfl_sync(kFullMask, field, 1);
  span.first_row = __shfl_sync(kFullMask, field, 2);
  span.rows = __shfl_sync(kFullMask, field, 3);
  span.keys_before = __shfl_sync(kFullMask, field, 4);
  span.first_page = __shfl_sync(kFullMask, field, 5);
  return span;
}

DEVICE int KeysOf(const Span& span) { return span.keys_before + span.rows; }

DEVICE RowPlace LoadPlace(const RowPlace* rows, int row) {
  const int4 fields = LoadGlobal(reinterpret_cast<const int4*>(rows + row));
  return {fields.x, fields.y, fields.z, fields.w};
}

DEVICE uint32_t WidenedPair(uint32_t codes) {
  return PackBf16(Fp8ToFloat(static_cast<uint8_t>(codes)), Fp8ToFloat(static_cast<uint8_t>(codes >> 8)));
}

// Starts the copy of a page of one KV head into kKeys shared rows; elements from `dim` to kDim become zero. FP8 is
// widened on the way, exactly. Complete after CpAsyncWait and a barrier.
template <int kDim, int kThreads>
DEVICE void LoadPage(Bf16* shared, const Bf16* pages, int64_t page_head, int dim) {
  const Bf16* page = pages + page_head * kKeys * dim;
  for (int i = threadIdx.x; i < kKeys * kDim / 8; i += kThreads) {
    const int key = i / (kDim / 8), d = i % (kDim / 8) * 8;
    CpAsync16(shared + key * kRowStride<kDim> + d, page + (d < dim ? key * dim + d : 0), d < dim);
  }
}

template <int kDim, int kThreads>
DEVICE void LoadPage(Bf16* shared, const uint8_t* pages, int64_t page_head, int dim) {
  const uint8_t* page = pages + page_head * kKeys * dim;
  for (int i = threadIdx.x; i < kKeys * kDim / 16; i += kThreads) {
    const int key = i / (kDim / 16), d = i % (kDim / 16) * 16;
    uint4 codes = make_uint4(0, 0, 0, 0);
    if (d < dim) codes = LoadGlobal(reinterpret_cast<const uint4*>(page + key * dim + d));
    uint4* to = reinterpret_cast<uint4*>(shared + key * kRowStride<kDim> + d);
    to[0] =
        make_uint4(WidenedPair(codes.x), WidenedPair(codes.x >> 16), WidenedPair(codes.y), WidenedPair(codes.y >> 16));
    to[1] =
        make_uint4(WidenedPair(codes.z), WidenedPair(codes.z >> 16), WidenedPair(codes.w), WidenedPair(codes.w >> 16));
  }
}

// Starts the copy of kVectors vectors of q, or of a tensor of its shape, into as many shared rows. row_of(v) is the
// packed row of vector v and its head in the group, or row -1 for none (zeros).
template <int kDim, int kThreads, int kVectors, typename RowOf>
DEVICE void LoadVectors(Bf16* shared, const Rows& from, int first_head, int dim, const RowOf& row_of) {
  for (int i = threadIdx.x; i < kVectors * kDim / 8; i += kThreads) {
    const int v = i / (kDim / 8), d = i % (kDim / 8) * 8;
    const VectorRow at = row_of(v);
    const bool valid = at.row >= 0 && d < dim;
    const Bf16* row = from.data + at.row * from.stride + (first_head + at.head) * dim + d;
    CpAsync16(shared + v * kRowStride<kDim> + d, valid ? row : from.data, valid);
  }
}

// --- products ---

// The A operands of sixteen shared rows: all of them in registers, or read when asked for.
template <int kDim, bool kInRegisters>
class RowFragments {
 public:
  DEVICE void Bind(const Bf16* rows) {
    const int lane = threadIdx.x % kWarpSize;
    lane_row_ = rows + lane % 16 * kRowStride<kDim> + lane / 16 * 8;
    if constexpr (kInRegisters) {
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) LdMatrixX4(held_[k], lane_row_ + k * 16);
    }
  }
  DEVICE void Get(int k, uint32_t (&a)[4]) const {
    if constexpr (kInRegisters) {
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = held_[k][i];
    } else {
      LdMatrixX4(a, lane_row_ + k * 16);
    }
  }

 private:
  const Bf16* lane_row_;
  uint32_t held_[kInRegisters ? kDim / 16 : 1][4];
};

// The address that a lane gives ldmatrix for two neighbouring B operands: of rows that are columns of B (keys as they
// lie), or, transposed, of rows that are rows of B.
template <int kDim>
DEVICE const Bf16* LaneColumns(const Bf16* rows) {
  const int lane = threadIdx.x % kWarpSize;
  return rows + (lane / 16 * 8 + lane % 8) * kRowStride<kDim> + lane / 8 % 2 * 8;
}
template <int kDim>
DEVICE const Bf16* LaneRows(const Bf16* rows) {
  const int lane = threadIdx.x % kWarpSize;
  return rows + lane % 16 * kRowStride<kDim> + lane / 16 * 8;
}

// d[j] += the warp's sixteen rows times shared rows [8 j, 8 j + 8): scores of queries and keys.
template <int kDim, int kColumns, bool kInRegisters>
DEVICE void MultiplyByRows(float (&d)[kColumns / 8][4], const RowFragments<kDim, kInRegisters>& a_rows,
                           const Bf16* rows) {
  const Bf16* lane_columns = LaneColumns<kDim>(rows);
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) {
    uint32_t a[4];
    a_rows.Get(k, a);
#pragma unroll
    for (int j = 0; j < kColumns / 16; ++j) {
      uint32_t b[4];
      LdMatrixX4(b, lane_columns + j * 16 * kRowStride<kDim> + k * 16);
      MmaBf16(d[2 * j], a, {b[0], b[1]});
      MmaBf16(d[2 * j + 1], a, {b[2], b[3]});
    }
  }
}

// out += weights (sixteen vectors, 16 * kSteps keys, as scores lie in registers, rounded to BF16) times shared rows.
template <int kDim, int kSteps>
DEVICE void AccumulateRows(float (&out)[kDim / 8][4], const float (&weights)[2 * kSteps][4], const Bf16* rows) {
  const Bf16* lane_rows = LaneRows<kDim>(rows);
#pragma unroll
  for (int k = 0; k < kSteps; ++k) {
    const float(&low)[4] = weights[2 * k];
    const float(&high)[4] = weights[2 * k + 1];
    const uint32_t a[4] = {PackBf16(low[0], low[1]), PackBf16(low[2], low[3]), PackBf16(high[0], high[1]),
                           PackBf16(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < kDim / 16; ++n) {
      uint32_t b[4];
      LdMatrixX4Trans(b, lane_rows + k * 16 * kRowStride<kDim> + n * 16);
      MmaBf16(out[2 * n], a, {b[0], b[1]});
      MmaBf16(out[2 * n + 1], a, {b[2], b[3]});
    }
  }
}

// --- scores ---

// Keys of a span, by index, that a row sees: [lo, hi).
struct KeyRange {
  int lo, hi;
};

// hi: the keys of the span that exist for the row; a window takes those too far back.
DEVICE KeyRange RangeOf(int position, int hi, int first_position, int window) {
  return {window > 0 ? position - window + 1 - first_position : 0, hi};
}

// A raw dot product as the exponent of a power of two, soft-capped.
DEVICE float ScoreOf(float dot, const ScoreRule& rule) {
  const float scaled = dot * rule.in_scale;
  return rule.cap > 0 ? rule.cap * tanhf(scaled) : scaled;
}

// Scores of the keys from `first_key` on; -inf where a half's vector does not see the key. The caller knows when all
// see all.
template <int kTiles>
DEVICE void MaskScores(float (&s)[kTiles][4], int first_key, const KeyRange (&seen)[2]) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int key = first_key + j * 8 + lane % 4 * 2 + e % 2;
      if (key < seen[e / 2].lo || key >= seen[e / 2].hi) s[j][e] = -INFINITY;
    }
  }
}

// Softmax over keys that come tile by tile. A tile that a vector sees nothing of leaves it as it was, bit for bit, so
// that its result does not depend on the tiles that its neighbours need.
template <int kDim>
struct OnlineSoftmax {
  float largest[2];
  float sum[2];  // this thread's share
  float out[kDim / 8][4];

  DEVICE void Start() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      largest[half] = -INFINITY;
      sum[half] = 0;
    }
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) out[n][e] = 0;
    }
  }

  DEVICE void Absorb(float (&s)[kKeys / 8][4], const Bf16* values) {
#pragma unroll
    for (int half = 0; half < 2; ++half) Weigh(s, half);
    AccumulateRows<kDim, kKeys / 16>(out, s, values);
  }

  // Adds up the shares of the four threads that hold a row.
  DEVICE void Finish() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      sum[half] += __shfl_xor_sync(kFullMask, sum[half], 1);
      sum[half] += __shfl_xor_sync(kFullMask, sum[half], 2);
    }
  }

 private:
  // Scores become weights relative to the largest so far; what was summed before is brought to the same.
  DEVICE void Weigh(float (&s)[kKeys / 8][4], int half) {
    float most = largest[half];
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) most = fmaxf(most, fmaxf(s[j][2 * half], s[j][2 * half + 1]));
    most = fmaxf(most, __shfl_xor_sync(kFullMask, most, 1));
    most = fmaxf(most, __shfl_xor_sync(kFullMask, most, 2));
    const float base = most == -INFINITY ? 0 : most;  // nothing seen yet: all weights are zero
    const float factor = exp2f(largest[half] - base);
    largest[half] = most;
    float added = 0;
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
      for (int e = 2 * half; e < 2 * half + 2; ++e) {
        s[j][e] = exp2f(s[j][e] - base);
        added += s[j][e];
      }
    }
    sum[half] = fmaf(sum[half], factor, added);
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      out[n][2 * half] *= factor;
      out[n][2 * half + 1] *= factor;
    }
  }
};

// Raw dot products of a tile become scores.
template <int kTiles>
DEVICE void ScaleScores(float (&s)[kTiles][4], const ScoreRule& rule) {
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
#pragma unroll
    for (int e = 0; e < 4; ++e) s[j][e] = ScoreOf(s[j][e], rule);
  }
}

// --- stores ---

// Puts sixteen finished rows of a warp into its shared rows, BF16, half h scaled by factor[h]; a __syncwarp follows.
template <int kDim>
DEVICE void StageRows(Bf16* rows, const float (&out)[kDim / 8][4], const float (&factor)[2]) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t* row = reinterpret_cast<uint32_t*>(rows + (lane / 4 + 8 * half) * kRowStride<kDim>);
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      row[n * 4 + lane % 4] = PackBf16(out[n][2 * half] * factor[half], out[n][2 * half + 1] * factor[half]);
    }
  }
}

// Writes the staged rows of the warp's vectors to a tensor of the shape of q, 16 bytes a lane.
template <int kDim, typename RowOf>
DEVICE void StoreRows(const OutRows& to, const Bf16* rows, int first_vector, int first_head, int dim,
                      const RowOf& row_of) {
  for (int i = threadIdx.x % kWarpSize; i < kWarpVectors * kDim / 8; i += kWarpSize) {
    const int v = i / (kDim / 8), d = i % (kDim / 8) * 8;
    const VectorRow at = row_of(first_vector + v);
    if (at.row < 0 || d >= dim) continue;
    StoreGlobal(reinterpret_cast<uint4*>(to.data + at.row * to.stride + (first_head + at.head) * dim + d),
                *reinterpret_cast<const uint4*>(rows + v * kRowStride<kDim> + d));
  }
}

}  // namespace rlvr::cuda
