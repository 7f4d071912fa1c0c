// y = x w^T for 5 to 64 rows, w in its stored form.
//
// The order of the inner dimension inside an mma is free as long as both operands share it. So no weight is repacked: a
// thread takes 16 bytes of codes of its rows, decodes them in registers, and they are its A operand as they are; x
// follows the same order. A block has 4 warps of 16 or 32 outputs each and all rows of x as B, 8 tokens an mma, so
// that each weight is read from memory and decoded once for all rows.
//
// Per tile of 128 inner elements: the next tile's codes are on their way to registers and the next tile of x to shared
// memory while this one is multiplied.
#include "backends/cuda/linear_outputs.cuh"
#include "backends/cuda/linear_split.h"
#include "backends/cuda/stored_weights.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kTile = 128;  // inner elements: 4 threads x 4 octets
constexpr int kGroup = 4;   // threads that share a row of A
constexpr int kOctets = kTile / kOctet;
constexpr int kThreadOctets = kOctets / kGroup;
constexpr int kMinTilesPerSplit = 2;  // or nothing overlaps
constexpr int kStages = 2;

template <typename W>
constexpr int kBlockOutputs = kWarps * 16 * W::kRowTiles;

struct FewRowsCall {
  WeightView weight;
  const Bf16* x;
  int64_t x_stride;
  bool x_is_aligned;
  int tiles;
  int tiles_per_split;
  LinearOutputs outputs;
};

// A tile of x in shared memory, octets in the order in which they are multiplied: [octet of a thread][token][thread].
// Fragments are then read as 16 bytes a lane from neighbouring addresses. The planes' padding spreads the writes, which
// come in memory's order, over all banks.
template <typename W, int kTokens>
struct XTile {
  static constexpr int kPadding = W::kOctets == 4 ? 2 : 4;
  static constexpr int kPlane = kTokens * kGroup + kPadding;  // in octets
  static constexpr int kSize = kThreadOctets * kPlane;
  DEVICE static int At(int octet, int token, int thread) { return octet * kPlane + token * kGroup + thread; }
};

template <typename W, int kTokens>
DEVICE void CopyTile(const FewRowsCall& call, int tile, uint4* stage) {
  using Tile = XTile<W, kTokens>;
#pragma unroll
  for (int i = threadIdx.x; i < kTokens * kOctets; i += kThreads) {
    const int token = i / kOctets, index = i % kOctets;
    const Bf16* row = token < call.outputs.rows ? call.x + token * call.x_stride : nullptr;
    uint4* to = stage + Tile::At(OctetOf<W::kOctets, kGroup>(index), token, LaneOf<W::kOctets, kGroup>(index));
    CopyOctet(to, row, int64_t{tile} * kTile + index * kOctet, call.weight.in, call.x_is_aligned);
  }
}

// What a thread multiplies of a tile: rows g and g + 8 of each of its warp's row tiles.
template <typename W>
struct WeightTile {
  static constexpr int kRows = 2 * W::kRowTiles;
  static constexpr int kLoads = kThreadOctets / W::kOctets;
  typename W::Packed packed[kRows][kLoads];

  DEVICE void Load(const WeightView& w, const typename W::Row (&rows)[kRows], int tile, int thread) {
#pragma unroll
    for (int load = 0; load < kLoads; ++load) {
      const int k = tile * kTile + OctetStart<W::kOctets, kGroup>(thread, load * W::kOctets);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (rows[r].row < w.out && k < w.in) {
          packed[r][load] = W::Load(w, rows[r], k);
        } else {
          packed[r][load] = {};
        }
      }
    }
  }
};

template <typename W, int kTokenTiles>
DEVICE void MultiplyTile(const WeightTile<W>& tile, const typename W::Tables& tables, const uint4* x,
                         float (&sums)[W::kRowTiles][kTokenTiles][4]) {
  using Tile = XTile<W, 8 * kTokenTiles>;
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int load = 0; load < WeightTile<W>::kLoads; ++load) {
    typename W::Factors factors[WeightTile<W>::kRows];
#pragma unroll
    for (int r = 0; r < WeightTile<W>::kRows; ++r) factors[r] = W::Prepare(tile.packed[r][load], tables);
#pragma unroll
    for (int octet = 0; octet < W::kOctets; ++octet) {
      uint32_t pairs[WeightTile<W>::kRows][4];
#pragma unroll
      for (int r = 0; r < WeightTile<W>::kRows; ++r) {
        DecodePairs<W>(tile.packed[r][load], factors[r], tables, octet, pairs[r]);
      }
#pragma unroll
      for (int n = 0; n < kTokenTiles; ++n) {
        const uint4 b = x[Tile::At(load * W::kOctets + octet, 8 * n + lane / kGroup, lane % kGroup)];
        const uint32_t first[2] = {b.x, b.y}, second[2] = {b.z, b.w};
#pragma unroll
        for (int m = 0; m < W::kRowTiles; ++m) {
          const auto &low = pairs[2 * m], &high = pairs[2 * m + 1];
          MmaBf16(sums[m][n], {low[0], high[0], low[1], high[1]}, first);
          MmaBf16(sums[m][n], {low[2], high[2], low[3], high[3]}, second);
        }
      }
    }
  }
}

