// dw += dy^T x, a matrix product whose sum runs over the rows of the batch.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/gemm_tensors.h"

namespace rlvr::cuda {

void CudaBackend::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  GemmCall call = ProductOf(dy, Layout::kTransposed, x, Layout::kAsIs, dw);
  call.accumulate = true;
  call.may_split = true;
  Gemm(stream_, call, scratch_.linear);
}

}  // namespace rlvr::cuda
