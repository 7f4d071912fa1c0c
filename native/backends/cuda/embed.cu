// Embed: rows of the packed embedding, scaled. The gather is UnpackRows() with ids.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "backends/cuda/frozen_linear.h"

namespace rlvr::cuda {

void CudaBackend::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  UnpackRows(stream_, w.dtype, ViewOf(w), ids.I32(), static_cast<float>(scale), y.rows(), static_cast<Bf16*>(y.data()),
             y.stride());
}

}  // namespace rlvr::cuda
