// What head kernels share: a logit's value, its place in the order of the distribution, its mass, and sums over a
// block.
//
// Masses exp(x - largest) are summed as integers: an F32 has 24 bits, so one that is at most 2^-20 below the largest
// loses nothing in units of 2^-44, and the sum of integers has the same bits in whatever order it is taken. So a
// cumulated probability is monotone and means the same in every kernel, and no order of threads shows.
#pragma once

#include "backends/cuda/device.h"
#include "backends/cuda/head_scratch.h"
#include "backends/cuda/reduce.cuh"

namespace rlvr::cuda {

constexpr int kHeadThreads = 256;

// From the raw logit to the one of the distribution: softcap, then temperature.
struct LogitMap {
  float factor;       // 1 / temperature, times the softcap where there is one
  float inverse_cap;  // 0: no softcap
};

// The multiplication is spelled as an fma, which no compiler may merge with what follows: x has the same bits
// everywhere.
DEVICE float ScaledLogit(const LogitMap& map, float capped) { return fmaf(map.factor, capped, 0.0f); }
// -inf stands for no token at all, so no softcap raises it.
DEVICE float CappedLogit(const LogitMap& map, float raw) {
  return map.inverse_cap > 0 && raw > -INFINITY ? tanhf(raw * map.inverse_cap) : raw;
}
DEVICE float Logit(const LogitMap& map, float raw) { return ScaledLogit(map, CappedLogit(map, raw)); }

// A chunk of rows, as kernels see it.
struct HeadChunk {
  const float* logits;  // raw, [rows, vocab]
  int64_t stride;
  int vocab;
  int rows;
  int part_count;
  int segment_count;
  LogitMap map;
  HeadPart* parts;
  HeadRow* distributions;
};

// Orders tokens as the distribution does: by descending logit, of equals the smaller id first; larger keys come first.
// Raw logits are compared, since softcap and temperature keep their order.
DEVICE uint64_t SortKey(float raw, int id) {
  const float value = raw + 0.0f;  // -0 is 0
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(bits) << 32 | ~static_cast<uint32_t>(id);
}
DEVICE float RawOf(uint64_t key) {
  uint32_t bits = static_cast<uint32_t>(key >> 32);
  bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
  float raw;
  memcpy(&raw, &bits, sizeof raw);
  return raw;
}
DEVICE int IdOf(uint64_t key) { return static_cast<int>(~static_cast<uint32_t>(key)); }

// value in units of 2^-kBits, rounded down; value < 4. What is not positive, NaN included, is nothing.
template <int kBits>
DEVICE uint64_t Fixed(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const int shift = static_cast<int>(bits >> 23) - 150 + kBits;
  const uint64_t mantissa = (bits & 0x7fffffu) | 0x800000u;
  if (!(value > 0) || shift <= -24) return 0;
  return shift >= 0 ? mantissa << shift : mantissa >> -shift;
}

constexpr int kPartBits = 40;  // kHeadPart masses of at most 1 stay within the 53 bits of a double
constexpr int kRowBits = 44;   // 2^18 masses stay within 64 bits
constexpr double kPartUnit = 1.0 / (1ull << kPartBits);
constexpr double kRowUnit = 1.0 / (1ull << kRowBits);

// Four raw logits from `first`, a multiple of four, on. -inf behind the row's end, and for a NaN, which has no place in
// an order: a row of nothing else has no mass, and its logprobs are NaN.
DEVICE void LoadFour(const float* row, int first, int vocab, float (&x)[4]) {
  float4 four = make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
  if (first < vocab) four = LoadGlobal(reinterpret_cast<const float4*>(row + first));
  const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = first + i < vocab && values[i] == values[i] ? values[i] : -INFINITY;
}

struct Add64 {
  DEVICE uint64_t operator()(uint64_t a, uint64_t b) const { return a + b; }
};
struct Larger64 {
  DEVICE uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};

template <typename Combine>
DEVICE uint64_t WarpReduce64(uint64_t value, Combine combine) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(kFullMask, value, distance));
  }
  return value;
}

// Every thread receives the result. `shared` holds kHeadThreads / kWarpSize numbers; 0 is neutral.
template <typename Combine>
DEVICE uint64_t BlockReduce64(uint64_t value, Combine combine, uint64_t* shared) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  value = WarpReduce64(value, combine);
  __syncthreads();
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  return WarpReduce64(lane < kHeadThreads / kWarpSize ? shared[lane] : 0, combine);
}

// The sum over the threads before this one, and over all.
struct Scanned {
  uint64_t before;
  uint64_t total;
};
DEVICE Scanned BlockScan64(uint64_t value, uint64_t* shared) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  uint64_t through = value;
#pragma unroll
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const uint64_t below = __shfl_up_sync(kFullMask, through, distance);
    if (lane >= distance) through += below;
  }
  __syncthreads();
  if (lane == kWarpSize - 1) shared[warp] = through;
  __syncthreads();
  Scanned result{through - value, 0};
  for (int w = 0; w < kHeadThreads / kWarpSize; ++w) {
    if (w < warp) result.before += shared[w];
    result.total += shared[w];
  }
  return result;
}
constexpr int kScanRoom = kHeadThreads / kWarpSize;

DEVICE double WarpSum64(double value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kFullMask, value, distance);
  }
  return value;
}

// Whether the id is that of a token of the support.
DEVICE bool TokenInside(const HeadChunk& chunk, int row, int token) {
  if (token < 0 || token >= chunk.vocab) return false;
  const float raw = LoadGlobal(chunk.logits + row * chunk.stride + token);
  return SortKey(raw, token) >= LoadGlobal(&chunk.distributions[row].least);
}

// The logprob of a token: of the support's distribution, or of all where it lies outside. NaN for an id that is none.
DEVICE double LogProb(const HeadChunk& chunk, int row, int token) {
  if (token < 0 || token >= chunk.vocab) return NAN;
  const HeadRow* of = chunk.distributions + row;
  const double sum = LoadGlobal(TokenInside(chunk, row, token) ? &of->sum : &of->total);
  const double largest = Logit(chunk.map, RawOf(LoadGlobal(&of->best)));
  return (Logit(chunk.map, LoadGlobal(chunk.logits + row * chunk.stride + token)) - largest) - log(sum);
}

}  // namespace rlvr::cuda
