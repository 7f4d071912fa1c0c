// Root-mean-square norm (Zhang and Sennrich 2019) and its gradients.
#include <cmath>

#include "backends/reference/reference_backend.h"

namespace rlvr {

namespace {

// 1 / sqrt(mean(x[r, :]^2) + eps)
double Scale(const Tensor& x, int64_t r, double eps) {
  double sum = 0;
  for (int64_t i = 0; i < x.cols(); ++i) sum += x.At(r, i) * x.At(r, i);
  return 1 / std::sqrt(sum / static_cast<double>(x.cols()) + eps);
}

}  // namespace

void ReferenceBackend::RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                               const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == y.cols() && weight.cols() == x.cols());
  for (int64_t r = 0; r < x.rows(); ++r) {
    const double scale = Scale(x, r, eps);
    for (int64_t i = 0; i < x.cols(); ++i) y.Set(r, i, x.At(r, i) * scale * (weight.At(0, i) + weight_offset));
  }
}

// With s the scale, n the width and g_i = dy_i (w_i + offset):  dx_i = s g_i - x_i s^3 / n sum_j g_j x_j.
void ReferenceBackend::RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                                       const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) {
  RLVR_CHECK(x.rows() == dy.rows() && x.cols() == dy.cols() && weight.cols() == x.cols());
  RLVR_CHECK(x.rows() == dx.rows() && x.cols() == dx.cols());
  if (dweight.defined()) {
    std::vector<double> sum(x.cols(), 0.0);
    for (int64_t r = 0; r < x.rows(); ++r) {
      const double scale = Scale(x, r, eps);
      for (int64_t i = 0; i < x.cols(); ++i) sum[i] += dy.At(r, i) * x.At(r, i) * scale;
    }
    for (int64_t i = 0; i < x.cols(); ++i) dweight.Add(0, i, sum[i]);
  }
  for (int64_t r = 0; r < x.rows(); ++r) {
    const double scale = Scale(x, r, eps);
    double dot = 0;
    for (int64_t i = 0; i < x.cols(); ++i) dot += dy.At(r, i) * (weight.At(0, i) + weight_offset) * x.At(r, i);
    for (int64_t i = 0; i < x.cols(); ++i) {
      const double g = dy.At(r, i) * (weight.At(0, i) + weight_offset);
      const double gradient = scale * g - x.At(r, i) * scale * scale * scale / static_cast<double>(x.cols()) * dot;
      dx.Set(r, i, accumulate ? dx.At(r, i) + gradient : gradient);
    }
  }
}

}  // namespace rlvr
