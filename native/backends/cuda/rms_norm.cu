// RMS norm over rows and its gradients. A row belongs to a team of threads, a warp or a block by its width, that keeps
// it in registers: x and dy are read once and the result is written once. A team does several rows with one reading of
// the weights. The sum of squares is each thread's runs in order, then the fixed tree of WarpSum or BlockSum.
#include <algorithm>

#include "backends/cuda/column_sum.cuh"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/reduce.cuh"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

// Who computes a row: kTeam threads with kRuns runs each.
template <int team, int runs>
struct Tier {
  static constexpr int kTeam = team;
  static constexpr int kRuns = runs;
  static constexpr int kThreads = team > kWarpSize ? team : 4 * kWarpSize;  // of a block
  static constexpr int kTeams = kThreads / team;
  static constexpr int64_t kWidest = int64_t{team} * runs * kRun;
  static constexpr bool kHoldsGains = runs <= 4;  // six runs of x, dy and F32 gains do not fit in 128 registers
};

using WarpTier = Tier<kWarpSize, 1>;  // heads of 128 and 256
using SmallTier = Tier<128, 1>;
using ModelTier = Tier<256, 2>;  // model widths to 4096
using WideTier = Tier<256, 4>;
using WidestTier = Tier<512, 6>;

// A row's tier depends on its width alone, so that its bits do not depend on the batch.
template <typename F>
void WithTier(int64_t width, F&& f) {
  RLVR_CHECK(width <= WidestTier::kWidest, "rows of ", width, " elements; the widest are ", WidestTier::kWidest);
  if (width <= WarpTier::kWidest) return f(WarpTier());
  if (width <= SmallTier::kWidest) return f(SmallTier());
  if (width <= ModelTier::kWidest) return f(ModelTier());
  if (width <= WideTier::kWidest) return f(WideTier());
  return f(WidestTier());
}

struct NormShape {
  Extent extent;
  int64_t rows_per_team;
  float eps;
  float weight_offset;
};

// Eight blocks for each SM of a large card hide each other's waiting. Only beyond that do teams take several rows, up
// to sixteen: then the F32 weights are a sixteenth of the bytes of x and y. Between, they come from the L2 cache.
constexpr int64_t kEnoughBlocks = 1024, kMostRowsPerTeam = 16;

int64_t RowsPerTeam(int64_t rows, int64_t teams_per_block) {
  return std::clamp<int64_t>(rows / (kEnoughBlocks * teams_per_block), 1, kMostRowsPerTeam);
}

template <typename T>
LaunchShape ShapeOf(const NormShape& norm) {
  const int64_t rows_per_block = norm.rows_per_team * T::kTeams;
  const int64_t blocks = (norm.extent.rows + rows_per_block - 1) / rows_per_block;
  return {dim3(static_cast<unsigned>(blocks)), dim3(T::kThreads), SharedSize().Add<float>(kWarpSize).bytes()};
}

// --- pieces of the kernels ---

// The rows of this thread's team, and its place in the team.
template <typename T>
struct TeamRows {
  int64_t first, last;
  int member;
  DEVICE explicit TeamRows(const NormShape& norm) {
    const int64_t team = static_cast<int64_t>(blockIdx.x) * T::kTeams + threadIdx.x / T::kTeam;
    first = team * norm.rows_per_team;
    last = Smaller(first + norm.rows_per_team, norm.extent.rows);
    member = threadIdx.x % T::kTeam;
  }
  DEVICE int64_t Col(int run) const { return (static_cast<int64_t>(run) * T::kTeam + member) * kRun; }
};

template <typename T>
DEVICE float TeamSum(float value, float* partials) {
  if constexpr (T::kTeam == kWarpSize) {
    return WarpSum(value);
  } else {
    return BlockSum(value, partials);
  }
}

template <typename T, bool kWide>
DEVICE void LoadTeamRow(const Bf16* row, const TeamRows<T>& team, int64_t cols, Bf16Run (&runs)[T::kRuns]) {
#pragma unroll
  for (int j = 0; j < T::kRuns; ++j) {
    const int64_t col = team.Col(j);
    runs[j] = LoadBf16Run<kWide>(row + col, RunCount(col, cols, kRun));
  }
}

