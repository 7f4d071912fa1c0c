// Packed weights: from a checkpoint on the host (weight_packer.h), or from a trained matrix on the device.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "backends/cuda/frozen_linear.h"
#include "backends/cuda/weight_packer.h"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 256;

// A thread rounds one element; blockIdx.y is the row.
KERNEL(kThreads)
PackMasterKernel(const float* master, int64_t master_stride, int64_t in, Bf16* codes, int64_t codes_stride) {
  const int64_t row = blockIdx.y, i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i >= in) return;
  StoreGlobal(codes + row * codes_stride + i, ToBf16(LoadGlobal(master + row * master_stride + i)));
}

// Rows of one launch; a grid has no more in y.
constexpr int64_t kMostRows = 65535;

void Begin(DType dtype, int64_t out, int64_t in, PackedWeight& w) {
  RLVR_CHECK(w.data != nullptr && w.bytes == PackedBytes(dtype, out, in), "packed weight of ", w.bytes, " bytes");
  w.dtype = dtype;
  w.out = out;
  w.in = in;
}

}  // namespace

void PackWeight(DeviceMemory& memory, const WeightSource& source, PackedWeight& w) {
  Begin(source.dtype, source.out, source.in, w);
  RepackWeight(source,
               [&](const void* from, size_t offset, size_t bytes) { memory.Upload(from, w.data + offset, bytes); });
}

void PackMasterWeight(cudaStream_t stream, const Tensor& master, PackedWeight& w) {
  Begin(DType::kBF16, master.rows(), master.cols(), w);
  const int64_t stride = LayoutOf(DType::kBF16, w.out, w.in).codes.row_bytes / sizeof(Bf16);
  for (int64_t first = 0; first < w.out; first += kMostRows) {
    const dim3 grid(static_cast<unsigned>((w.in + kThreads - 1) / kThreads),
                    static_cast<unsigned>(std::min(kMostRows, w.out - first)));
    Launch("pack_master", PackMasterKernel, {grid, dim3(kThreads)}, stream, master.F32(first), master.stride(), w.in,
           reinterpret_cast<Bf16*>(w.data) + first * stride, stride);
  }
}

size_t CudaBackend::PackedBytes(DType dtype, int64_t out, int64_t in) const {
  return cuda::PackedBytes(dtype, out, in);
}

void CudaBackend::Pack(const WeightSource& source, PackedWeight& w) { PackWeight(*memory_, source, w); }

void CudaBackend::PackMaster(const Tensor& master, PackedWeight& w) { PackMasterWeight(stream_, master, w); }

}  // namespace rlvr::cuda
