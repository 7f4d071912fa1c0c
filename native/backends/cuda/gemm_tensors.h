// Matrix products of tensors.
#pragma once

#include "backends/cuda/gemm.h"
#include "core/tensor.h"

namespace rlvr::cuda {

enum class Layout : bool { kAsIs, kTransposed };

// c = op(a) op(b), all BF16, c also F32; alpha, bias, accumulate and may_split are the caller's to set.
inline GemmCall ProductOf(const Tensor& a, Layout a_layout, const Tensor& b, Layout b_layout, const Tensor& c) {
  GemmCall call;
  call.a_transposed = a_layout == Layout::kTransposed;
  call.b_transposed = b_layout == Layout::kTransposed;
  call.m = call.a_transposed ? a.cols() : a.rows();
  call.k = call.a_transposed ? a.rows() : a.cols();
  call.n = call.b_transposed ? b.rows() : b.cols();
  RLVR_CHECK(call.k == (call.b_transposed ? b.cols() : b.rows()) && call.m == c.rows() && call.n == c.cols(),
             "a product of ", a.rows(), "x", a.cols(), call.a_transposed ? "^T" : "", " and ", b.rows(), "x", b.cols(),
             call.b_transposed ? "^T" : "", " into ", c.rows(), "x", c.cols());
  RLVR_CHECK(a.dtype() == DType::kBF16 && b.dtype() == DType::kBF16, "a product of ", Info(a.dtype()).name, " and ",
             Info(b.dtype()).name);
  RLVR_CHECK(c.dtype() == DType::kBF16 || c.dtype() == DType::kF32, "a product into ", Info(c.dtype()).name);
  call.a = static_cast<const Bf16*>(a.data());
  call.lda = a.stride();
  call.b = static_cast<const Bf16*>(b.data());
  call.ldb = b.stride();
  call.c = c.data();
  call.ldc = c.stride();
  call.c_is_f32 = c.dtype() == DType::kF32;
  return call;
}

}  // namespace rlvr::cuda
