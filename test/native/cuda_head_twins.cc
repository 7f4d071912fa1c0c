// Stand-ins for the members of CudaBackend that the head needs and that are not written yet: plain kernels, a thread an
// output element. Weak, so that the members themselves take their place.
#include <memory>
#include <vector>

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "quant/codec.h"

#define STAND_IN __attribute__((weak))

namespace rlvr::cuda {

namespace {

constexpr int kThreads = 64;

// Any plain matrix of the device.
struct Matrix {
  explicit Matrix(const Tensor& t)
      : data(static_cast<char*>(t.data())),
        stride(t.stride()),
        rows(static_cast<int>(t.rows())),
        cols(static_cast<int>(t.cols())),
        is_f32(t.dtype() == DType::kF32) {}
  char* data;
  int64_t stride;
  int rows, cols;
  bool is_f32;
};

DEVICE float Get(const Matrix& m, int row, int col) {
  const int64_t i = row * m.stride + col;
  if (m.is_f32) return LoadGlobal(reinterpret_cast<const float*>(m.data) + i);
  return ToFloat(LoadGlobal(reinterpret_cast<const Bf16*>(m.data) + i));
}

DEVICE void Put(const Matrix& m, int row, int col, float value) {
  const int64_t i = row * m.stride + col;
  if (m.is_f32) {
    StoreGlobal(reinterpret_cast<float*>(m.data) + i, value);
  } else {
    StoreGlobal(reinterpret_cast<Bf16*>(m.data) + i, ToBf16(value));
  }
}

// y (+)= sum over i < inner of a b; a is [rows, inner], or with from_columns its transpose; b [cols, inner], or the
// same.
KERNEL(kThreads) Multiply(Matrix a, bool a_columns, Matrix b, bool b_columns, int inner, bool accumulate, Matrix y) {
  const int row = blockIdx.y, col = blockIdx.x * kThreads + threadIdx.x;
  if (col >= y.cols) return;
  float sum = accumulate ? Get(y, row, col) : 0;
  for (int i = 0; i < inner; ++i) {
    sum += (a_columns ? Get(a, i, row) : Get(a, row, i)) * (b_columns ? Get(b, i, col) : Get(b, col, i));
  }
  Put(y, row, col, sum);
}

KERNEL(kThreads) Gather(const int32_t* ids, Matrix from, Matrix to) {
  const int row = blockIdx.y, col = blockIdx.x * kThreads + threadIdx.x;
  if (col < to.cols) Put(to, row, col, Get(from, LoadGlobal(ids + row), col));
}

dim3 GridOf(const Tensor& y) {
  return dim3(static_cast<unsigned>((y.cols() + kThreads - 1) / kThreads), static_cast<unsigned>(y.rows()));
}

Tensor RowsOf(const PackedWeight& w, int64_t first, int64_t count) {
  return Tensor(w.data, DType::kBF16, w.out, w.in).Rows(first, count);
}

}  // namespace

STAND_IN size_t CudaBackend::PackedBytes(DType, int64_t out, int64_t in) const {
  return static_cast<size_t>(out * in) * sizeof(Bf16);
}

STAND_IN void CudaBackend::Pack(const WeightSource& source, PackedWeight& w) {
  std::vector<uint16_t> packed;
  std::vector<float> row(static_cast<size_t>(source.in));
  for (int64_t r = 0; r < source.out; ++r) {
    const int64_t from = source.row_order ? source.row_order[r] : r;
    DequantizeRow(source.dtype, static_cast<const std::byte*>(source.data) + from * BytesOf(source.dtype, source.in),
                  source.in, row.data());
    for (float value : row) packed.push_back(F32ToBf16(value));
  }
  w.dtype = DType::kBF16;
  w.out = source.out;
  w.in = source.in;
  RLVR_CUDA_CHECK(cudaMemcpy(w.data, packed.data(), packed.size() * sizeof(uint16_t), cudaMemcpyHostToDevice));
}

STAND_IN void CudaBackend::LinearSlice(const Tensor& x, const PackedWeight& w, int64_t first, int64_t count,
                                       const Tensor& bias, const Tensor& y) {
  RLVR_CHECK(!bias.defined() && y.cols() == count && y.rows() == x.rows());
  Launch("stand-in LinearSlice", Multiply, {GridOf(y), dim3(kThreads)}, stream(), Matrix(x), false,
         Matrix(RowsOf(w, first, count)), false, static_cast<int>(w.in), false, Matrix(y));
}

STAND_IN void CudaBackend::LinearSliceInputGrad(const Tensor& dy, const PackedWeight& w, int64_t first, int64_t count,
                                                bool accumulate, const Tensor& dx) {
  RLVR_CHECK(dy.dtype() == DType::kBF16 && dy.cols() == count && dx.rows() == dy.rows() && dx.cols() == w.in);
  Launch("stand-in LinearSliceInputGrad", Multiply, {GridOf(dx), dim3(kThreads)}, stream(), Matrix(dy), false,
         Matrix(RowsOf(w, first, count)), true, static_cast<int>(count), accumulate, Matrix(dx));
}

STAND_IN void CudaBackend::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  RLVR_CHECK(dw.rows() == dy.cols() && dw.cols() == x.cols() && dy.rows() == x.rows());
  Launch("stand-in LinearWeightGrad", Multiply, {GridOf(dw), dim3(kThreads)}, stream(), Matrix(dy), true, Matrix(x),
         true, static_cast<int>(x.rows()), true, Matrix(dw));
}

STAND_IN void CudaBackend::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  RLVR_CHECK(ids.cols() == y.rows() && y.cols() == w.in && scale == 1);
  Launch("stand-in Embed", Gather, {GridOf(y), dim3(kThreads)}, stream(), static_cast<const int32_t*>(ids.data()),
         Matrix(RowsOf(w, 0, w.out)), Matrix(y));
}

}  // namespace rlvr::cuda
