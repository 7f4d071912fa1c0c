// Rows of weights, from their stored form to F32 and back. Block layouts are those of ggml (ggml-common.h):
// 32 or 256 elements along the row share scales; blocks.h has the bytes.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace rlvr {

// Bytes of a matrix [out, in] as stored: rows one after another; for NF4 the planar form of quant/nf4.h.
size_t MatrixBytes(DType dtype, int64_t out, int64_t in);

// out[0, count) = the elements of a row of `dtype`, which may be any weight type with rows of its own: not I32, not
// F8_E4M3, and not NF4, whose rows need the whole matrix (Nf4Matrix). count is a multiple of the block.
// Quantised types give the bits that ggml's reference dequantisation gives. `blocks` needs no alignment.
void DequantizeRow(DType dtype, const void* blocks, int64_t count, float* out);

// The row as `dtype`: rounded to nearest for plain types; ggml's reference rounding for Q8_0, Q4_0, Q4_1, Q5_0, Q5_1;
// for Q4_K, Q5_K, Q6_K a plain range fit, valid but a little less exact than ggml's search. Elements must be finite.
void QuantizeRow(DType dtype, const float* x, int64_t count, void* blocks);

}  // namespace rlvr
