// One AdamW step over F32 parameters, their gradients and moments: 16 bytes read and 12 written an element, once.
#include <cmath>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/runs.cuh"

namespace rlvr::cuda {

namespace {

// Four F32 are one 16-byte access, so that neighbouring threads read neighbouring 16 bytes.
constexpr int kFloatRun = 4;

// The step's numbers as torch.optim.AdamW groups them, made in double.
struct AdamWFactors {
  float gradient_scale;
  float beta1, rest1;  // rest = 1 - beta
  float beta2, rest2;
  float decay;               // 1 - lr * weight_decay
  float step_size;           // lr / (1 - beta1^step)
  float inverse_correction;  // 1 / sqrt(1 - beta2^step)
  float eps;
};

AdamWFactors FactorsOf(const AdamWParams& params) {
  const double step = static_cast<double>(params.step);
  const double m_correction = 1 - std::pow(params.beta1, step), v_correction = 1 - std::pow(params.beta2, step);
  AdamWFactors f;
  f.gradient_scale = static_cast<float>(params.gradient_scale);
  f.beta1 = static_cast<float>(params.beta1), f.rest1 = static_cast<float>(1 - params.beta1);
  f.beta2 = static_cast<float>(params.beta2), f.rest2 = static_cast<float>(1 - params.beta2);
  f.decay = static_cast<float>(1 - params.learning_rate * params.weight_decay);
  f.step_size = static_cast<float>(params.learning_rate / m_correction);
  f.inverse_correction = static_cast<float>(1 / std::sqrt(v_correction));
  f.eps = static_cast<float>(params.eps);
  return f;
}

template <bool kWide>
KERNEL(kRunThreads)
AdamWKernel(AdamWFactors f, RowsView<float> p, RowsView<const float> g, RowsView<float> m, RowsView<float> v,
            Extent extent) {
  const Run run = RunOfThread<kFloatRun>(extent);
  if (run.count == 0) return;
  float parameter[kFloatRun], gradient[kFloatRun], mean[kFloatRun], square[kFloatRun];
  LoadRun<kWide>(static_cast<const float*>(p.At(run.row, run.col)), run.count, parameter);
  LoadRun<kWide>(g.At(run.row, run.col), run.count, gradient);
  LoadRun<kWide>(static_cast<const float*>(m.At(run.row, run.col)), run.count, mean);
  LoadRun<kWide>(static_cast<const float*>(v.At(run.row, run.col)), run.count, square);
#pragma unroll
  for (int i = 0; i < kFloatRun; ++i) {
    const float scaled = gradient[i] * f.gradient_scale;
    mean[i] = fmaf(f.rest1, scaled, f.beta1 * mean[i]);
    square[i] = fmaf(f.rest2 * scaled, scaled, f.beta2 * square[i]);
    const float root = fmaf(sqrtf(square[i]), f.inverse_correction, f.eps);
    parameter[i] = fmaf(-f.step_size, mean[i] / root, parameter[i] * f.decay);
  }
  StoreRun<kWide>(p.At(run.row, run.col), run.count, parameter);
  StoreRun<kWide>(m.At(run.row, run.col), run.count, mean);
  StoreRun<kWide>(v.At(run.row, run.col), run.count, square);
}

}  // namespace

void CudaBackend::AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) {
  RLVR_CHECK(params.step >= 1, "step ", params.step);
  if (p.empty()) return;
  const Extent extent = CommonExtent(p, g, m, v);
  WithFlag(RunsAligned<kFloatRun>(extent, p, g, m, v), [&](auto wide) {
    Launch("AdamW", AdamWKernel<wide()>, RunShape<kFloatRun>(extent), stream(), FactorsOf(params), View<float>(p),
           View<const float>(g), View<float>(m), View<float>(v), extent);
  });
}

}  // namespace rlvr::cuda
