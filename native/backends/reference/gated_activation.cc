// y = act(gate) * up and its gradients.
#include <cmath>

#include "backends/reference/reference_backend.h"

namespace rlvr {

namespace {

constexpr double kSqrt2OverPi = 0.79788456080286535588;

struct ValueAndSlope {
  double value;
  double slope;
};

ValueAndSlope Activate(Activation act, double x) {
  if (act == Activation::kSilu) {  // x sigmoid(x)
    const double sigmoid = 1 / (1 + std::exp(-x));
    return {x * sigmoid, sigmoid + x * sigmoid * (1 - sigmoid)};
  }
  // gelu, tanh form: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  const double t = std::tanh(kSqrt2OverPi * (x + 0.044715 * x * x * x));
  return {0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kSqrt2OverPi * (1 + 3 * 0.044715 * x * x)};
}

}  // namespace

void ReferenceBackend::GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) {
  RLVR_CHECK(gate.rows() == y.rows() && up.rows() == y.rows() && gate.cols() == y.cols() && up.cols() == y.cols());
  for (int64_t r = 0; r < y.rows(); ++r) {
    for (int64_t i = 0; i < y.cols(); ++i) y.Set(r, i, Activate(act, gate.At(r, i)).value * up.At(r, i));
  }
}

void ReferenceBackend::GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                                               const Tensor& dgate, const Tensor& dup) {
  RLVR_CHECK(gate.rows() == dy.rows() && up.rows() == dy.rows() && gate.cols() == dy.cols() && up.cols() == dy.cols());
  for (int64_t r = 0; r < dy.rows(); ++r) {
    for (int64_t i = 0; i < dy.cols(); ++i) {
      const ValueAndSlope a = Activate(act, gate.At(r, i));
      const double u = up.At(r, i), g = dy.At(r, i);
      dgate.Set(r, i, g * u * a.slope);
      dup.Set(r, i, g * a.value);
    }
  }
}

}  // namespace rlvr
