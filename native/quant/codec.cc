#include "quant/codec.h"

#include "core/error.h"
#include "quant/blocks.h"
#include "quant/nf4.h"

namespace rlvr {

namespace {

// Plain elements at any address.
template <typename Stored, typename Convert>
void ReadPlain(const void* from, int64_t count, float* out, Convert convert) {
  const auto* bytes = static_cast<const char*>(from);
  for (int64_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, bytes + i * static_cast<int64_t>(sizeof value), sizeof value);
    out[i] = convert(value);
  }
}

template <typename Stored, typename Convert>
void WritePlain(const float* x, int64_t count, void* to, Convert convert) {
  auto* bytes = static_cast<char*>(to);
  for (int64_t i = 0; i < count; ++i) {
    const Stored value = convert(x[i]);
    std::memcpy(bytes + i * static_cast<int64_t>(sizeof value), &value, sizeof value);
  }
}

}  // namespace

size_t MatrixBytes(DType dtype, int64_t out, int64_t in) {
  return dtype == DType::kNF4 ? Nf4Layout(out, in).bytes : static_cast<size_t>(out) * BytesOf(dtype, in);
}

void DequantizeRow(DType dtype, const void* blocks, int64_t count, float* out) {
  const DTypeInfo& info = Info(dtype);
  RLVR_CHECK(count % info.block == 0, count, " elements in blocks of ", info.block);
  switch (dtype) {
    case DType::kF32: std::memcpy(out, blocks, static_cast<size_t>(count) * sizeof(float)); return;
    case DType::kF64: ReadPlain<double>(blocks, count, out, [](double v) { return static_cast<float>(v); }); return;
    case DType::kBF16: ReadPlain<uint16_t>(blocks, count, out, Bf16ToF32); return;
    case DType::kF16: ReadPlain<uint16_t>(blocks, count, out, F16ToF32); return;
    case DType::kI32:
    case DType::kF8E4M3:
    case DType::kNF4: break;
    default: {
      const auto* bytes = static_cast<const uint8_t*>(blocks);
      return info.block == 32 ? DequantizeBlocks32(dtype, bytes, count / 32, out)
                              : DequantizeBlocks256(dtype, bytes, count / 256, out);
    }
  }
  RLVR_CHECK(false, info.name, " is no type of rows of weights");
}

void QuantizeRow(DType dtype, const float* x, int64_t count, void* blocks) {
  const DTypeInfo& info = Info(dtype);
  RLVR_CHECK(count % info.block == 0, count, " elements in blocks of ", info.block);
  switch (dtype) {
    case DType::kF32: std::memcpy(blocks, x, static_cast<size_t>(count) * sizeof(float)); return;
    case DType::kF64: WritePlain<double>(x, count, blocks, [](float v) { return static_cast<double>(v); }); return;
    case DType::kBF16: WritePlain<uint16_t>(x, count, blocks, F32ToBf16); return;
    case DType::kF16: WritePlain<uint16_t>(x, count, blocks, F32ToF16); return;
    case DType::kI32:
    case DType::kF8E4M3:
    case DType::kNF4: break;
    default: {
      auto* bytes = static_cast<uint8_t*>(blocks);
      return info.block == 32 ? QuantizeBlocks32(dtype, x, count / 32, bytes)
                              : QuantizeBlocks256(dtype, x, count / 256, bytes);
    }
  }
  RLVR_CHECK(false, info.name, " is no type of rows of weights");
}

}  // namespace rlvr
