// Sums, copies and row gathers.
#include "backends/reference/reference_backend.h"

namespace rlvr {

void ReferenceBackend::Add(const Tensor& x, const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == y.cols());
  for (int64_t r = 0; r < y.rows(); ++r) {
    for (int64_t i = 0; i < y.cols(); ++i) y.Add(r, i, x.At(r, i));
  }
}

void ReferenceBackend::Copy(const Tensor& x, const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == y.cols());
  for (int64_t r = 0; r < y.rows(); ++r) {
    for (int64_t i = 0; i < y.cols(); ++i) y.Set(r, i, x.At(r, i));
  }
}

void ReferenceBackend::Zero(const Tensor& y) {
  for (int64_t r = 0; r < y.rows(); ++r) {
    for (int64_t i = 0; i < y.cols(); ++i) y.Set(r, i, 0);
  }
}

void ReferenceBackend::GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) {
  RLVR_CHECK(rows.cols() == y.rows() && x.cols() == y.cols());
  for (int64_t r = 0; r < y.rows(); ++r) {
    const auto from = static_cast<int64_t>(rows.At(0, r));
    RLVR_CHECK(from >= 0 && from < x.rows(), "row ", from, " of ", x.rows());
    for (int64_t i = 0; i < y.cols(); ++i) y.Set(r, i, x.At(from, i));
  }
}

void ReferenceBackend::GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
  RLVR_CHECK(rows.cols() == dy.rows() && dx.cols() == dy.cols());
  for (int64_t r = 0; r < dy.rows(); ++r) {
    const auto to = static_cast<int64_t>(rows.At(0, r));
    RLVR_CHECK(to >= 0 && to < dx.rows(), "row ", to, " of ", dx.rows());
    for (int64_t i = 0; i < dy.cols(); ++i) dx.Add(to, i, dy.At(r, i));
  }
}

}  // namespace rlvr
