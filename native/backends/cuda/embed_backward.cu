// The gradient of the embedding: each token's row of dw receives its rows of dy in order.
#include "backends/cuda/scatter_rows.h"

namespace rlvr::cuda {

void CudaBackend::EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) {
  RLVR_CHECK(dw.dtype() == DType::kF32, "the gradient of the embedding is ", Info(dw.dtype()).name);
  ScatterAddRows("EmbedBackward", *this, dy, ids, static_cast<float>(scale), dw);
}

}  // namespace rlvr::cuda