// weight + offset of the team's runs, read once for all rows where registers hold them. What is beyond the row
// multiplies zeros.
template <typename T, bool kWide>
class Gains {
 public:
  DEVICE Gains(const float* weight, const TeamRows<T>& team, const NormShape& norm)
      : weight_(weight), team_(team), norm_(norm) {
    if constexpr (T::kHoldsGains) {
#pragma unroll
      for (int j = 0; j < T::kRuns; ++j) Read(j, held_[j]);
    }
  }
  DEVICE void Get(int run, float (&gains)[kRun]) const {
    if constexpr (T::kHoldsGains) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) gains[i] = held_[run][i];
    } else {
      Read(run, gains);
    }
  }

 private:
  DEVICE void Read(int run, float (&gains)[kRun]) const {
    const int64_t col = team_.Col(run);
    LoadRun<kWide>(weight_ + col, RunCount(col, norm_.extent.cols, kRun), gains);
#pragma unroll
    for (int i = 0; i < kRun; ++i) gains[i] += norm_.weight_offset;
  }

  const float* weight_;
  const TeamRows<T>& team_;
  const NormShape& norm_;
  float held_[T::kHoldsGains ? T::kRuns : 1][kRun];
};

// 1 / sqrt(mean(x^2) + eps)
template <typename T>
DEVICE float RowScale(const Bf16Run (&x)[T::kRuns], const NormShape& norm, float* partials) {
  float sum = 0.0f;
#pragma unroll
  for (int j = 0; j < T::kRuns; ++j) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) sum = fmaf(x[j].At(i), x[j].At(i), sum);
  }
  return rsqrtf(TeamSum<T>(sum, partials) / static_cast<float>(norm.extent.cols) + norm.eps);
}

// --- kernels ---

template <typename T, bool kWide>
KERNEL(T::kThreads)
RmsNormKernel(RowsView<const Bf16> x, const float* weight, NormShape norm, RowsView<Bf16> y) {
  SharedCarver shared;
  float* partials = shared.Take<float>(kWarpSize);
  const TeamRows<T> team(norm);
  const Gains<T, kWide> gains(weight, team, norm);
  for (int64_t row = team.first; row < team.last; ++row) {
    Bf16Run from[T::kRuns];
    LoadTeamRow<T, kWide>(x.At(row, 0), team, norm.extent.cols, from);
    const float scale = RowScale<T>(from, norm, partials);
#pragma unroll
    for (int j = 0; j < T::kRuns; ++j) {
      const int64_t col = team.Col(j);
      float gain[kRun], to[kRun];
      gains.Get(j, gain);
#pragma unroll
      for (int i = 0; i < kRun; ++i) to[i] = from[j].At(i) * scale * gain[i];
      StoreRun<kWide>(y.At(row, col), RunCount(col, norm.extent.cols, kRun), to);
    }
  }
}

// With s the row's scale and g = dy (w + offset): dx = s (g - x s^2 mean(g x)). A thread writes only what it has read:
// dx may be dy.
template <typename T, bool kWide>
KERNEL(T::kThreads)
RmsNormBackwardKernel(RowsView<const Bf16> x, const float* weight, NormShape norm, RowsView<const Bf16> dy,
                      bool accumulate, RowsView<Bf16> dx) {
  SharedCarver shared;
  float* partials = shared.Take<float>(kWarpSize);
  const TeamRows<T> team(norm);
  const Gains<T, kWide> gains(weight, team, norm);
  for (int64_t row = team.first; row < team.last; ++row) {
    Bf16Run from[T::kRuns], grad[T::kRuns];
    LoadTeamRow<T, kWide>(x.At(row, 0), team, norm.extent.cols, from);
    LoadTeamRow<T, kWide>(dy.At(row, 0), team, norm.extent.cols, grad);
    const float scale = RowScale<T>(from, norm, partials);
    float dot = 0.0f;
#pragma unroll
    for (int j = 0; j < T::kRuns; ++j) {
      float gain[kRun];
      gains.Get(j, gain);
#pragma unroll
      for (int i = 0; i < kRun; ++i) dot = fmaf(grad[j].At(i) * gain[i], from[j].At(i), dot);
    }
    const float pull = -scale * scale * TeamSum<T>(dot, partials) / static_cast<float>(norm.extent.cols);
#pragma unroll
    for (int j = 0; j < T::kRuns; ++j) {
      const int64_t col = team.Col(j);
      const int count = RunCount(col, norm.extent.cols, kRun);
      float gain[kRun], before[kRun] = {}, to[kRun];
      gains.Get(j, gain);
      if (accumulate) LoadRun<kWide>(static_cast<const Bf16*>(dx.At(row, col)), count, before);
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        to[i] = fmaf(scale, fmaf(pull, from[j].At(i), grad[j].At(i) * gain[i]), before[i]);
      }
      StoreRun<kWide>(dx.At(row, col), count, to);
    }
  }
}