// Through shared memory, [token][output], so that stores are of whole sectors.
template <typename W, int kTokenTiles>
DEVICE void StoreSums(const FewRowsCall& call, float* staging, const float (&sums)[W::kRowTiles][kTokenTiles][4]) {
  constexpr int kStride = kBlockOutputs<W> + 4;  // 4 banks on for each token: no two lanes of a store meet
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  __syncthreads();
#pragma unroll
  for (int m = 0; m < W::kRowTiles; ++m) {
    const int output = (warp * W::kRowTiles + m) * 16 + lane / kGroup;
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      float* at = staging + (8 * n + 2 * (lane % kGroup)) * kStride + output;
      at[0] = sums[m][n][0];
      at[kStride] = sums[m][n][1];
      at[8] = sums[m][n][2];
      at[kStride + 8] = sums[m][n][3];
    }
  }
  __syncthreads();
  constexpr int kFours = kBlockOutputs<W> / 4;
  for (int i = threadIdx.x; i < static_cast<int>(call.outputs.rows) * kFours; i += kThreads) {
    const int token = i / kFours, first = i % kFours * 4;
    const float4 four = *reinterpret_cast<const float4*>(staging + token * kStride + first);
    StorePart(call.outputs, blockIdx.y, token, blockIdx.x * int64_t{kBlockOutputs<W>} + first, four);
  }
}

// x stages, then sums: the same memory.
template <typename W, int kTokenTiles>
constexpr int kSharedOctets = kStages* XTile<W, 8 * kTokenTiles>::kSize > 2 * kTokenTiles*(kBlockOutputs<W> + 4)
                                  ? kStages* XTile<W, 8 * kTokenTiles>::kSize
                                  : 2 * kTokenTiles*(kBlockOutputs<W> + 4);

template <typename W, int kTokenTiles>
KERNEL(kThreads)
FewRowsKernel(FewRowsCall call) {
  SharedCarver carver;
  uint4* shared = carver.Take<uint4>(kSharedOctets<W, kTokenTiles>);
  typename W::Tables tables(carver);
  constexpr int kStage = XTile<W, 8 * kTokenTiles>::kSize;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int begin = blockIdx.y * call.tiles_per_split;
  const int end = begin + call.tiles_per_split < call.tiles ? begin + call.tiles_per_split : call.tiles;

  typename W::Row rows[WeightTile<W>::kRows];
#pragma unroll
  for (int r = 0; r < WeightTile<W>::kRows; ++r) {
    const int64_t row = (blockIdx.x * int64_t{kWarps} + warp) * 16 * W::kRowTiles + 8 * r + lane / kGroup;
    rows[r] = W::Open(call.weight, row);
  }
  WeightTile<W> next;
  next.Load(call.weight, rows, begin, lane % kGroup);
  CopyTile<W, 8 * kTokenTiles>(call, begin, shared);
  CpAsyncCommit();
  tables.Fill(call.weight);

  float sums[W::kRowTiles][kTokenTiles][4] = {};
  for (int tile = begin; tile < end; ++tile) {
    const WeightTile<W> current = next;
    CpAsyncWait<0>();
    __syncthreads();
    const int stage = (tile - begin) % kStages;
    if (tile + 1 < end) {
      CopyTile<W, 8 * kTokenTiles>(call, tile + 1, shared + (kStages - 1 - stage) * kStage);
      next.Load(call.weight, rows, tile + 1, lane % kGroup);
    }
    CpAsyncCommit();
    MultiplyTile<W, kTokenTiles>(current, tables, shared + stage * kStage, sums);
  }
  StoreSums<W, kTokenTiles>(call, reinterpret_cast<float*>(shared), sums);
}

template <typename W, int kTokenTiles>
void LaunchFewRows(cudaStream_t stream, const FewRowsCall& call, int64_t out_blocks, int64_t splits) {
  SharedSize shared;
  shared.Add<uint4>(kSharedOctets<W, kTokenTiles>);
  W::Tables::AddTo(shared);
  const dim3 grid(static_cast<unsigned>(out_blocks), static_cast<unsigned>(splits));
  Launch("few_rows", FewRowsKernel<W, kTokenTiles>, {grid, dim3(kThreads), shared.bytes()}, stream, call);
}

template <typename W>
void Run(cudaStream_t stream, const FrozenLinear& linear, const LinearScratch& scratch) {
  const int64_t out_blocks = (linear.weight.out + kBlockOutputs<W> - 1) / kBlockOutputs<W>;
  const int64_t tiles = (linear.weight.in + kTile - 1) / kTile;
  const LinearSplit split = SplitTiles(tiles, out_blocks, kMinTilesPerSplit);
  FewRowsCall call;
  call.weight = linear.weight;
  call.x = linear.x;
  call.x_stride = linear.x_stride;
  call.x_is_aligned = HasAlignedRows(linear);
  call.tiles = static_cast<int>(tiles);
  call.tiles_per_split = static_cast<int>(split.tiles_per_split);
  call.outputs = OutputsOf(linear, out_blocks, kBlockOutputs<W>, split.splits, scratch.parts);
  const int64_t tokens = (linear.rows + 7) / 8;
  if (tokens <= 1) {
    LaunchFewRows<W, 1>(stream, call, out_blocks, split.splits);
  } else if (tokens <= 2) {
    LaunchFewRows<W, 2>(stream, call, out_blocks, split.splits);
  } else if (tokens <= 3) {
    LaunchFewRows<W, 3>(stream, call, out_blocks, split.splits);
  } else if (tokens <= 5) {
    LaunchFewRows<W, 5>(stream, call, out_blocks, split.splits);
  } else {
    LaunchFewRows<W, 8>(stream, call, out_blocks, split.splits);
  }
  SumParts(stream, call.outputs, split.splits);
}

}  // namespace

void FewRowsLinear(cudaStream_t stream, const FrozenLinear& call, const LinearScratch& scratch) {
  RLVR_CHECK(call.rows <= kFewLinearRows, call.rows, " rows");
  VisitStoredWeight(call.dtype, [&](auto stored) { Run<decltype(stored)>(stream, call, scratch); });
}

}  // namespace rlvr::cuda
