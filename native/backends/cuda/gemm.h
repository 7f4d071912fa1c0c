// Dense BF16 matrix products with F32 sums, row-major: C (=|+=) alpha * op(A) op(B) (+ bias).
#pragma once

#include <cstdint>

#include "backends/cuda/linear_scratch.h"
#include "backends/cuda/runtime.h"

namespace rlvr::cuda {

struct Bf16;

// op(A) is [m, k], op(B) is [k, n], C is [m, n]. A transposed operand is stored the other way round: A as [k, m], B as
// [n, k]. Leading dimensions are elements from one stored row to the next. Pointers, sizes and leading dimensions are
// free; the fast paths want 16-byte aligned rows.
//   y = x W^T     a = x [T, in],   b = W [out, in] transposed
//   dx = dy W     a = dy [T, out], b = W [out, in]
//   dW += dy^T x  a = dy [T, out] transposed, b = x [T, in], accumulate into F32, may_split
struct GemmCall {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const Bf16* a = nullptr;
  int64_t lda = 0;
  bool a_transposed = false;
  const Bf16* b = nullptr;
  int64_t ldb = 0;
  bool b_transposed = false;
  void* c = nullptr;  // BF16, or F32 with c_is_f32; neither input
  int64_t ldc = 0;
  bool c_is_f32 = false;
  bool accumulate = false;  // C += instead of C =; a BF16 C is read, added in F32 and rounded once
  float alpha = 1;
  const float* bias = nullptr;  // [n], added after alpha; null: none
  // k may be cut into parts whose sums are added in order: for sums over the rows of a batch, where no other row's
  // result can depend on the cut. Products of at most kFewRows rows are cut anyway, by n and k alone.
  bool may_split = false;
};

// Up to this many rows a product is bound by reading B, and k is cut so that all of the card reads. Row results are the
// same bits for every m on the same side of this line.
constexpr int64_t kFewRows = 64;

// Enqueues the product. An empty C launches nothing; k = 0 gives C = bias, or leaves an accumulated C plus bias.
void Gemm(cudaStream_t stream, const GemmCall& call, const LinearScratch& scratch);

}  // namespace rlvr::cuda
