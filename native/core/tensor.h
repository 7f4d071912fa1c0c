// A matrix view: rows of equal width, a row stride, an element type. It owns nothing.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/error.h"

namespace rlvr {

class Tensor {
 public:
  Tensor() = default;
  Tensor(void* data, DType dtype, int64_t rows, int64_t cols) : Tensor(data, dtype, rows, cols, cols) {}
  Tensor(void* data, DType dtype, int64_t rows, int64_t cols, int64_t stride)
      : data_(static_cast<std::byte*>(data)), dtype_(dtype), rows_(rows), cols_(cols), stride_(stride) {}

  bool empty() const { return rows_ == 0 || cols_ == 0; }
  bool defined() const { return data_ != nullptr; }
  DType dtype() const { return dtype_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t stride() const { return stride_; }  // elements from one row to the next
  int64_t size() const { return rows_ * cols_; }
  bool contiguous() const { return stride_ == cols_ || rows_ <= 1; }
  void* data() const { return data_; }

  float* F32(int64_t row = 0) const { return Row<float>(row, DType::kF32); }
  double* F64(int64_t row = 0) const { return Row<double>(row, DType::kF64); }
  int32_t* I32(int64_t row = 0) const { return Row<int32_t>(row, DType::kI32); }

  // Views of a part: columns [first, first + count), or rows.
  Tensor Cols(int64_t first, int64_t count) const {
    RLVR_DCHECK(first >= 0 && first + count <= cols_);
    return Tensor(data_ + BytesOf(dtype_, first), dtype_, rows_, count, stride_);
  }
  Tensor Rows(int64_t first, int64_t count) const {
    RLVR_DCHECK(first >= 0 && first + count <= rows_);
    return Tensor(data_ + BytesOf(dtype_, first * stride_), dtype_, count, cols_, stride_);
  }
  // The same elements as [rows, cols]; only for contiguous views.
  Tensor Reshape(int64_t rows, int64_t cols) const {
    RLVR_CHECK(contiguous() && rows * cols == size(), "reshape of a strided view");
    return Tensor(data_, dtype_, rows, cols);
  }

  // One element of a plain type, by value: the reference backend and tests use these.
  double At(int64_t row, int64_t col) const {
    const int64_t i = row * stride_ + col;
    switch (dtype_) {
      case DType::kF64: return reinterpret_cast<const double*>(data_)[i];
      case DType::kF32: return reinterpret_cast<const float*>(data_)[i];
      case DType::kBF16: return Bf16ToF32(reinterpret_cast<const uint16_t*>(data_)[i]);
      case DType::kF16: return F16ToF32(reinterpret_cast<const uint16_t*>(data_)[i]);
      case DType::kI32: return reinterpret_cast<const int32_t*>(data_)[i];
      case DType::kF8E4M3: return F8E4M3ToF32(reinterpret_cast<const uint8_t*>(data_)[i]);
      default: RLVR_CHECK(false, "At() on ", Info(dtype_).name);
    }
    return 0;
  }
  void Set(int64_t row, int64_t col, double value) const {
    const int64_t i = row * stride_ + col;
    switch (dtype_) {
      case DType::kF64: reinterpret_cast<double*>(data_)[i] = value; return;
      case DType::kF32: reinterpret_cast<float*>(data_)[i] = static_cast<float>(value); return;
      case DType::kBF16: reinterpret_cast<uint16_t*>(data_)[i] = F32ToBf16(static_cast<float>(value)); return;
      case DType::kF16: reinterpret_cast<uint16_t*>(data_)[i] = F32ToF16(static_cast<float>(value)); return;
      case DType::kI32: reinterpret_cast<int32_t*>(data_)[i] = static_cast<int32_t>(value); return;
      case DType::kF8E4M3: reinterpret_cast<uint8_t*>(data_)[i] = F32ToF8E4M3(static_cast<float>(value)); return;
      default: RLVR_CHECK(false, "Set() on ", Info(dtype_).name);
    }
  }
  void Add(int64_t row, int64_t col, double value) const { Set(row, col, At(row, col) + value); }

 private:
  template <typename T>
  T* Row(int64_t row, [[maybe_unused]] DType expected) const {
    RLVR_DCHECK(dtype_ == expected, "tensor is ", Info(dtype_).name);
    return reinterpret_cast<T*>(data_) + row * stride_;
  }

  std::byte* data_ = nullptr;
  DType dtype_ = DType::kF32;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  int64_t stride_ = 0;
};

}  // namespace rlvr
