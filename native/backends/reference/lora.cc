// The low-rank addition of a linear: u = x A^T, y += scale * u B^T (Hu et al. 2021), and its gradients.
#include "backends/reference/reference_backend.h"

namespace rlvr {

void ReferenceBackend::Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) {
  const int64_t rank = lora.a.rows(), in = lora.a.cols(), out = lora.b.rows();
  RLVR_CHECK(x.cols() == in && y.cols() == out && lora.b.cols() == rank && u.cols() == rank);
  RLVR_CHECK(x.rows() == u.rows() && x.rows() == y.rows());
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t k = 0; k < rank; ++k) {
      double sum = 0;
      for (int64_t i = 0; i < in; ++i) sum += x.At(r, i) * lora.a.At(k, i);
      u.Set(r, k, sum);
    }
    for (int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (int64_t k = 0; k < rank; ++k) sum += lora.scale * u.At(r, k) * lora.b.At(o, k);
      y.Add(r, o, sum);
    }
  }
}

void ReferenceBackend::LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                                    const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx) {
  const int64_t rows = x.rows(), rank = lora.a.rows(), in = lora.a.cols(), out = lora.b.rows();
  RLVR_CHECK(x.cols() == in && dy.cols() == out && u.cols() == rank && du.cols() == rank);
  RLVR_CHECK(u.rows() == rows && dy.rows() == rows && du.rows() == rows);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < rank; ++k) {
      double sum = 0;
      for (int64_t o = 0; o < out; ++o) sum += dy.At(r, o) * lora.b.At(o, k);
      du.Set(r, k, lora.scale * sum);
    }
  }
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t k = 0; k < rank; ++k) {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) sum += dy.At(r, o) * u.At(r, k);
      db.Add(o, k, lora.scale * sum);
    }
  }
  for (int64_t k = 0; k < rank; ++k) {
    for (int64_t i = 0; i < in; ++i) {
      double sum = 0;
      for (int64_t r = 0; r < rows; ++r) sum += du.At(r, k) * x.At(r, i);
      da.Add(k, i, sum);
    }
  }
  if (!dx.defined()) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < in; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < rank; ++k) sum += du.At(r, k) * lora.a.At(k, i);
      dx.Add(r, i, sum);
    }
  }
}

}  // namespace rlvr
