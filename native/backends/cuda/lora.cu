// LoRA: u = x A^T, y += (scale u) B^T, and the gradients of both.
//   many rows  matrix products
//   few rows   two launches that read A and B once: parts of u by k over the whole card, then for 128 columns of y each
//              block adds the parts, in order, and multiplies by its rows of B
#include "backends/cuda/lora.h"

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "backends/cuda/gemm_parts.h"
#include "backends/cuda/gemm_plan.h"
#include "backends/cuda/gemm_tensors.h"
#include "backends/cuda/product_output.cuh"
#include "backends/cuda/tile.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kColumns = 128;  // of y in a block: 32 a warp
constexpr int kRows = static_cast<int>(kFewRows);
constexpr int kDepth = 64;  // of the rank at a time
using UTile = OperandTile<kRows, kDepth, true>;
using BTile = OperandTile<kColumns, kDepth, true>;
static_assert(kThreads / kWarpSize * kStagingFloats * sizeof(float) <= BTile::kElements * sizeof(Bf16));

struct LoraUpArguments {
  GemmParts parts;  // of u
  Bf16* u = nullptr;
  int64_t ldu = 0;
  int rank = 0;
  OperandSource b;
  ProductOutput out;
};

// Adds the parts of 4 columns of u, rounds them, and puts them into the tile; the first block of the grid also into u.
// Beyond the matrix they are zero.
DEVICE void GatherU(const LoraUpArguments& args, Bf16* tile, int row, int rank_first, int group) {
  const int col = rank_first + 4 * group;
  float sums[4] = {};
  if (row < args.out.m && col < args.rank) {
#pragma unroll 8
    for (int part = 0; part < args.parts.count; ++part) {
      float values[4];
      product_output::LoadGroup(args.parts.sums + part * args.parts.stride + row * args.parts.ld + col, values);
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[i] += values[i];
    }
  }
  Bf16 rounded[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const bool inside = row < args.out.m && col + i < args.rank;
    rounded[i] = inside ? ToBf16(sums[i]) : Bf16{0};
    if (inside && blockIdx.x == 0) StoreGlobal(args.u + row * args.ldu + col + i, rounded[i]);
  }
  Bf16* to = tile + UTile::Offset(row, group / 2) + group % 2 * 4;
#pragma unroll
  for (int i = 0; i < 4; ++i) to[i] = rounded[i];
}

KERNEL(kThreads) LoraUpKernel(LoraUpArguments args) {
  SharedCarver carver;
  Bf16* const u_tile = carver.Take<Bf16>(UTile::kElements);
  Bf16* const b_tile = carver.Take<Bf16>(BTile::kElements);
  const int warp = threadIdx.x / kWarpSize, n_first = blockIdx.x * kColumns;
  const int fragments = (args.out.m + kFragmentRows - 1) / kFragmentRows;

  float sums[kRows / kFragmentRows][kWarpColumns / 8][4] = {};
  for (int rank_first = 0; rank_first < args.rank; rank_first += kDepth) {
    if (rank_first > 0) __syncthreads();
    if (args.b.aligned) {
      BTile::CopyAsync<kThreads>(b_tile, args.b, n_first, rank_first, args.rank);
    } else {
      BTile::Copy<kThreads>(b_tile, args.b, n_first, rank_first, args.rank);
    }
    CpAsyncCommit();
    const int left = args.rank - rank_first, steps = ((left < kDepth ? left : kDepth) + 15) / 16;
    for (int i = threadIdx.x; i < fragments * kFragmentRows * steps * 4; i += kThreads) {
      GatherU(args, u_tile, i / (steps * 4), rank_first, i % (steps * 4));
    }
    CpAsyncWait<0>();
    __syncthreads();
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      uint32_t b[kWarpColumns / 8][2];
#pragma unroll
      for (int j = 0; j < kWarpColumns / 8; j += 2) {
        BTile::LoadB(b[j], b[j + 1], b_tile, 16 * step, warp * kWarpColumns + 8 * j);
      }
#pragma unroll
      for (int i = 0; i < kRows / kFragmentRows; ++i) {
        if (i >= fragments) break;
        uint32_t a[4];
        UTile::LoadA(a, u_tile, kFragmentRows * i, 16 * step);
#pragma unroll
        for (int j = 0; j < kWarpColumns / 8; ++j) MmaBf16(sums[i][j], a, b[j]);
      }
    }
  }
  __syncthreads();
  float* const staging = reinterpret_cast<float*>(b_tile) + warp * kStagingFloats;
  FinishWarpTile(sums, staging, args.out, 0, n_first + warp * kWarpColumns);
}

void FewRows(cudaStream_t stream, const GemmCall& down, const GemmCall& up, const Tensor& u,
             const LinearScratch& scratch) {
  LoraUpArguments args;
  args.parts = MultiplyInParts(stream, down, scratch);
  args.u = static_cast<Bf16*>(u.data());
  args.ldu = u.stride();
  args.rank = static_cast<int>(down.n);
  args.b = {up.b, up.ldb, static_cast<int>(up.n), IsAligned(up.b, up.ldb, up.k)};
  args.out = OutputOf(up);
  const LaunchShape shape{dim3(static_cast<unsigned>((up.n + kColumns - 1) / kColumns)), dim3(kThreads),
                          SharedSize().Add<Bf16>(UTile::kElements).Add<Bf16>(BTile::kElements).bytes()};
  Launch("lora up", LoraUpKernel, shape, stream, args);
}

}  // namespace

void LoraForward(cudaStream_t stream, const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y,
                 const LinearScratch& scratch) {
  if (x.rows() == 0) return;
  const GemmCall down = ProductOf(x, Layout::kAsIs, lora.a, Layout::kTransposed, u);
  GemmCall up = ProductOf(u, Layout::kAsIs, lora.b, Layout::kTransposed, y);
  up.alpha = static_cast<float>(lora.scale);
  up.accumulate = true;
  if (x.rows() <= kFewRows) {
    FewRows(stream, down, up, u, scratch);
  } else {
    Gemm(stream, down, scratch);
    Gemm(stream, up, scratch);
  }
}

void LoraGradients(cudaStream_t stream, const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                   const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx,
                   const LinearScratch& scratch) {
  GemmCall to_du = ProductOf(dy, Layout::kAsIs, lora.b, Layout::kAsIs, du);
  to_du.alpha = static_cast<float>(lora.scale);
  Gemm(stream, to_du, scratch);

  GemmCall to_db = ProductOf(dy, Layout::kTransposed, u, Layout::kAsIs, db);
  to_db.alpha = static_cast<float>(lora.scale);
  GemmCall to_da = ProductOf(du, Layout::kTransposed, x, Layout::kAsIs, da);
  for (GemmCall* sum_over_rows : {&to_db, &to_da}) {
    sum_over_rows->accumulate = true;
    sum_over_rows->may_split = true;
    Gemm(stream, *sum_over_rows, scratch);
  }

  if (!dx.defined()) return;
  GemmCall to_dx = ProductOf(du, Layout::kAsIs, lora.a, Layout::kAsIs, dx);
  to_dx.accumulate = true;
  Gemm(stream, to_dx, scratch);
}

void CudaBackend::Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) {
  LoraForward(stream_, x, lora, u, y, scratch_.linear);
}

void CudaBackend::LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                               const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx) {
  LoraGradients(stream_, x, u, dy, lora, du, da, db, dx, scratch_.linear);
}

}  // namespace rlvr::cuda
