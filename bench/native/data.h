// Inputs of the model shapes: numbers that are quick to make, so that a matrix of a hundred million is no wait.
#pragma once

#include <cmath>
#include <vector>

#include "op_cases/op_case.h"

namespace rlvr::bench {

class Data {
 public:
  Tensor Zeros(int64_t rows, int64_t cols) { return New(DType::kF32, rows, cols); }
  Tensor Constant(int64_t rows, int64_t cols, float value) {
    const Tensor t = Zeros(rows, cols);
    std::fill_n(t.F32(), t.size(), value);
    return t;
  }
  // Uniform in [-1, 1), from a linear congruence: what matters is that no two rows are alike and nothing is denormal.
  Tensor Random(int64_t rows, int64_t cols) {
    const Tensor t = Zeros(rows, cols);
    float* to = t.F32();
    for (int64_t i = 0; i < t.size(); ++i) to[i] = Next();
    return t;
  }
  Tensor Ids(int64_t count, int64_t limit) {
    const Tensor t = New(DType::kI32, 1, count);
    for (int64_t i = 0; i < count; ++i) t.Set(0, i, static_cast<double>(i * 7919 % limit));
    return t;
  }
  Tensor Uniform(int64_t count) {
    const Tensor t = New(DType::kF64, 1, count);
    for (int64_t i = 0; i < count; ++i) t.Set(0, i, (1 + Next()) / 2);
    return t;
  }
  // A packed matrix. One row in 64 is quantised and repeated: a kernel's time does not depend on the values.
  PackedWeight Weight(Ops& ops, DType dtype, int64_t out, int64_t in) {
    constexpr int64_t kDistinct = 64;
    const size_t row_bytes = BytesOf(dtype, in);
    const test::Memory stored(row_bytes * static_cast<size_t>(out));
    std::vector<float> row(static_cast<size_t>(in));
    for (int64_t r = 0; r < out; ++r) {
      std::byte* to = stored.data() + static_cast<size_t>(r) * row_bytes;
      if (r < kDistinct) {
        for (float& value : row) value = 0.05f * Next();
        QuantizeRow(dtype, row.data(), in, to);
      } else {
        std::memcpy(to, stored.data() + static_cast<size_t>(r % kDistinct) * row_bytes, row_bytes);
      }
    }
    memory_.emplace_back(ops.PackedBytes(dtype, out, in));
    PackedWeight packed;
    packed.data = memory_.back().data();
    packed.bytes = memory_.back().bytes();
    ops.Pack({dtype, out, in, stored.data(), nullptr}, packed);
    return packed;
  }

 private:
  Tensor New(DType dtype, int64_t rows, int64_t cols) {
    memory_.emplace_back(BytesOf(dtype, rows * cols));
    return Tensor(memory_.back().data(), dtype, rows, cols);
  }
  float Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<int32_t>(state_ >> 32)) * 0x1p-31f;
  }

  std::vector<test::Memory> memory_;
  uint64_t state_ = 1;
};

// A prompt with rollouts below it, all rows in the batch; or only the last row of each rollout, the rest in the pool.
class Forest {
 public:
  Forest(int64_t prompt, int64_t rollout, int rollouts, bool decode) {
    Add(-1, 0, static_cast<int32_t>(prompt), decode ? 0 : static_cast<int32_t>(prompt));
    for (int i = 0; i < rollouts; ++i) {
      Add(0, static_cast<int32_t>(prompt), static_cast<int32_t>(rollout), decode ? 1 : static_cast<int32_t>(rollout));
    }
    for (size_t i = 0; i < page_count_; ++i) pages_.push_back(static_cast<int32_t>(i));
  }
  SpanView view() const { return {spans_.data(), static_cast<int64_t>(spans_.size()), pages_.data(), rows_}; }
  int64_t pages() const { return static_cast<int64_t>(page_count_); }

 private:
  void Add(int32_t parent, int32_t position, int32_t keys, int32_t rows) {
    spans_.push_back(
        {parent, position, static_cast<int32_t>(rows_), rows, keys - rows, static_cast<int32_t>(page_count_)});
    rows_ += rows;
    page_count_ += static_cast<size_t>((keys + kKvBlock - 1) / kKvBlock);
  }

  std::vector<Span> spans_;
  std::vector<int32_t> pages_;
  size_t page_count_ = 0;
  int64_t rows_ = 0;
};

}  // namespace rlvr::bench
