// Rotary position embedding (Su et al. 2021), NeoX order.
#include "backends/reference/reference_backend.h"

namespace rlvr {

void ReferenceBackend::Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                            bool inverse) {
  const int64_t half = cos.cols();
  RLVR_CHECK(x.cols() == heads * head_dim && cos.rows() == x.rows() && sin.rows() == x.rows() && sin.cols() == half);
  RLVR_CHECK(2 * half <= head_dim, "rotary width ", 2 * half, " of ", head_dim);
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = h * head_dim + i, second = first + half;
        const double a = x.At(r, first), b = x.At(r, second);
        const double c = cos.At(r, i), s = inverse ? -sin.At(r, i) : sin.At(r, i);
        x.Set(r, first, a * c - b * s);
        x.Set(r, second, b * c + a * s);
      }
    }
  }
}

}  // namespace rlvr
