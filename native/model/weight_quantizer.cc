#include "model/weight_quantizer.h"

#include <algorithm>
#include <cstring>

#include "quant/codec.h"

namespace rlvr {

namespace {

bool AreFinite(const float* values, int64_t count) {
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof bits);
    finite &= (bits & 0x7f800000u) != 0x7f800000u;
  }
  return finite;
}

}  // namespace

DType WeightQuantizer::TypeOf(const WeightSource& source, const std::string& name) const {
  if (quantization_ == Quantization::kNone) return source.dtype;
  const bool is_nf4 = quantization_ == Quantization::kNf4;
  const DType dtype = is_nf4 ? DType::kNF4 : DType::kQ8_0;
  const char* option = is_nf4 ? "nf4" : "int8";
  if (Info(source.dtype).block > 1) {
    throw Error(ErrorCode::kBadArgument,
                Concat("[load] ", path_, ": tensor \"", name, "\" is quantised already, as ", Info(source.dtype).name,
                       "; quantize: ", option,
                       " takes BF16, F16 or F32. Load the model's safetensors folder, or leave ", "quantize out."));
  }
  if (source.in % Info(dtype).block != 0) {
    throw Error(ErrorCode::kUnsupported,
                Concat("[load] ", path_, ": tensor \"", name, "\" has rows of ", source.in,
                       " elements; quantize: ", option, " needs a multiple of ", Info(dtype).block, ". Use ",
                       is_nf4 && source.in % Info(DType::kQ8_0).block == 0 ? "int8 or none." : "none."));
  }
  return dtype;
}

WeightSource WeightQuantizer::Quantize(const WeightSource& source, const std::string& name) {
  if (quantization_ == Quantization::kNone) return source;
  const DType dtype = TypeOf(source, name);
  const int64_t out = source.out, in = source.in;
  const size_t row_bytes = BytesOf(source.dtype, in);
  const auto* rows = static_cast<const std::byte*>(source.data);
  const auto read = [&](int64_t r, float* row) {
    DequantizeRow(source.dtype, rows + static_cast<size_t>(r) * row_bytes, in, row);
    if (AreFinite(row, in)) return;
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[load] ", path_, ": row ", r, " of tensor \"", name,
                       "\" has a value that is not finite, and cannot be quantised. Check the download."));
  };
  quantized_.resize(MatrixBytes(dtype, out, in));
  QuantizeMatrix(dtype, read, out, in, pool_, scratch_, quantized_.data());
  peak_bytes_ = std::max(peak_bytes_, quantized_.capacity() + scratch_.bytes());
  return {dtype, out, in, quantized_.data(), source.row_order};
}

}  // namespace rlvr