template <typename T, bool kWide>
KERNEL(T::kThreads)
RowScalesKernel(RowsView<const Bf16> x, NormShape norm, float* scales) {
  SharedCarver shared;
  float* partials = shared.Take<float>(kWarpSize);
  const TeamRows<T> team(norm);
  for (int64_t row = team.first; row < team.last; ++row) {
    Bf16Run from[T::kRuns];
    LoadTeamRow<T, kWide>(x.At(row, 0), team, norm.extent.cols, from);
    const float scale = RowScale<T>(from, norm, partials);
    if (team.member == 0) StoreGlobal(scales + row, scale);
  }
}

// dweight += sum over rows of dy x scale.
struct WeightGradTerm {
  RowsView<const Bf16> x, dy;
  const float* scales;
  template <bool kPaired>
  DEVICE float2 At(int64_t row, int64_t col, int count) const {
    const float2 a = LoadPair<kPaired>(x.At(row, col), count), b = LoadPair<kPaired>(dy.At(row, col), count);
    const float scale = LoadGlobal(scales + row);
    return make_float2(a.x * scale * b.x, a.y * scale * b.y);
  }
};

}  // namespace

void CudaBackend::RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == y.cols() && weight.cols() == x.cols());
  if (x.empty()) return;
  WithTier(x.cols(), [&](auto tier) {
    using T = decltype(tier);
    const NormShape norm = {{x.rows(), x.cols()},
                            RowsPerTeam(x.rows(), T::kTeams),
                            static_cast<float>(eps),
                            static_cast<float>(weight_offset)};
    WithFlag(RunsAligned<kRun>(norm.extent, x, weight, y), [&](auto wide) {
      Launch("RmsNorm", RmsNormKernel<T, wide()>, ShapeOf<T>(norm), stream(), View<const Bf16>(x), weight.F32(), norm,
             View<Bf16>(y));
    });
  });
}

void CudaBackend::RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                                  const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) {
  RLVR_CHECK(x.rows() == dy.rows() && x.cols() == dy.cols() && weight.cols() == x.cols());
  RLVR_CHECK(x.rows() == dx.rows() && x.cols() == dx.cols());
  if (x.empty()) return;
  WithTier(x.cols(), [&](auto tier) {
    using T = decltype(tier);
    const NormShape norm = {{x.rows(), x.cols()},
                            RowsPerTeam(x.rows(), T::kTeams),
                            static_cast<float>(eps),
                            static_cast<float>(weight_offset)};
    WithFlag(RunsAligned<kRun>(norm.extent, x, weight, dy, dx), [&](auto wide) {
      if (dweight.defined()) {  // before dx, which may take the place of dy
        float* scales = scratch().reduce.row_scales;
        RLVR_CHECK(x.rows() <= scratch().reduce.max_rows, x.rows(), " rows, reserved for ", scratch().reduce.max_rows);
        Launch("RmsNormScales", RowScalesKernel<T, wide()>, ShapeOf<T>(norm), stream(), View<const Bf16>(x), norm,
               scales);
        AddColumnSums("RmsNormWeightGrad", WeightGradTerm{View<const Bf16>(x), View<const Bf16>(dy), scales},
                      norm.extent, PairsAligned(norm.extent, x, dy), dweight, stream());
      }
      Launch("RmsNormBackward", RmsNormBackwardKernel<T, wide()>, ShapeOf<T>(norm), stream(), View<const Bf16>(x),
             weight.F32(), norm, View<const Bf16>(dy), accumulate, View<Bf16>(dx));
    });
  });
}

}  // namespace rlvr::cuda
