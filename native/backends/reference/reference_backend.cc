// Weights of the reference backend: rows in packed order, as they are in the file. The scales of NF4 belong to a whole
// matrix in the order of its source, so its rows are stored as the F32 that they mean.
#include "backends/reference/reference_backend.h"

#include <cstring>

#include "backends/backend.h"
#include "quant/codec.h"
#include "quant/nf4.h"

namespace rlvr {

namespace {

DType StoredType(DType dtype) { return dtype == DType::kNF4 ? DType::kF32 : dtype; }

}  // namespace

std::unique_ptr<Ops> CreateReferenceBackend(DType activation) {
  RLVR_CHECK(activation == DType::kF32 || activation == DType::kF64, "activation type ", Info(activation).name);
  return std::make_unique<ReferenceBackend>(activation);
}

size_t ReferenceBackend::PackedBytes(DType dtype, int64_t out, int64_t in) const {
  return MatrixBytes(StoredType(dtype), out, in);
}

void ReferenceBackend::Pack(const WeightSource& source, PackedWeight& w) {
  RLVR_CHECK(source.dtype != DType::kI32 && source.dtype != DType::kF8E4M3, Info(source.dtype).name,
             " is not a weight type");
  if (source.in % Info(source.dtype).block != 0) {
    throw Error(ErrorCode::kUnsupported,
                Concat("[backend] a ", Info(source.dtype).name, " weight has rows of ", source.in,
                       " elements; expected a multiple of ", Info(source.dtype).block, "."));
  }
  const size_t row_bytes = BytesOf(StoredType(source.dtype), source.in);
  RLVR_CHECK(w.data != nullptr && w.bytes == PackedBytes(source.dtype, source.out, source.in), "packed weight of ",
             w.bytes, " bytes");
  w.dtype = source.dtype;
  w.out = source.out;
  w.in = source.in;
  for (int64_t r = 0; r < source.out; ++r) {
    const int64_t from = source.row_order ? source.row_order[r] : r;
    std::byte* row = w.data + r * row_bytes;
    if (source.dtype == DType::kNF4) {
      Nf4Matrix(source.data, source.out, source.in).Row(from, reinterpret_cast<float*>(row));
    } else {
      std::memcpy(row, static_cast<const std::byte*>(source.data) + from * row_bytes, row_bytes);
    }
  }
}

std::vector<double> WeightRow(const PackedWeight& w, int64_t row) {
  RLVR_CHECK(row >= 0 && row < w.out, "row ", row, " of ", w.out);
  const DType stored = StoredType(w.dtype);
  const std::byte* data = w.data + row * BytesOf(stored, w.in);
  std::vector<double> values(w.in);
  if (w.dtype == DType::kF64) {
    std::memcpy(values.data(), data, w.in * sizeof(double));
  } else {
    std::vector<float> decoded(w.in);
    DequantizeRow(stored, data, w.in, decoded.data());
    values.assign(decoded.begin(), decoded.end());
  }
  return values;
}

}  // namespace rlvr
