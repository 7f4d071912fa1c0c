// Rotary position embedding in place, NeoX order. A thread holds the angles of eight pairs and turns them in several
// heads: the F32 angles are as many bytes as the BF16 pairs of two heads, and are read once.
#include <algorithm>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

// This many threads keep enough reads under way; with fewer, heads go to threads of their own.
constexpr int64_t kEnoughThreads = 64 * 1024;

struct RopeShape {
  Extent parts;  // rows * parts of the heads, half
  int parts_per_row;
  int heads;
  int heads_per_part;
  int head_dim;
  float sign;
};

template <bool kWide>
KERNEL(kRunThreads)
RopeKernel(RowsView<Bf16> x, RowsView<const float> cos, RowsView<const float> sin, RopeShape shape) {
  const Run run = RunOfThread<kRun>(shape.parts);
  if (run.count == 0) return;
  const auto part = static_cast<uint32_t>(run.row), parts_per_row = static_cast<uint32_t>(shape.parts_per_row);
  const int64_t row = part / parts_per_row;
  const int first = static_cast<int>(part % parts_per_row) * shape.heads_per_part;
  const int last = Smaller(first + shape.heads_per_part, shape.heads);
  float c[kRun], s[kRun];
  LoadRun<kWide>(cos.At(row, run.col), run.count, c);
  LoadRun<kWide>(sin.At(row, run.col), run.count, s);
  for (int head = first; head < last; ++head) {
    Bf16* low = x.At(row, static_cast<int64_t>(head) * shape.head_dim + run.col);
    Bf16* high = low + shape.parts.cols;
    float a[kRun], b[kRun], turned[kRun];
    LoadRun<kWide>(static_cast<const Bf16*>(low), run.count, a);
    LoadRun<kWide>(static_cast<const Bf16*>(high), run.count, b);
#pragma unroll
    for (int i = 0; i < kRun; ++i) turned[i] = a[i] * c[i] - b[i] * (shape.sign * s[i]);
    StoreRun<kWide>(low, run.count, turned);
#pragma unroll
    for (int i = 0; i < kRun; ++i) turned[i] = b[i] * c[i] + a[i] * (shape.sign * s[i]);
    StoreRun<kWide>(high, run.count, turned);
  }
}

}  // namespace

void CudaBackend::Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                       bool inverse) {
  const int64_t half = cos.cols();
  RLVR_CHECK(x.cols() == heads * head_dim && cos.rows() == x.rows() && sin.rows() == x.rows() && sin.cols() == half);
  RLVR_CHECK(2 * half <= head_dim, "rotary width ", 2 * half, " of ", head_dim);
  if (x.empty() || half == 0) return;
  const int64_t threads_per_head = x.rows() * ((half + kRun - 1) / kRun);
  const int64_t heads_per_part = std::clamp<int64_t>(threads_per_head * heads / kEnoughThreads, 1, heads);
  const int64_t parts_per_row = (heads + heads_per_part - 1) / heads_per_part;
  const RopeShape shape = {{x.rows() * parts_per_row, half}, static_cast<int>(parts_per_row), static_cast<int>(heads),
                           static_cast<int>(heads_per_part), static_cast<int>(head_dim),      inverse ? -1.0f : 1.0f};
  const bool heads_aligned = heads == 1 || head_dim % kRun == 0;
  WithFlag(heads_aligned && RunsAligned<kRun>(Extent{x.rows(), half}, x, cos, sin), [&](auto wide) {
    Launch("Rope", RopeKernel<wide()>, RunShape<kRun>(shape.parts), stream(), View<Bf16>(x), View<const float>(cos),
           View<const float>(sin), shape);
  });
}

}  // namespace rlvr::cuda
