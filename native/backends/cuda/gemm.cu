// C (=|+=) alpha op(A) op(B) (+ bias) on tensor cores: tiles of A and B come by cp.async in several stages, fragments
// by ldmatrix, products by mma.m16n8k16 with F32 sums, and C leaves in 16-byte stores.
//   128x128, 8 warps, 3 stages  48 KiB of shared memory, so that two blocks fit the 100 KiB of sm_89
//   64x64,   4 warps, 4 stages  more blocks for products too small to fill the card with the above
//   32x128,  4 warps, 4 stages  few rows: bound by reading B
//   64x32,   2 warps, 4 stages  few columns (LoRA): bound by reading A
// All have warps of 32 columns and depth 32. Odd sizes and rows that are not 16-byte aligned take the 64x64 tile with
// loads by elements.
#include "backends/cuda/gemm.h"

#include "backends/cuda/device.h"
#include "backends/cuda/gemm_parts.h"
#include "backends/cuda/gemm_plan.h"
#include "backends/cuda/matmul_library.h"
#include "backends/cuda/product_output.cuh"
#include "backends/cuda/tile.cuh"

namespace rlvr::cuda {

namespace {

template <int kM_, int kN_, int kWarpM_, int kStages_, int kBlocksPerMultiprocessor_>
struct TileShape {
  static constexpr int kM = kM_, kN = kN_, kWarpM = kWarpM_, kStages = kStages_;
  static constexpr int kBlocksPerMultiprocessor = kBlocksPerMultiprocessor_;
  static constexpr int kWarpsM = kM / kWarpM, kWarpsN = kN / kWarpColumns;
  static constexpr int kThreads = kWarpsM * kWarpsN * kWarpSize;
  static constexpr int kAElements = kStages * kM * kGemmDepth, kBElements = kStages * kN * kGemmDepth;
  // The sums are staged where B's tiles were.
  static_assert(kWarpsM * kWarpsN * kStagingFloats * sizeof(float) <= kBElements * sizeof(Bf16));
};
using Tile128x128 = TileShape<128, 128, 64, 3, 2>;
using Tile64x64 = TileShape<64, 64, 32, 4, 3>;
using Tile32x128 = TileShape<32, 128, 32, 4, 2>;
using Tile64x32 = TileShape<64, 32, 32, 4, 4>;

struct GemmArguments {
  OperandSource a;
  OperandSource b;
  ProductOutput out;
  int k = 0;
  int k_per_split = 0;
  int64_t split_stride = 0;  // elements of C from one part to the next
};

struct TilePlace {
  int m = 0;
  int n = 0;
};

// Blocks walk C in bands of 16 tiles of rows, columns first across the band, so that the blocks that run at one time
// share both their rows of A and their columns of B in the L2 cache.
DEVICE TilePlace PlaceOf(int block, int tiles_m, int tiles_n) {
  constexpr int kBand = 16;
  const int band = block / (kBand * tiles_n), in_band = block % (kBand * tiles_n);
  const int left = tiles_m - band * kBand, height = left < kBand ? left : kBand;
  return {band * kBand + in_band % height, in_band / height};
}

template <typename Shape, bool kAAlongK, bool kBAlongK, bool kAsync>
__global__ void __launch_bounds__(Shape::kThreads, Shape::kBlocksPerMultiprocessor) GemmKernel(GemmArguments args) {
  using ATile = OperandTile<Shape::kM, kGemmDepth, kAAlongK>;
  using BTile = OperandTile<Shape::kN, kGemmDepth, kBAlongK>;
  constexpr int kStages = Shape::kStages, kFragmentsM = Shape::kWarpM / 16, kFragmentsN = kWarpColumns / 8;
  SharedCarver carver;
  Bf16* const a_tiles = carver.Take<Bf16>(Shape::kAElements);
  Bf16* const b_tiles = carver.Take<Bf16>(Shape::kBElements);

  const TilePlace place =
      PlaceOf(blockIdx.x, (args.out.m + Shape::kM - 1) / Shape::kM, (args.out.n + Shape::kN - 1) / Shape::kN);
  const int m_first = place.m * Shape::kM, n_first = place.n * Shape::kN;
  const int warp = threadIdx.x / kWarpSize;
  const int warp_m = warp % Shape::kWarpsM * Shape::kWarpM, warp_n = warp / Shape::kWarpsM * kWarpColumns;
  const int k_first = blockIdx.z * args.k_per_split;
  const int k_end = args.k - k_first < args.k_per_split ? args.k : k_first + args.k_per_split;
  const int tiles = (k_end - k_first + kGemmDepth - 1) / kGemmDepth;

  const auto copy = [&](int tile) {
    Bf16* const a = a_tiles + tile % kStages * ATile::kElements;
    Bf16* const b = b_tiles + tile % kStages * BTile::kElements;
    const int k = k_first + tile * kGemmDepth;
    if (kAsync || args.a.aligned) {
      ATile::template CopyAsync<Shape::kThreads>(a, args.a, m_first, k, k_end);
    } else {
      ATile::template Copy<Shape::kThreads>(a, args.a, m_first, k, k_end);
    }
    if (kAsync || args.b.aligned) {
      BTile::template CopyAsync<Shape::kThreads>(b, args.b, n_first, k, k_end);
    } else {
      BTile::template Copy<Shape::kThreads>(b, args.b, n_first, k, k_end);
    }
  };

  float sums[kFragmentsM][kFragmentsN][4] = {};
#pragma unroll
  for (int tile = 0; tile < kStages - 1; ++tile) {
    if (tile < tiles) copy(tile);
    CpAsyncCommit();
  }
  for (int tile = 0; tile < tiles; ++tile) {
    CpAsyncWait<kStages - 2>();
    __syncthreads();  // the tile is here for all, and all have left the stage that the next copy fills
    if (tile + kStages - 1 < tiles) copy(tile + kStages - 1);
    CpAsyncCommit();
    const Bf16* const a_tile = a_tiles + tile % kStages * ATile::kElements;
    const Bf16* const b_tile = b_tiles + tile % kStages * BTile::kElements;
#pragma unroll
    for (int k = 0; k < kGemmDepth; k += 16) {
      uint32_t a[kFragmentsM][4], b[kFragmentsN][2];
#pragma unroll
      for (int i = 0; i < kFragmentsM; ++i) ATile::LoadA(a[i], a_tile, warp_m + 16 * i, k);
#pragma unroll
      for (int j = 0; j < kFragmentsN; j += 2) BTile::LoadB(b[j], b[j + 1], b_tile, k, warp_n + 8 * j);
#pragma unroll
      for (int i = 0; i < kFragmentsM; ++i) {
#pragma unroll
        for (int j = 0; j < kFragmentsN; ++j) MmaBf16(sums[i][j], a[i], b[j]);
      }
    }
  }

  __syncthreads();
  float* const staging = reinterpret_cast<float*>(b_tiles) + warp * kStagingFloats;
  ProductOutput out = args.out;
  if (args.split_stride > 0) out.c = static_cast<float*>(out.c) + blockIdx.z * args.split_stride;
  FinishWarpTile<kFragmentsM>(sums, staging, out, m_first + warp_m, n_first + warp_n);
}

constexpr int kSumThreads = 256;

// C from the parts of a cut sum, added in order; each thread finishes 16 bytes of C.
template <typename T>
KERNEL(kSumThreads)
SumPartsKernel(GemmParts parts, ProductOutput out) {
  const int groups = (out.n + kGroup<T> - 1) / kGroup<T>;
  const int64_t index = int64_t{blockIdx.x} * kSumThreads + threadIdx.x;
  if (index >= int64_t{groups} * out.m) return;
  const int row = static_cast<int>(index / groups), col = static_cast<int>(index % groups) * kGroup<T>;
  float sums[kGroup<T>] = {};
  for (int part = 0; part < parts.count; ++part) {
    const float* from = parts.sums + part * parts.stride + row * parts.ld + col;
#pragma unroll
    for (int i = 0; i < kGroup<T>; i += 4) {
      if (col + i >= out.n) break;  // a part's rows are whole groups of 4
      float values[4];
      product_output::LoadGroup(from + i, values);
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[i + e] += values[e];
    }
  }
  if (IsWholeGroup<T>(out, col)) {
    FinishGroup<T>(out, row, col, sums);
  } else {
#pragma unroll
    for (int i = 0; i < kGroup<T>; ++i) {
      if (col + i < out.n) FinishElement<T>(out, row, col + i, sums[i]);
    }
  }
}

// --- launches ---

int Int(int64_t value) {
  RLVR_CHECK(value >= 0 && value <= INT32_MAX, "a matrix product has a size of ", value);
  return static_cast<int>(value);
}

template <typename Shape, bool kAsync>
void LaunchTile(const char* name, cudaStream_t stream, const GemmCall& call, const GemmArguments& args, int splits) {
  const int64_t blocks = ((call.m + Shape::kM - 1) / Shape::kM) * ((call.n + Shape::kN - 1) / Shape::kN);
  const LaunchShape shape{dim3(static_cast<unsigned>(Int(blocks)), 1, static_cast<unsigned>(splits)),
                          dim3(Shape::kThreads),
                          SharedSize().Add<Bf16>(Shape::kAElements).template Add<Bf16>(Shape::kBElements).bytes()};
  auto* const kernel =
      call.a_transposed
          ? (call.b_transposed ? GemmKernel<Shape, false, true, kAsync> : GemmKernel<Shape, false, false, kAsync>)
          : (call.b_transposed ? GemmKernel<Shape, true, true, kAsync> : GemmKernel<Shape, true, false, kAsync>);
  Launch(name, kernel, shape, stream, args);
}

// Computes the parts, or C itself when the sum is not cut.
void LaunchProduct(cudaStream_t stream, const GemmCall& call, const GemmPlan& plan, const ProductOutput& out,
                   int64_t split_stride) {
  GemmArguments args;
  args.a = {call.a, call.lda, Int(call.m), IsAligned(call.a, call.lda, call.a_transposed ? call.m : call.k)};
  args.b = {call.b, call.ldb, Int(call.n), IsAligned(call.b, call.ldb, call.b_transposed ? call.k : call.n)};
  args.out = out;
  args.k = Int(call.k);
  args.k_per_split = Int(plan.k_per_split);
  args.split_stride = split_stride;
  if (!plan.aligned) {
    LaunchTile<Tile64x64, false>("gemm 64x64 any", stream, call, args, plan.splits);
    return;
  }
  switch (plan.tile) {
    case GemmTile::k128x128: LaunchTile<Tile128x128, true>("gemm 128x128", stream, call, args, plan.splits); return;
    case GemmTile::k64x64: LaunchTile<Tile64x64, true>("gemm 64x64", stream, call, args, plan.splits); return;
    case GemmTile::k32x128: LaunchTile<Tile32x128, true>("gemm 32x128", stream, call, args, plan.splits); return;
    case GemmTile::k64x32: LaunchTile<Tile64x32, true>("gemm 64x32", stream, call, args, plan.splits); return;
  }
}

GemmParts LaunchParts(cudaStream_t stream, const GemmCall& call, const GemmPlan& plan, const LinearScratch& scratch) {
  GemmParts parts;
  parts.sums = reinterpret_cast<const float*>(scratch.gemm.workspace);
  parts.count = plan.splits;
  parts.ld = PartialLd(call.n);
  parts.stride = call.m * parts.ld;
  RLVR_CHECK(static_cast<size_t>(parts.count * parts.stride) * sizeof(float) <= scratch.gemm.bytes,
             "the parts of a product of ", call.m, " x ", call.n, " do not fit their scratch");
  ProductOutput out;
  out.c = scratch.gemm.workspace;
  out.ld = parts.ld;
  out.m = Int(call.m);
  out.n = Int(call.n);
  out.is_f32 = true;
  out.aligned = true;
  LaunchProduct(stream, call, plan, out, parts.stride);
  return parts;
}

void SumParts(cudaStream_t stream, const GemmParts& parts, const ProductOutput& out) {
  const int64_t group = out.is_f32 ? kGroup<float> : kGroup<Bf16>;
  const int64_t threads = (out.n + group - 1) / group * out.m;
  const LaunchShape shape{dim3(static_cast<unsigned>(Int((threads + kSumThreads - 1) / kSumThreads))),
                          dim3(kSumThreads)};
  Launch("gemm sum", out.is_f32 ? SumPartsKernel<float> : SumPartsKernel<Bf16>, shape, stream, parts, out);
}

}  // namespace

ProductOutput OutputOf(const GemmCall& call) {
  const int64_t group = call.c_is_f32 ? kGroup<float> : kGroup<Bf16>;
  const bool aligned = reinterpret_cast<uintptr_t>(call.c) % 16 == 0 && call.ldc % group == 0 &&
                       reinterpret_cast<uintptr_t>(call.bias) % 16 == 0;
  return {call.c, call.ldc, Int(call.m), Int(call.n), call.alpha, call.bias, call.c_is_f32, call.accumulate, aligned};
}

GemmParts MultiplyInParts(cudaStream_t stream, const GemmCall& call, const LinearScratch& scratch) {
  return LaunchParts(stream, call, PlanGemm(call, scratch.gemm.bytes), scratch);
}

void Gemm(cudaStream_t stream, const GemmCall& call, const LinearScratch& scratch) {
  if (call.m == 0 || call.n == 0) return;
  if (MultiplyByLibrary(stream, call, scratch.gemm)) return;
  const GemmPlan plan = PlanGemm(call, scratch.gemm.bytes);
  const ProductOutput out = OutputOf(call);
  if (plan.splits == 1) {
    LaunchProduct(stream, call, plan, out, 0);
  } else {
    SumParts(stream, LaunchParts(stream, call, plan, scratch), out);
  }
}

}  // namespace rlvr::cuda
