// y = act(gate) * up and its gradients, one thread a run. Both activations are x sigmoid(z): z = x for silu and
// sqrt(8 / pi) (x + 0.044715 x^3) for the tanh form of gelu, because 1 + tanh(u) = 2 sigmoid(2 u).
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

constexpr float kSqrt8OverPi = 1.5957691216057308f;

struct Silu {
  DEVICE static float Argument(float x) { return x; }
  DEVICE static float Slope(float) { return 1.0f; }
};

struct GeluTanh {
  DEVICE static float Argument(float x) { return kSqrt8OverPi * fmaf(0.044715f * x * x, x, x); }
  DEVICE static float Slope(float x) { return kSqrt8OverPi * fmaf(3 * 0.044715f * x, x, 1.0f); }
};

// expf of a large number is infinite and the sigmoid 0, as it should be.
DEVICE float Sigmoid(float z) { return 1.0f / (1.0f + expf(-z)); }

template <typename Act, bool kWide>
KERNEL(kRunThreads)
GatedKernel(RowsView<const Bf16> gate, RowsView<const Bf16> up, RowsView<Bf16> y, Extent extent) {
  const Run run = RunOfThread<kRun>(extent);
  if (run.count == 0) return;
  float g[kRun], u[kRun];
  LoadRun<kWide>(gate.At(run.row, run.col), run.count, g);
  LoadRun<kWide>(up.At(run.row, run.col), run.count, u);
#pragma unroll
  for (int i = 0; i < kRun; ++i) u[i] *= g[i] * Sigmoid(Act::Argument(g[i]));
  StoreRun<kWide>(y.At(run.row, run.col), run.count, u);
}

// A thread reads all that it needs before it writes: dgate may be gate, and dup may be up.
template <typename Act, bool kWide>
KERNEL(kRunThreads)
GatedBackwardKernel(RowsView<const Bf16> gate, RowsView<const Bf16> up, RowsView<const Bf16> dy, RowsView<Bf16> dgate,
                    RowsView<Bf16> dup, Extent extent) {
  const Run run = RunOfThread<kRun>(extent);
  if (run.count == 0) return;
  float g[kRun], u[kRun], d[kRun];
  LoadRun<kWide>(gate.At(run.row, run.col), run.count, g);
  LoadRun<kWide>(up.At(run.row, run.col), run.count, u);
  LoadRun<kWide>(dy.At(run.row, run.col), run.count, d);
#pragma unroll
  for (int i = 0; i < kRun; ++i) {
    const float s = Sigmoid(Act::Argument(g[i])), value = g[i] * s;
    const float slope = fmaf(value * (1.0f - s), Act::Slope(g[i]), s);  // of x sigmoid(z(x))
    g[i] = d[i] * u[i] * slope;
    u[i] = d[i] * value;
  }
  StoreRun<kWide>(dgate.At(run.row, run.col), run.count, g);
  StoreRun<kWide>(dup.At(run.row, run.col), run.count, u);
}

template <typename F>
void WithActivation(Activation act, F&& f) {
  act == Activation::kSilu ? f(Silu()) : f(GeluTanh());
}

}  // namespace

void CudaBackend::GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) {
  if (y.empty()) return;
  const Extent extent = CommonExtent(gate, up, y);
  WithActivation(act, [&](auto kind) {
    using Act = decltype(kind);
    WithFlag(RunsAligned<kRun>(extent, gate, up, y), [&](auto wide) {
      Launch("GatedActivation", GatedKernel<Act, wide()>, RunShape<kRun>(extent), stream(), View<const Bf16>(gate),
             View<const Bf16>(up), View<Bf16>(y), extent);
    });
  });
}

void CudaBackend::GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                                          const Tensor& dgate, const Tensor& dup) {
  if (dy.empty()) return;
  const Extent extent = CommonExtent(gate, up, dy, dgate, dup);
  WithActivation(act, [&](auto kind) {
    using Act = decltype(kind);
    WithFlag(RunsAligned<kRun>(extent, gate, up, dy, dgate, dup), [&](auto wide) {
      Launch("GatedActivationBackward", GatedBackwardKernel<Act, wide()>, RunShape<kRun>(extent), stream(),
             View<const Bf16>(gate), View<const Bf16>(up), View<const Bf16>(dy), View<Bf16>(dgate), View<Bf16>(dup),
             extent);
    });
  });
}

}  // namespace rlvr::cuda
