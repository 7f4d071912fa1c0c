// y = x w^T for 1 to 4 rows, w in its stored form: dots on the ordinary cores.
//
// A warp takes two outputs and walks the inner dimension in tiles of 1024, 16 bytes of codes a lane and load; the next
// tile's codes are on their way while this one is multiplied. x lies in shared memory, four tiles at a time. The order
// of a sum: each lane's products by tile and within it, then the lanes, then the parts when the inner dimension is cut.
#include "backends/cuda/linear_outputs.cuh"
#include "backends/cuda/linear_split.h"
#include "backends/cuda/reduce.cuh"
#include "backends/cuda/stored_weights.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kWarpOutputs = 2;  // loads under way, and uses of an octet of x
constexpr int kBlockOutputs = kWarps * kWarpOutputs;
constexpr int kThreadOctets = 4;
constexpr int kTileOctets = kThreadOctets * kWarpSize;
constexpr int kTile = kTileOctets * kOctet;
constexpr int kStageTiles = 4;  // of x in shared memory: 34 KiB for four rows
constexpr int kMinTilesPerSplit = 1;

struct GemvCall {
  WeightView weight;
  const Bf16* x;
  int64_t x_stride;
  bool x_is_aligned;
  int tiles;
  int tiles_per_split;
  LinearOutputs outputs;
};

// x in shared memory: [row][tile][octet of a lane][lane], so that lanes read neighbours; the planes' padding spreads
// the writes, which come in memory's order.
constexpr int kPlane = kWarpSize + 2;
constexpr int kTileSize = kThreadOctets * kPlane;

DEVICE int XAt(int row, int tile, int octet, int lane) {
  return (row * kStageTiles + tile) * kTileSize + octet * kPlane + lane;
}

template <typename W, int kRows>
DEVICE void CopyTiles(const GemvCall& call, int first, int end, uint4* shared) {
  const int tiles = end - first < kStageTiles ? end - first : kStageTiles;
  for (int i = threadIdx.x; i < kRows * tiles * kTileOctets; i += kThreads) {
    const int row = i / (tiles * kTileOctets), tile = i / kTileOctets % tiles, index = i % kTileOctets;
    const Bf16* from = row < call.outputs.rows ? call.x + row * call.x_stride : nullptr;
    uint4* to = shared + XAt(row, tile, OctetOf<W::kOctets, kWarpSize>(index), LaneOf<W::kOctets, kWarpSize>(index));
    CopyOctet(to, from, int64_t{first + tile} * kTile + index * kOctet, call.weight.in, call.x_is_aligned);
  }
}

// A lane's codes of a tile.
template <typename W>
struct LaneTile {
  static constexpr int kLoads = kThreadOctets / W::kOctets;
  typename W::Packed packed[kWarpOutputs][kLoads];

  DEVICE void Load(const WeightView& w, const typename W::Row (&rows)[kWarpOutputs], int tile, int lane) {
#pragma unroll
    for (int load = 0; load < kLoads; ++load) {
      const int k = tile * kTile + OctetStart<W::kOctets, kWarpSize>(lane, load * W::kOctets);
#pragma unroll
      for (int r = 0; r < kWarpOutputs; ++r) {
        if (rows[r].row < w.out && k < w.in) {
          packed[r][load] = W::Load(w, rows[r], k);
        } else {
          packed[r][load] = {};
        }
      }
    }
  }
};

DEVICE void AddProducts(const uint32_t (&weights)[4], const uint4& x, float& sum) {
  const uint32_t pairs[4] = {x.x, x.y, x.z, x.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum = fmaf(LowBf16(weights[i]), LowBf16(pairs[i]), sum);
    sum = fmaf(HighBf16(weights[i]), HighBf16(pairs[i]), sum);
  }
}

template <typename W, int kRows>
DEVICE void MultiplyTile(const LaneTile<W>& tile, const typename W::Tables& tables, const uint4* x, int stage_tile,
                         float (&sums)[kWarpOutputs][kRows]) {
  const int lane = threadIdx.x % kWarpSize;
#pragma unroll
  for (int load = 0; load < LaneTile<W>::kLoads; ++load) {
    typename W::Factors factors[kWarpOutputs];
#pragma unroll
    for (int r = 0; r < kWarpOutputs; ++r) factors[r] = W::Prepare(tile.packed[r][load], tables);
#pragma unroll
    for (int octet = 0; octet < W::kOctets; ++octet) {
      uint32_t pairs[kWarpOutputs][4];
#pragma unroll
      for (int r = 0; r < kWarpOutputs; ++r) {
        DecodePairs<W>(tile.packed[r][load], factors[r], tables, octet, pairs[r]);
      }
#pragma unroll
      for (int m = 0; m < kRows; ++m) {
        const uint4 values = x[XAt(m, stage_tile, load * W::kOctets + octet, lane)];
#pragma unroll
        for (int r = 0; r < kWarpOutputs; ++r) AddProducts(pairs[r], values, sums[r][m]);
      }
    }
  }
}

