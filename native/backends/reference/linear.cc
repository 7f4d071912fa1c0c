// y = x w^T + bias, and its gradients.
#include "backends/reference/reference_backend.h"

namespace rlvr {

void ReferenceBackend::Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == w.in && y.cols() == w.out);
  for (int64_t o = 0; o < w.out; ++o) {
    const std::vector<double> row = WeightRow(w, o);
    for (int64_t r = 0; r < x.rows(); ++r) {
      double sum = 0;
      for (int64_t i = 0; i < w.in; ++i) sum += x.At(r, i) * row[i];
      y.Set(r, o, bias.defined() ? sum + bias.At(0, o) : sum);
    }
  }
}

void ReferenceBackend::LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) {
  RLVR_CHECK(dy.rows() == dx.rows() && dx.cols() == w.in && dy.cols() == w.out);
  std::vector<std::vector<double>> sum(dx.rows(), std::vector<double>(w.in, 0.0));
  for (int64_t o = 0; o < w.out; ++o) {
    const std::vector<double> row = WeightRow(w, o);
    for (int64_t r = 0; r < dx.rows(); ++r) {
      for (int64_t i = 0; i < w.in; ++i) sum[r][i] += dy.At(r, o) * row[i];
    }
  }
  for (int64_t r = 0; r < dx.rows(); ++r) {
    for (int64_t i = 0; i < w.in; ++i) dx.Set(r, i, accumulate ? dx.At(r, i) + sum[r][i] : sum[r][i]);
  }
}

void ReferenceBackend::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  RLVR_CHECK(dy.rows() == x.rows() && dw.rows() == dy.cols() && dw.cols() == x.cols());
  for (int64_t o = 0; o < dw.rows(); ++o) {
    for (int64_t i = 0; i < dw.cols(); ++i) {
      double sum = 0;
      for (int64_t r = 0; r < x.rows(); ++r) sum += dy.At(r, o) * x.At(r, i);
      dw.Add(o, i, sum);
    }
  }
}

void ReferenceBackend::Transpose(const Tensor& from, const Tensor& to) {
  RLVR_CHECK(from.rows() == to.cols() && from.cols() == to.rows());
  for (int64_t r = 0; r < from.rows(); ++r) {
    for (int64_t c = 0; c < from.cols(); ++c) to.Set(c, r, from.At(r, c));
  }
}

void ReferenceBackend::SumRows(const Tensor& dy, const Tensor& db) {
  RLVR_CHECK(dy.cols() == db.cols());
  for (int64_t i = 0; i < dy.cols(); ++i) {
    double sum = 0;
    for (int64_t r = 0; r < dy.rows(); ++r) sum += dy.At(r, i);
    db.Add(0, i, sum);
  }
}

}  // namespace rlvr
