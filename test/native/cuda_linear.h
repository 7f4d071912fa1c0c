// Packed weights on the emulated card and what linears on them must give.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "backends/cuda/frozen_linear.h"
#include "core/rng.h"
#include "cuda_support.h"
#include "quant/codec.h"
#include "quant/nf4.h"
#include "test.h"

namespace rlvr::test {

using cuda::Bf16;

constexpr DType kWeightTypes[] = {DType::kBF16, DType::kF16,  DType::kF32,  DType::kF64,  DType::kNF4,
                                  DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                  DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// In (-1, 1), a function of its arguments.
inline float Random(uint64_t seed, int64_t row, int64_t col) {
  return static_cast<float>(2 * UniformFor(seed, 0, static_cast<uint32_t>(row), static_cast<uint32_t>(col)) - 1);
}

inline float RoundedToBf16(float value) { return Bf16ToF32(F32ToBf16(value)); }

// A matrix as a checkpoint holds it, and the values it stands for by the codec.
struct StoredMatrix {
  DType dtype;
  int64_t out, in;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [out, in]
  float at(int64_t row, int64_t col) const { return values[static_cast<size_t>(row * in + col)]; }
};

inline StoredMatrix MakeMatrix(DType dtype, int64_t out, int64_t in, uint64_t seed) {
  StoredMatrix m = {dtype, out, in, std::vector<std::byte>(MatrixBytes(dtype, out, in)), {}};
  m.values.resize(static_cast<size_t>(out * in));
  // Rows differ in size, so that a scale taken from another row shows.
  const auto fill = [&](int64_t row, float* values) {
    for (int64_t i = 0; i < in; ++i) values[i] = Random(seed, row, i) * (1.0f + static_cast<float>(row % 7));
  };
  if (dtype == DType::kNF4) {
    ThreadPool pool(1);
    QuantizeScratch scratch;
    QuantizeNf4(fill, out, in, pool, scratch, m.bytes.data());
  }
  std::vector<float> row(static_cast<size_t>(in));
  for (int64_t r = 0; r < out; ++r) {
    float* values = m.values.data() + r * in;
    if (dtype == DType::kNF4) {
      Nf4Matrix(m.bytes.data(), out, in).Row(r, values);
      continue;
    }
    std::byte* bytes = m.bytes.data() + static_cast<size_t>(r) * BytesOf(dtype, in);
    fill(r, row.data());
    QuantizeRow(dtype, row.data(), in, bytes);
    DequantizeRow(dtype, bytes, in, values);
  }
  return m;
}

// Device memory as an op contract's memory.
class CardMemory final : public DeviceMemory {
 public:
  std::byte* Allocate(size_t, bool) override { return nullptr; }
  void Free(std::byte*, size_t) override {}
  void Upload(const void* host, std::byte* device, size_t bytes) override {
    RLVR_CUDA_CHECK(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice));
  }
  void Download(const std::byte* device, void* host, size_t bytes) override {
    RLVR_CUDA_CHECK(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost));
  }
};

class CardWeight {
 public:
  explicit CardWeight(const StoredMatrix& m, const int32_t* row_order = nullptr)
      : data_(cuda::PackedBytes(m.dtype, m.out, m.in)) {
    weight_.data = data_.data();
    weight_.bytes = data_.count();
    RLVR_CUDA_CHECK(cudaMemset(data_.data(), 0, data_.count()));
    CardMemory memory;
    cuda::PackWeight(memory, {m.dtype, m.out, m.in, m.bytes.data(), row_order}, weight_);
  }
  const PackedWeight& get() const { return weight_; }

 private:
  DeviceArray<std::byte> data_;
  PackedWeight weight_;
};

// The workspace of the linears for these limits.
class CardScratch {
 public:
  explicit CardScratch(const WorkspaceLimits& limits) : memory_(Bytes(limits)) {
    cuda::Carver carver(memory_.data());
    scratch_ = cuda::LinearScratch(carver, limits);
  }
  const cuda::LinearScratch& get() const { return scratch_; }

 private:
  static size_t Bytes(const WorkspaceLimits& limits) {
    cuda::Carver carver;
    const cuda::LinearScratch counted(carver, limits);
    return carver.used();
  }
  DeviceArray<std::byte> memory_;
  cuda::LinearScratch scratch_;
};

// A matrix of activations on the card that begins `offset` elements behind an aligned address and has a stride.
class CardMatrix {
 public:
  CardMatrix(DType dtype, int64_t rows, int64_t cols, int64_t stride, int64_t offset = 0)
      : dtype_(dtype),
        rows_(rows),
        cols_(cols),
        stride_(stride),
        offset_(offset),
        bytes_(BytesOf(dtype, offset + std::max<int64_t>(rows, 1) * stride)) {}

  Tensor tensor() const { return Tensor(bytes_.data() + BytesOf(dtype_, offset_), dtype_, rows_, cols_, stride_); }
  // Every element, padding included, becomes value(row, col); padding has col >= cols.
  template <typename Value>
  void Fill(const Value& value) {
    std::vector<std::byte> host(bytes_.count());
    const Tensor view(host.data() + BytesOf(dtype_, offset_), dtype_, rows_, stride_, stride_);
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < stride_; ++c) view.Set(r, c, value(r, c));
    }
    bytes_.Upload(host);
  }
  // [rows, stride], padding included.
  std::vector<double> Read() const {
    std::vector<std::byte> host = bytes_.Download();
    const Tensor view(host.data() + BytesOf(dtype_, offset_), dtype_, rows_, stride_, stride_);
    std::vector<double> values;
    for (int64_t r = 0; r < rows_; ++r) {
      for (int64_t c = 0; c < stride_; ++c) values.push_back(view.At(r, c));
    }
    return values;
  }
  // The bits of a row without its padding.
  std::vector<std::byte> RowBits(int64_t row) const {
    const std::vector<std::byte> host = bytes_.Download();
    const auto* begin = host.data() + BytesOf(dtype_, offset_ + row * stride_);
    return {begin, begin + BytesOf(dtype_, cols_)};
  }

 private:
  DType dtype_;
  int64_t rows_, cols_, stride_, offset_;
  DeviceArray<std::byte> bytes_;
};

}  // namespace rlvr::test
