// A matrix product with random operands: computed on the card and, exactly enough, in double.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/gemm.h"
#include "core/dtype.h"
#include "core/rng.h"
#include "device_array.h"
#include "test.h"

namespace rlvr::test {

using cuda::Bf16;

inline double ValueOf(Bf16 x) { return Bf16ToF32(x.bits); }
inline double ValueOf(float x) { return x; }

// Uniform in [-2, 2), rounded; sums of their products are rarely exact in F32, so that their order shows.
inline std::vector<Bf16> RandomBf16(size_t count, uint64_t seed) {
  std::vector<Bf16> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = {F32ToBf16(static_cast<float>(4 * UniformFor(seed, i, 0, 0) - 2))};
  return values;
}

// Linear scratch of the given size.
class ScratchOf {
 public:
  explicit ScratchOf(size_t bytes = size_t{8} << 20) : memory_(std::vector<std::byte>(bytes)) {
    scratch_.gemm.workspace = memory_.data();
    scratch_.gemm.bytes = bytes;
  }
  operator const cuda::LinearScratch&() const { return scratch_; }

 private:
  DeviceArray<std::byte> memory_;
  cuda::LinearScratch scratch_;
};

struct GemmProblem {
  int64_t m = 0, n = 0, k = 0;
  bool a_transposed = false, b_transposed = false;
  bool c_is_f32 = false, accumulate = false, has_bias = false, may_split = false;
  float alpha = 1;
  int64_t pad = 0;     // elements between the rows of all three matrices
  int64_t offset = 0;  // elements before each
  uint64_t seed = 1;

  std::string Name() const {
    return Concat(m, "x", n, "x", k, a_transposed ? " A^T" : "", b_transposed ? " B^T" : "", c_is_f32 ? " F32" : "",
                  accumulate ? " +=" : "", has_bias ? " bias" : "", may_split ? " split" : "", " alpha ", alpha,
                  " pad ", pad, " offset ", offset);
  }
};

// The operands of a problem on the host and on the card.
class GemmOperands {
 public:
  explicit GemmOperands(const GemmProblem& problem)
      : problem_(problem),
        lda_((problem.a_transposed ? problem.m : problem.k) + problem.pad),
        ldb_((problem.b_transposed ? problem.k : problem.n) + problem.pad),
        ldc_(problem.n + problem.pad),
        a_(RandomBf16(Size(problem.a_transposed ? problem.k : problem.m, lda_), problem.seed)),
        b_(RandomBf16(Size(problem.b_transposed ? problem.n : problem.k, ldb_), problem.seed + 1)),
        c_(RandomBf16(Size(problem.m, ldc_), problem.seed + 2)),
        device_a_(a_),
        device_b_(b_),
        device_c_(c_),
        device_c_f32_(Floats(c_)),
        bias_(Floats(RandomBf16(static_cast<size_t>(problem.n + problem.offset), problem.seed + 3))),
        device_bias_(bias_) {}

  cuda::GemmCall Call() const {
    cuda::GemmCall call;
    call.m = problem_.m, call.n = problem_.n, call.k = problem_.k;
    call.a = device_a_.data() + problem_.offset, call.lda = lda_, call.a_transposed = problem_.a_transposed;
    call.b = device_b_.data() + problem_.offset, call.ldb = ldb_, call.b_transposed = problem_.b_transposed;
    call.c = problem_.c_is_f32 ? static_cast<void*>(device_c_f32_.data() + problem_.offset)
                               : static_cast<void*>(device_c_.data() + problem_.offset);
    call.ldc = ldc_, call.c_is_f32 = problem_.c_is_f32, call.accumulate = problem_.accumulate;
    call.alpha = problem_.alpha, call.may_split = problem_.may_split;
    if (problem_.has_bias) call.bias = device_bias_.data() + problem_.offset;
    return call;
  }

  // The card's C in all its memory, gaps included, after restoring what it was before.
  void Reset() {
    device_c_.Set(c_);
    device_c_f32_.Set(Floats(c_));
  }
  std::vector<double> Result() const {
    std::vector<double> values;
    if (problem_.c_is_f32) {
      for (float x : device_c_f32_.Get()) values.push_back(x);
    } else {
      for (Bf16 x : device_c_.Get()) values.push_back(ValueOf(x));
    }
    return values;
  }

  // What Result() should be, and by how much it may differ, the sum running over the first `k` products.
  struct Expected {
    std::vector<double> values, tolerances;
  };
  Expected Expect(int64_t k) const {
    Expected expected;
    for (Bf16 x : c_) expected.values.push_back(ValueOf(x));
    expected.tolerances.assign(expected.values.size(), 0);
    for (int64_t i = 0; i < problem_.m; ++i) {
      for (int64_t j = 0; j < problem_.n; ++j) {
        double sum = 0, size = 0;
        for (int64_t l = 0; l < k; ++l) {
          const double product = A(i, l) * B(l, j);
          sum += product;
          size += std::fabs(product);
        }
        const size_t at = static_cast<size_t>(problem_.offset + i * ldc_ + j);
        const double bias = problem_.has_bias ? bias_[static_cast<size_t>(problem_.offset + j)] : 0.0;
        const double old = problem_.accumulate ? expected.values[at] : 0.0;
        const double value = problem_.alpha * sum + bias + old;
        // Each F32 addition errs by half a unit in the last place of what has been added up; then C is rounded.
        const double added = std::fabs(problem_.alpha) * size + std::fabs(bias) + std::fabs(old);
        const double rounding = problem_.c_is_f32 ? 0.0 : std::ldexp(std::fabs(value), -8);
        expected.tolerances[at] = std::ldexp(added * static_cast<double>(k + 4), -24) + rounding;
        expected.values[at] = value;
      }
    }
    return expected;
  }
  Expected Expect() const { return Expect(problem_.k); }

 private:
  size_t Size(int64_t rows, int64_t ld) const { return static_cast<size_t>(problem_.offset + rows * ld); }
  static std::vector<float> Floats(const std::vector<Bf16>& values) {
    std::vector<float> floats;
    for (Bf16 x : values) floats.push_back(static_cast<float>(ValueOf(x)));
    return floats;
  }
  double A(int64_t i, int64_t l) const {
    return ValueOf(a_[static_cast<size_t>(problem_.offset + (problem_.a_transposed ? l * lda_ + i : i * lda_ + l))]);
  }
  double B(int64_t l, int64_t j) const {
    return ValueOf(b_[static_cast<size_t>(problem_.offset + (problem_.b_transposed ? j * ldb_ + l : l * ldb_ + j))]);
  }

  GemmProblem problem_;
  int64_t lda_, ldb_, ldc_;
  std::vector<Bf16> a_, b_, c_;
  DeviceArray<Bf16> device_a_, device_b_, device_c_;
  DeviceArray<float> device_c_f32_;
  std::vector<float> bias_;
  DeviceArray<float> device_bias_;
};

// How many elements differ by more than they may; NaNs do.
inline int64_t CountWrong(const std::vector<double>& got, const GemmOperands::Expected& expected) {
  int64_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (!(std::fabs(got[i] - expected.values[i]) <= expected.tolerances[i])) ++wrong;
  }
  return wrong;
}

}  // namespace rlvr::test
