#include "backends/cuda/weight_layout.h"

#include "core/error.h"

namespace rlvr::cuda {

namespace {

constexpr int64_t kUnit = 32;
constexpr size_t kPlaneAlignment = 256;
constexpr size_t kVectorBytes = 16;  // a row of codes begins where a vector load may
constexpr int64_t kNestedBlocks = 256;

// Bytes of each plane: codes, high bits and scales of a unit, supers of eight units.
struct UnitBytes {
  size_t codes, high, scales, supers;
};

UnitBytes UnitBytesOf(DType type) {
  switch (type) {
    case DType::kQ8_0: return {32, 0, 2, 0};
    case DType::kQ4_0: return {16, 0, 2, 0};
    case DType::kQ4_1: return {16, 0, 4, 0};
    case DType::kQ5_0: return {16, 4, 2, 0};
    case DType::kQ5_1: return {16, 4, 4, 0};
    case DType::kQ4_K: return {16, 0, 2, 4};
    case DType::kQ5_K: return {16, 4, 2, 4};
    case DType::kQ6_K: return {16, 8, 2, 2};
    default: RLVR_CHECK(false, Info(type).name, " has no units");
  }
  return {};
}

size_t RoundUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// Lays planes one after another.
class Planner {
 public:
  explicit Planner(int64_t rows) : rows_(static_cast<size_t>(rows)) {}
  WeightPlane Rows(size_t row_bytes) { return {Block(rows_ * row_bytes), row_bytes}; }
  size_t Block(size_t bytes) {
    const size_t offset = used_;
    used_ += RoundUp(bytes, kPlaneAlignment);
    return offset;
  }
  size_t used() const { return used_; }

 private:
  size_t rows_;
  size_t used_ = 0;
};

WeightLayout PlainLayout(int64_t out, int64_t in) {
  Planner planner(out);
  WeightLayout layout;
  layout.codes = planner.Rows(RoundUp(static_cast<size_t>(in) * sizeof(uint16_t), kVectorBytes));
  layout.bytes = planner.used();
  return layout;
}

WeightLayout Nf4DeviceLayout(int64_t out, int64_t in) {
  const int64_t row_blocks = in / Info(DType::kNF4).block;
  Planner planner(out);
  WeightLayout layout;
  layout.codes = planner.Rows(static_cast<size_t>(in) / 2);
  layout.scales = planner.Rows(static_cast<size_t>(row_blocks));
  layout.supers = planner.Rows(sizeof(int32_t));
  layout.nested_offset =
      planner.Block(static_cast<size_t>((out * row_blocks + kNestedBlocks - 1) / kNestedBlocks) * sizeof(float));
  layout.tables_offset = planner.Block(sizeof(Nf4Tables));
  layout.bytes = planner.used();
  return layout;
}

WeightLayout UnitLayout(DType type, int64_t out, int64_t in) {
  const UnitBytes bytes = UnitBytesOf(type);
  const auto units = static_cast<size_t>(in / kUnit);
  Planner planner(out);
  WeightLayout layout;
  layout.codes = planner.Rows(units * bytes.codes);
  layout.high = planner.Rows(units * bytes.high);
  layout.scales = planner.Rows(units * bytes.scales);
  layout.supers = planner.Rows(units / 8 * bytes.supers);
  layout.bytes = planner.used();
  return layout;
}

}  // namespace

DType DeviceType(DType stored) {
  switch (stored) {
    case DType::kF64:
    case DType::kF32:
    case DType::kF16: return DType::kBF16;
    default: return stored;
  }
}

WeightLayout LayoutOf(DType stored, int64_t out, int64_t in) {
  const DTypeInfo& info = Info(stored);
  if (out < 0 || in < 0 || in % info.block != 0) {
    throw Error(ErrorCode::kUnsupported,
                Concat("[cuda] a weight of [", out, ", ", in, "] in ", info.name, ": rows are whole blocks of ",
                       info.block, " weights. Load the matrix in a plain type."));
  }
  switch (DeviceType(stored)) {
    case DType::kI32:
    case DType::kF8E4M3:
      throw Error(
          ErrorCode::kUnsupported,
          Concat("[cuda] a weight stored as ", info.name, "; weights are F64, F32, F16, BF16, NF4, Q8_0, Q4_0, ",
                 "Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K. Convert the checkpoint to one of these."));
    case DType::kBF16: return PlainLayout(out, in);
    case DType::kNF4: return Nf4DeviceLayout(out, in);
    default: return UnitLayout(stored, out, in);
  }
}

size_t PackedBytes(DType dtype, int64_t out, int64_t in) { return LayoutOf(dtype, out, in).bytes; }

}  // namespace rlvr::cuda
