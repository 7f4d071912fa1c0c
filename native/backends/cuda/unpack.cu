// Rows of a packed weight as BF16: a whole matrix or a slice of one for the dense products, single rows for Embed.
#include "backends/cuda/frozen_linear.h"
#include "backends/cuda/stored_weights.cuh"

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kLoadsPerThread = 4;  // the tables of NF4 are filled once for all of them

struct UnpackCall {
  WeightView weight;
  const int32_t* ids;  // null: row r itself
  float scale;
  int64_t rows;
  Bf16* to;
  int64_t to_stride;
  bool to_is_aligned;
};

DEVICE void StoreOctet(const UnpackCall& call, int64_t row, int64_t k, const float (&values)[kOctet]) {
  Bf16* to = call.to + row * call.to_stride + k;
  if (call.to_is_aligned && k + kOctet <= call.weight.in) {
    StoreGlobal(reinterpret_cast<uint4*>(to),
                make_uint4(PackBf16(values[0], values[1]), PackBf16(values[2], values[3]),
                           PackBf16(values[4], values[5]), PackBf16(values[6], values[7])));
    return;
  }
#pragma unroll
  for (int i = 0; i < kOctet; ++i) {
    if (k + i < call.weight.in) StoreGlobal(to + i, ToBf16(values[i]));
  }
}

// A thread takes 16 bytes of codes of a row at a time; blocks walk the loads of all rows.
template <typename W>
KERNEL(kThreads)
UnpackKernel(UnpackCall call) {
  SharedCarver carver;
  typename W::Tables tables(carver);
  tables.Fill(call.weight);
  __syncthreads();
  constexpr int kWeights = W::kOctets * kOctet;
  const auto row_loads = static_cast<uint32_t>((call.weight.in + kWeights - 1) / kWeights);
  for (int i = 0; i < kLoadsPerThread; ++i) {
    const uint32_t load = (blockIdx.x * kLoadsPerThread + i) * kThreads + threadIdx.x;
    const int64_t row = load / row_loads;
    if (row >= call.rows) return;
    const int k = static_cast<int>(load % row_loads) * kWeights;
    const auto from = W::Open(call.weight, call.ids ? LoadGlobal(call.ids + row) : row);
    const typename W::Packed packed = W::Load(call.weight, from, k);
    const typename W::Factors factors = W::Prepare(packed, tables);
#pragma unroll
    for (int octet = 0; octet < W::kOctets; ++octet) {
      float values[kOctet];
      W::Decode(packed, factors, tables, octet, values);
#pragma unroll
      for (int j = 0; j < kOctet; ++j) values[j] *= call.scale;
      StoreOctet(call, row, k + octet * kOctet, values);
    }
  }
}

template <typename W>
void Run(cudaStream_t stream, const UnpackCall& call) {
  constexpr int64_t kWeights = W::kOctets * kOctet;
  const int64_t loads = call.rows * ((call.weight.in + kWeights - 1) / kWeights);
  RLVR_CHECK(loads < int64_t{1} << 31, loads, " loads in one launch");
  const int64_t block_loads = int64_t{kThreads} * kLoadsPerThread;
  SharedSize shared;
  W::Tables::AddTo(shared);
  const dim3 grid(static_cast<unsigned>((loads + block_loads - 1) / block_loads));
  Launch("unpack", UnpackKernel<W>, {grid, dim3(kThreads), shared.bytes()}, stream, call);
}

}  // namespace

void UnpackRows(cudaStream_t stream, DType dtype, const WeightView& w, const int32_t* ids, float scale, int64_t rows,
                Bf16* to, int64_t to_stride) {
  const bool is_aligned = to_stride % kOctet == 0 && reinterpret_cast<uintptr_t>(to) % sizeof(uint4) == 0;
  const UnpackCall call = {w, ids, scale, rows, to, to_stride, is_aligned};
  VisitStoredWeight(dtype, [&](auto stored) { Run<decltype(stored)>(stream, call); });
}

}  // namespace rlvr::cuda
