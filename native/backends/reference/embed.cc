// Rows of the embedding matrix.
#include "backends/reference/reference_backend.h"

namespace rlvr {

void ReferenceBackend::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  RLVR_CHECK(ids.cols() == y.rows() && y.cols() == w.in);
  for (int64_t r = 0; r < y.rows(); ++r) {
    const std::vector<double> row = WeightRow(w, static_cast<int64_t>(ids.At(0, r)));
    for (int64_t i = 0; i < y.cols(); ++i) y.Set(r, i, scale * row[i]);
  }
}

void ReferenceBackend::EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) {
  RLVR_CHECK(ids.cols() == dy.rows() && dy.cols() == dw.cols());
  for (int64_t r = 0; r < dy.rows(); ++r) {
    const auto id = static_cast<int64_t>(ids.At(0, r));
    for (int64_t i = 0; i < dy.cols(); ++i) dw.Add(id, i, scale * dy.At(r, i));
  }
}

}  // namespace rlvr
