// Linear layers on packed weights: their kernels, and the choice among them (linear.cu).
#pragma once

#include "backends/cuda/linear_scratch.h"
#include "backends/cuda/runtime.h"
#include "backends/cuda/linear_split.h"
#include "backends/cuda/weight_view.h"

namespace rlvr::cuda {

struct Bf16;

// y = x w^T + bias.
struct FrozenLinear {
  DType dtype = DType::kBF16;  // as stored
  WeightView weight;
  const Bf16* x = nullptr;  // [rows, in]
  int64_t x_stride = 0;     // elements
  int64_t rows = 0;
  const float* bias = nullptr;  // [out] or null
  void* y = nullptr;            // [rows, out], BF16, or F32 with y_is_f32
  int64_t y_stride = 0;
  bool y_is_f32 = false;
};

// At most kGemvRows rows: dots on the ordinary cores.
void Gemv(cudaStream_t stream, const FrozenLinear& call, const LinearScratch& scratch);
// At most kFewLinearRows rows: tensor cores, each weight read once for all rows.
void FewRowsLinear(cudaStream_t stream, const FrozenLinear& call, const LinearScratch& scratch);

// to[r, :] = scale * row (ids ? ids[r] : r) of w, rounded once to BF16. to: [rows, w.in].
void UnpackRows(cudaStream_t stream, DType dtype, const WeightView& w, const int32_t* ids, float scale, int64_t rows,
                Bf16* to, int64_t to_stride);

// The ops behind CudaBackend's members of the same meaning (cuda_backend.h): y = x w[first : first + count, :]^T +
// bias, and dx (+)= dy w[first : first + count, :].
void LinearRows(cudaStream_t stream, const LinearScratch& scratch, const Tensor& x, const PackedWeight& w,
                int64_t first, int64_t count, const Tensor& bias, const Tensor& y);
void LinearRowsInputGrad(cudaStream_t stream, const LinearScratch& scratch, const Tensor& dy, const PackedWeight& w,
                         int64_t first, int64_t count, bool accumulate, const Tensor& dx);

// Fills w.data (w.bytes from PackedBytes) and w's fields.
void PackWeight(DeviceMemory& memory, const WeightSource& source, PackedWeight& w);
// The same from an F32 matrix of the device; w becomes BF16.
void PackMasterWeight(cudaStream_t stream, const Tensor& master, PackedWeight& w);

}  // namespace rlvr::cuda
