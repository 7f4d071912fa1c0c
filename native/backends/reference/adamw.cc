// AdamW (Loshchilov and Hutter 2019) and the norm that gradient clipping needs.
#include <cmath>

#include "backends/reference/reference_backend.h"

namespace rlvr {

double ReferenceBackend::SumSquares(const Tensor& x) {
  double sum = 0;
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t i = 0; i < x.cols(); ++i) sum += x.At(r, i) * x.At(r, i);
  }
  return sum;
}

void ReferenceBackend::AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m,
                             const Tensor& v) {
  RLVR_CHECK(p.rows() == g.rows() && p.cols() == g.cols() && m.rows() == p.rows() && v.rows() == p.rows());
  RLVR_CHECK(m.cols() == p.cols() && v.cols() == p.cols() && params.step >= 1);
  const double m_correction = 1 - std::pow(params.beta1, static_cast<double>(params.step));
  const double v_correction = 1 - std::pow(params.beta2, static_cast<double>(params.step));
  for (int64_t r = 0; r < p.rows(); ++r) {
    for (int64_t i = 0; i < p.cols(); ++i) {
      const double gradient = g.At(r, i) * params.gradient_scale;
      m.Set(r, i, params.beta1 * m.At(r, i) + (1 - params.beta1) * gradient);
      v.Set(r, i, params.beta2 * v.At(r, i) + (1 - params.beta2) * gradient * gradient);
      const double m_hat = m.At(r, i) / m_correction, v_hat = v.At(r, i) / v_correction;
      const double decayed = p.At(r, i) * (1 - params.learning_rate * params.weight_decay);
      p.Set(r, i, decayed - params.learning_rate * m_hat / (std::sqrt(v_hat) + params.eps));
    }
  }
}

}  // namespace rlvr
