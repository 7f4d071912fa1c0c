#include "backends/cuda/linear_outputs.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 128;

// A thread takes four outputs of a row: blockIdx.y.
KERNEL(kThreads)
SumPartsKernel(LinearOutputs outputs, int splits) {
  const int64_t row = blockIdx.y, first = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * 4;
  if (first >= outputs.out) return;
  float4 sum = make_float4(0, 0, 0, 0);
  for (int split = 0; split < splits; ++split) {
    const float* part = outputs.parts + (split * outputs.rows + row) * outputs.parts_stride + first;
    const float4 four = LoadGlobal(reinterpret_cast<const float4*>(part));
    sum = make_float4(sum.x + four.x, sum.y + four.y, sum.z + four.z, sum.w + four.w);
  }
  StoreFour(outputs, row, first, sum);
}

}  // namespace

void SumParts(cudaStream_t stream, const LinearOutputs& outputs, int64_t splits) {
  if (splits <= 1) return;
  const int64_t fours = (outputs.out + 3) / 4;
  const dim3 grid(static_cast<unsigned>((fours + kThreads - 1) / kThreads), static_cast<unsigned>(outputs.rows));
  Launch("linear_sum_parts", SumPartsKernel, {grid, dim3(kThreads)}, stream, outputs, static_cast<int>(splits));
}

}  // namespace rlvr::cuda
