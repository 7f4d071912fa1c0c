// One case of one op: inputs from a fixed seed, a forward and a backward, and what to look at afterwards. The same list
// serves the comparison with the reference, finite differences, thread invariance and timing.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "ops/ops.h"
#include "quant/codec.h"
#include "quant/quantize.h"
#include "tolerances.h"

namespace rlvr::test {

// 64-byte aligned memory of exactly the asked size, so that a sanitizer sees one byte too far.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(bytes) {
    void* memory = nullptr;
    RLVR_CHECK(posix_memalign(&memory, 64, bytes == 0 ? 1 : bytes) == 0);
    data_.reset(static_cast<std::byte*>(memory));
    std::memset(memory, 0, bytes);
  }
  std::byte* data() const { return data_.get(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_;
};

// While one lives, random inputs are BF16 numbers: a backend that stores them so computes from the same ones.
class Bf16Inputs {
 public:
  Bf16Inputs() { enabled() = true; }
  ~Bf16Inputs() { enabled() = false; }
  static float Round(double value) {
    const auto single = static_cast<float>(value);
    return enabled() ? Bf16ToF32(F32ToBf16(single)) : single;
  }

 private:
  static bool& enabled() {
    static bool is_enabled = false;
    return is_enabled;
  }
};

class OpCase {
 public:
  // Something computed, compared between backends within a tolerance (tolerances.h).
  struct Output {
    std::string name;
    Tensor value;
    Tolerance tolerance;
  };
  // Something the loss depends on, and where the backward leaves its gradient.
  struct Variable {
    std::string name;
    Tensor value;
    Tensor gradient;
  };

  explicit OpCase(const Ops& ops, uint64_t seed = 1) : type_(ops.ActivationType()), seed_(seed) {}
  virtual ~OpCase() = default;

  // What a model does once before the pass: pack weights, transpose adapters.
  virtual void Prepare(Ops&) {}
  virtual void Forward(Ops& ops) = 0;
  virtual void Backward(Ops&) {}

  void Run(Ops& ops) {
    Reset();
    Prepare(ops);
    Forward(ops);
    Backward(ops);
  }
  // Results become NaN, so that an element nobody writes is seen; sums start at `gradient_start`.
  void Reset() {
    for (const Tensor& t : results_) {
      Fill(t, t.dtype() == DType::kI32 ? -1 : std::numeric_limits<double>::quiet_NaN());
    }
    for (const Tensor& t : sums_) Fill(t, gradient_start);
  }
  // The number that the backward is the gradient of: the outputs weighted by their cotangents.
  double Loss() const {
    double loss = 0;
    for (const auto& [value, cotangent] : cotangents_) {
      for (int64_t r = 0; r < value.rows(); ++r) {
        for (int64_t c = 0; c < value.cols(); ++c) loss += value.At(r, c) * cotangent.At(r, c);
      }
    }
    return loss;
  }
  const std::vector<Output>& outputs() const { return outputs_; }
  const std::vector<Variable>& variables() const { return variables_; }
  // Whether the columns outside of every strided view still hold what they held.
  bool PaddingIntact() const {
    for (const auto& [whole, used] : padded_) {
      for (int64_t r = 0; r < whole.rows(); ++r) {
        for (int64_t c = used; c < whole.cols(); ++c) {
          if (whole.At(r, c) != kPadding) return false;
        }
      }
    }
    return true;
  }

  double gradient_start = 0;

  static void Fill(const Tensor& t, double value) {
    for (int64_t r = 0; r < t.rows(); ++r) {
      for (int64_t c = 0; c < t.cols(); ++c) t.Set(r, c, value);
    }
  }

 protected:
  static constexpr double kPadding = -777;

  // A matrix whose rows lie `pad` elements further apart than they are wide.
  Tensor New(DType dtype, int64_t rows, int64_t cols, int64_t pad = 0) {
    memory_.emplace_back(BytesOf(dtype, rows * (cols + pad)));
    const Tensor whole(memory_.back().data(), dtype, rows, cols + pad);
    if (pad > 0) {
      Fill(whole, kPadding);
      padded_.emplace_back(whole, cols);
    }
    return Tensor(whole.data(), dtype, rows, cols, cols + pad);
  }
  // Uniform in [-scale, scale), rounded to F32 so that every backend gets the same numbers.
  Tensor Random(int64_t rows, int64_t cols, double scale = 1, int64_t pad = 0) {
    const Tensor t = New(type_, rows, cols, pad);
    Randomize(t, scale);
    return t;
  }
  void Randomize(const Tensor& t, double scale = 1) {
    ++drawn_;
    for (int64_t r = 0; r < t.rows(); ++r) {
      for (int64_t c = 0; c < t.cols(); ++c) t.Set(r, c, Bf16Inputs::Round(scale * (2 * Uniform(r, c) - 1)));
    }
  }
  // I32 [1, count] in [0, limit).
  Tensor RandomIds(int64_t count, int64_t limit) {
    ++drawn_;
    const Tensor t = New(DType::kI32, 1, count);
    for (int64_t c = 0; c < count; ++c) t.Set(0, c, std::floor(Uniform(0, c) * static_cast<double>(limit)));
    return t;
  }
  double Uniform(int64_t row, int64_t col) const {
    return UniformFor(seed_, drawn_, static_cast<uint32_t>(row), static_cast<uint32_t>(col));
  }

  // Registers a tensor that the op overwrites (Result) or adds to (Sum).
  Tensor Result(const std::string& name, const Tensor& t, Tolerance tolerance) {
    results_.push_back(t);
    outputs_.push_back({name, t, tolerance});
    return t;
  }
  Tensor Sum(const std::string& name, const Tensor& t, Tolerance tolerance) {
    sums_.push_back(t);
    outputs_.push_back({name, t, tolerance});
    return t;
  }
  void Depends(const std::string& name, const Tensor& value, const Tensor& gradient) {
    variables_.push_back({name, value, gradient});
  }
  // Makes `output` a part of the loss, weighted by `cotangent`, or by random numbers, which are returned.
  void AddToLoss(const Tensor& output, const Tensor& cotangent) { cotangents_.emplace_back(output, cotangent); }
  Tensor Cotangent(const Tensor& output, int64_t pad = 0) {
    const Tensor t = Random(output.rows(), output.cols(), 1, pad);
    AddToLoss(output, t);
    return t;
  }

  const DType type_;

 private:
  uint64_t seed_;
  uint64_t drawn_ = 0;
  std::vector<Memory> memory_;
  std::vector<std::pair<Tensor, int64_t>> padded_;
  std::vector<Tensor> results_;
  std::vector<Tensor> sums_;
  std::vector<Output> outputs_;
  std::vector<Variable> variables_;
  std::vector<std::pair<Tensor, Tensor>> cotangents_;
};

// `usual`, or the next width that is whole blocks of the type.
inline int64_t WidthOf(DType dtype, int64_t usual) {
  const int64_t block = Info(dtype).block;
  return (usual + block - 1) / block * block;
}

// A weight of a case: values, their stored form, and what the backend packs from it. The values are F32, or F64 where
// both the backend and the case want plain numbers (finite differences move them).
class CaseWeight {
 public:
  CaseWeight(DType activation, DType dtype, const Tensor& values, bool shuffled)
      : dtype_(dtype == DType::kF32 && activation == DType::kF64 ? DType::kF64 : dtype),
        values_(values),
        stored_(MatrixBytes(dtype_, values.rows(), values.cols())) {
    if (!shuffled) return;
    RLVR_CHECK(values.rows() % 7 != 0, "the shuffle is a permutation when 7 does not divide the rows");
    for (int64_t r = 0; r < values.rows(); ++r) order_.push_back(static_cast<int32_t>((r * 7 + 3) % values.rows()));
  }
  void Pack(Ops& ops) {
    Store();
    if (!memory_) memory_ = std::make_unique<Memory>(ops.PackedBytes(dtype_, values_.rows(), values_.cols()));
    packed_.data = memory_->data();
    packed_.bytes = memory_->bytes();
    std::memset(packed_.data, 0, packed_.bytes);
    const int32_t* order = order_.empty() ? nullptr : order_.data();
    ops.Pack({dtype_, values_.rows(), values_.cols(), stored_.data(), order}, packed_);
  }
  const PackedWeight& packed() const { return packed_; }
  // Packed row r comes from this row of the values.
  int64_t SourceRow(int64_t r) const { return order_.empty() ? r : order_[r]; }

 private:
  void Store() {
    if (dtype_ == DType::kF64) {
      auto* to = reinterpret_cast<double*>(stored_.data());
      for (int64_t i = 0; i < values_.size(); ++i) to[i] = values_.At(i / values_.cols(), i % values_.cols());
      return;
    }
    const auto read = [this](int64_t r, float* row) {
      for (int64_t i = 0; i < values_.cols(); ++i) row[i] = static_cast<float>(values_.At(r, i));
    };
    ThreadPool one(1);
    QuantizeScratch scratch;
    QuantizeMatrix(dtype_, read, values_.rows(), values_.cols(), one, scratch, stored_.data());
  }

  DType dtype_;
  Tensor values_;
  Memory stored_;
  std::vector<int32_t> order_;
  std::unique_ptr<Memory> memory_;
  PackedWeight packed_;
};

// A named recipe for a case; the backend decides the activation type.
struct CaseEntry {
  std::string name;
  std::function<std::unique_ptr<OpCase>(Ops&)> make;
};
using CaseList = std::vector<CaseEntry>;

template <typename Case, typename Spec>
CaseList MakeCases(const std::string& op, const std::vector<Spec>& specs) {
  CaseList list;
  for (const Spec& spec : specs) {
    list.push_back({op + ": " + spec.name, [spec](Ops& ops) { return std::make_unique<Case>(ops, spec); }});
  }
  return list;
}

}  // namespace rlvr::test
