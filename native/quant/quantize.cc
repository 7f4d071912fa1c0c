#include "quant/quantize.h"

#include <algorithm>

#include "quant/codec.h"
#include "quant/nf4.h"

namespace rlvr {

size_t QuantizeScratch::bytes() const {
  size_t elements = absmax.capacity();
  for (const std::vector<float>& row : rows) elements += row.capacity();
  return elements * sizeof(float);
}

void QuantizeScratch::ReserveRows(int threads, int64_t in) {
  rows.resize(std::max(rows.size(), static_cast<size_t>(threads)));
  for (std::vector<float>& row : rows) row.resize(std::max(row.size(), static_cast<size_t>(in)));
}

void QuantizeMatrix(DType dtype, const RowReader& read, int64_t out, int64_t in, ThreadPool& pool,
                    QuantizeScratch& scratch, std::byte* bytes) {
  if (dtype == DType::kNF4) return QuantizeNf4(read, out, in, pool, scratch, bytes);
  const size_t row_bytes = BytesOf(dtype, in);
  scratch.ReserveRows(pool.threads(), in);
  pool.ParallelFor(out, [&](int64_t begin, int64_t end, int thread) {
    float* row = scratch.rows[static_cast<size_t>(thread)].data();
    for (int64_t r = begin; r < end; ++r) {
      read(r, row);
      QuantizeRow(dtype, row, in, bytes + static_cast<size_t>(r) * row_bytes);
    }
  });
}

}  // namespace rlvr
