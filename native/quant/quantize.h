// A matrix made smaller row by row, on several threads: it is never in memory as F32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/dtype.h"
#include "core/thread_pool.h"

namespace rlvr {

// Writes row `row` of a matrix to values [in]; called once for each row, from several threads, in no fixed order.
using RowReader = std::function<void(int64_t row, float* values)>;

// What quantising holds beside the result, to be used again by the next matrix.
struct QuantizeScratch {
  std::vector<std::vector<float>> rows;  // one a thread
  std::vector<float> absmax;             // NF4: one a block of 64
  size_t bytes() const;
  // rows, at least [threads][in].
  void ReserveRows(int threads, int64_t in);
};

// Fills bytes, MatrixBytes(dtype, out, in) of them, with the matrix as `dtype`: any weight type. Elements must be
// finite. The result does not depend on the number of threads.
void QuantizeMatrix(DType dtype, const RowReader& read, int64_t out, int64_t in, ThreadPool& pool,
                    QuantizeScratch& scratch, std::byte* bytes);

}  // namespace rlvr