template <int kRows>
DEVICE void StoreSums(const GemvCall& call, float* staging, const float (&sums)[kWarpOutputs][kRows]) {
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  __syncthreads();
#pragma unroll
  for (int r = 0; r < kWarpOutputs; ++r) {
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      const float sum = WarpSum(sums[r][m]);
      if (lane == 0) staging[m * kBlockOutputs + warp * kWarpOutputs + r] = sum;
    }
  }
  __syncthreads();
  constexpr int kFours = kBlockOutputs / 4;
  const int row = threadIdx.x / kFours, first = threadIdx.x % kFours * 4;
  if (row >= call.outputs.rows) return;
  const float4 four = *reinterpret_cast<const float4*>(staging + row * kBlockOutputs + first);
  StorePart(call.outputs, blockIdx.y, row, blockIdx.x * int64_t{kBlockOutputs} + first, four);
}

template <typename W, int kRows>
KERNEL(kThreads)
GemvKernel(GemvCall call) {
  SharedCarver carver;
  uint4* x = carver.Take<uint4>(kRows * kStageTiles * kTileSize);
  typename W::Tables tables(carver);
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const int begin = blockIdx.y * call.tiles_per_split;
  const int end = begin + call.tiles_per_split < call.tiles ? begin + call.tiles_per_split : call.tiles;

  typename W::Row rows[kWarpOutputs];
#pragma unroll
  for (int r = 0; r < kWarpOutputs; ++r) {
    rows[r] = W::Open(call.weight, (blockIdx.x * int64_t{kWarps} + warp) * kWarpOutputs + r);
  }
  LaneTile<W> next;
  next.Load(call.weight, rows, begin, lane);
  tables.Fill(call.weight);

  float sums[kWarpOutputs][kRows] = {};
  for (int tile = begin; tile < end; ++tile) {
    const int stage_tile = (tile - begin) % kStageTiles;
    if (stage_tile == 0) {
      __syncthreads();
      CopyTiles<W, kRows>(call, tile, end, x);
      CpAsyncCommit();
    }
    const LaneTile<W> current = next;
    if (tile + 1 < end) next.Load(call.weight, rows, tile + 1, lane);
    if (stage_tile == 0) {
      CpAsyncWait<0>();
      __syncthreads();
    }
    MultiplyTile<W, kRows>(current, tables, x, stage_tile, sums);
  }
  StoreSums<kRows>(call, reinterpret_cast<float*>(x), sums);
}

template <typename W, int kRows>
void LaunchGemv(cudaStream_t stream, const GemvCall& call, int64_t out_blocks, int64_t splits) {
  SharedSize shared;
  shared.Add<uint4>(kRows * kStageTiles * kTileSize);
  W::Tables::AddTo(shared);
  const dim3 grid(static_cast<unsigned>(out_blocks), static_cast<unsigned>(splits));
  Launch("gemv", GemvKernel<W, kRows>, {grid, dim3(kThreads), shared.bytes()}, stream, call);
}

template <typename W>
void Run(cudaStream_t stream, const FrozenLinear& linear, const LinearScratch& scratch) {
  const int64_t out_blocks = (linear.weight.out + kBlockOutputs - 1) / kBlockOutputs;
  const int64_t tiles = (linear.weight.in + kTile - 1) / kTile;
  const LinearSplit split = SplitTiles(tiles, out_blocks, kMinTilesPerSplit);
  GemvCall call;
  call.weight = linear.weight;
  call.x = linear.x;
  call.x_stride = linear.x_stride;
  call.x_is_aligned = HasAlignedRows(linear);
  call.tiles = static_cast<int>(tiles);
  call.tiles_per_split = static_cast<int>(split.tiles_per_split);
  call.outputs = OutputsOf(linear, out_blocks, kBlockOutputs, split.splits, scratch.parts);
  if (linear.rows == 1) {
    LaunchGemv<W, 1>(stream, call, out_blocks, split.splits);
  } else if (linear.rows == 2) {
    LaunchGemv<W, 2>(stream, call, out_blocks, split.splits);
  } else {
    LaunchGemv<W, 4>(stream, call, out_blocks, split.splits);
  }
  SumParts(stream, call.outputs, split.splits);
}

}  // namespace

void Gemv(cudaStream_t stream, const FrozenLinear& call, const LinearScratch& scratch) {
  RLVR_CHECK(call.rows <= kGemvRows, call.rows, " rows");
  VisitStoredWeight(call.dtype, [&](auto stored) { Run<decltype(stored)>(stream, call, scratch); });
}

}  // namespace rlvr::cuda
