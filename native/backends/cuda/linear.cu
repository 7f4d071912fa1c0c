// The frozen-weight linears: which kernel takes how many rows.
//
//   rows     forward                                              gradient of the input
//   1..4     gemv.cu: dots on the packed weight                   unpacked to BF16 in scratch, then a dense product
//   5..64    few_rows.cu: tensor cores on the packed weight       the same
//   65..     unpacked to BF16 in scratch, then a dense product    the same
//
// A plain weight is BF16 already and is never unpacked. A row's bits depend on its line of this table alone.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/device.h"
#include "backends/cuda/frozen_linear.h"
#include "backends/cuda/gemm.h"

namespace rlvr::cuda {

namespace {

// Rows of a weight as a dense matrix.
struct DenseRows {
  const Bf16* data;
  int64_t stride;
};

// Calls visit(first, count, dense) for runs of rows that cover [first, first + count) of w in order. A run is as long
// as the scratch allows; one where w is plain.
template <typename Visit>
void VisitDenseRows(cudaStream_t stream, const LinearScratch& scratch, const PackedWeight& w, int64_t first,
                    int64_t count, const Visit& visit) {
  if (DeviceType(w.dtype) == DType::kBF16) {
    const WeightView view = ViewRows(w, first, count);
    visit(int64_t{0}, count,
          DenseRows{reinterpret_cast<const Bf16*>(view.codes), view.codes_row / static_cast<int64_t>(sizeof(Bf16))});
    return;
  }
  const int64_t stride = LinearScratch::UnpackedStride(w.in);
  const int64_t most = scratch.unpacked_elements / stride;
  RLVR_CHECK(most > 0, "no scratch for a row of ", w.in);
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t run = std::min(most, count - begin);
    UnpackRows(stream, w.dtype, ViewRows(w, first + begin, run), nullptr, 1.0f, run, scratch.unpacked, stride);
    visit(begin, run, DenseRows{scratch.unpacked, stride});
  }
}

void DenseLinear(cudaStream_t stream, const LinearScratch& scratch, const Tensor& x, const PackedWeight& w,
                 int64_t first, int64_t count, const Tensor& bias, const Tensor& y) {
  VisitDenseRows(stream, scratch, w, first, count, [&](int64_t begin, int64_t run, DenseRows dense) {
    GemmCall call;
    call.m = x.rows();
    call.n = run;
    call.k = w.in;
    call.a = static_cast<const Bf16*>(x.data());
    call.lda = x.stride();
    call.b = dense.data;
    call.ldb = dense.stride;
    call.b_transposed = true;
    call.c = y.Cols(begin, run).data();
    call.ldc = y.stride();
    call.c_is_f32 = y.dtype() == DType::kF32;
    call.bias = bias.defined() ? bias.F32() + begin : nullptr;
    Gemm(stream, call, scratch);
  });
}

}  // namespace

void LinearRows(cudaStream_t stream, const LinearScratch& scratch, const Tensor& x, const PackedWeight& w,
                int64_t first, int64_t count, const Tensor& bias, const Tensor& y) {
  RLVR_CHECK(x.dtype() == DType::kBF16 && x.cols() == w.in && y.cols() == count && y.rows() == x.rows(), "shapes of [",
             x.rows(), ", ", x.cols(), "] by [", count, ", ", w.in, "]");
  if (x.rows() == 0 || count == 0) return;
  if (x.rows() > kFewLinearRows) return DenseLinear(stream, scratch, x, w, first, count, bias, y);
  FrozenLinear call;
  call.dtype = w.dtype;
  call.weight = ViewRows(w, first, count);
  call.x = static_cast<const Bf16*>(x.data());
  call.x_stride = x.stride();
  call.rows = x.rows();
  call.bias = bias.defined() ? bias.F32() : nullptr;
  call.y = y.data();
  call.y_stride = y.stride();
  call.y_is_f32 = y.dtype() == DType::kF32;
  x.rows() <= kGemvRows ? Gemv(stream, call, scratch) : FewRowsLinear(stream, call, scratch);
}

// Where w is cut into several runs, their sums meet in dx: exactly added when it is F32, as the head's is.
void LinearRowsInputGrad(cudaStream_t stream, const LinearScratch& scratch, const Tensor& dy, const PackedWeight& w,
                         int64_t first, int64_t count, bool accumulate, const Tensor& dx) {
  RLVR_CHECK(dy.dtype() == DType::kBF16 && dy.cols() == count && dx.cols() == w.in && dx.rows() == dy.rows(),
             "shapes of [", dy.rows(), ", ", dy.cols(), "] by [", count, ", ", w.in, "]");
  if (dy.rows() == 0) return;
  VisitDenseRows(stream, scratch, w, first, count, [&](int64_t begin, int64_t run, DenseRows dense) {
    GemmCall call;
    call.m = dy.rows();
    call.n = w.in;
    call.k = run;
    call.a = static_cast<const Bf16*>(dy.Cols(begin, run).data());
    call.lda = dy.stride();
    call.b = dense.data;
    call.ldb = dense.stride;
    call.c = dx.data();
    call.ldc = dx.stride();
    call.c_is_f32 = dx.dtype() == DType::kF32;
    call.accumulate = accumulate || begin > 0;
    Gemm(stream, call, scratch);
  });
}

void CudaBackend::Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) {
  LinearRows(stream_, scratch_.linear, x, w, 0, w.out, bias, y);
}

void CudaBackend::LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) {
  LinearRowsInputGrad(stream_, scratch_.linear, dy, w, 0, w.out, accumulate, dx);
}

void CudaBackend::LinearSlice(const Tensor& x, const PackedWeight& w, int64_t first, int64_t count, const Tensor& bias,
                              const Tensor& y) {
  LinearRows(stream_, scratch_.linear, x, w, first, count, bias, y);
}

void CudaBackend::LinearSliceInputGrad(const Tensor& dy, const PackedWeight& w, int64_t first, int64_t count,
                                       bool accumulate, const Tensor& dx) {
  LinearRowsInputGrad(stream_, scratch_.linear, dy, w, first, count, accumulate, dx);
}

}  // namespace rlvr::cuda
