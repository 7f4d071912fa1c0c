// Attention on the emulated card, its inputs rounded to BF16, and the same in double.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "backends/cuda/cuda_backend.h"
#include "backends/reference/reference_backend.h"
#include "op_cases/attention.h"

namespace rlvr::test {

using Numbers = std::vector<double>;

// The numbers of a spec's tensors, row by row; all are BF16 numbers.
struct AttentionNumbers {
  Numbers q, k, v, past_k, past_v, dout;
};

struct AttentionResults {
  Numbers out, lse, dq, dk, dv;
};

class AttentionProblem {
 public:
  explicit AttentionProblem(const AttentionSpec& spec) : spec_(spec), tree_(spec.spans), past_(tree_.History()) {
    const int64_t q_cols = spec.heads * spec.head_dim, kv_cols = spec.kv_heads * spec.head_dim;
    numbers.q = Random(tree_.rows() * q_cols, spec.q_scale);
    numbers.k = Random(tree_.rows() * kv_cols, 1);
    numbers.v = Random(tree_.rows() * kv_cols, 1);
    numbers.dout = Random(tree_.rows() * q_cols, 1);
    numbers.past_k = Random(past_.rows() * kv_cols, 1);
    numbers.past_v = Random(past_.rows() * kv_cols, 1);
  }
  const AttentionSpec& spec() const { return spec_; }
  const Tree& tree() const { return tree_; }
  const Tree& past() const { return past_; }
  bool has_backward() const { return past_.rows() == 0; }
  AttentionParams params() const {
    return {.heads = spec_.heads,
            .scale = 1 / std::sqrt(static_cast<double>(spec_.head_dim)),
            .window = spec_.window,
            .softcap = spec_.softcap};
  }
  KvView Pages(std::byte* k, std::byte* v, DType type) const {
    const int64_t heads = tree_.pool_pages() * spec_.kv_heads;
    return {Tensor(k, type, heads * spec_.head_dim, kKvBlock), Tensor(v, type, heads * kKvBlock, spec_.head_dim),
            spec_.kv_heads, spec_.head_dim};
  }

  AttentionNumbers numbers;

 private:
  Numbers Random(int64_t count, double scale) {
    Numbers numbers(static_cast<size_t>(count));
    ++drawn_;
    for (int64_t i = 0; i < count; ++i) {
      const double wide = scale * (2 * UniformFor(7, drawn_, 0, static_cast<uint32_t>(i)) - 1);
      numbers[static_cast<size_t>(i)] = Bf16ToF32(F32ToBf16(static_cast<float>(wide)));
    }
    return numbers;
  }

  AttentionSpec spec_;
  Tree tree_, past_;
  uint64_t drawn_ = 0;
};

// What the definition gives, in double.
inline AttentionResults InDouble(const AttentionProblem& problem) {
  const AttentionSpec& s = problem.spec();
  ReferenceBackend ops(DType::kF64);
  std::vector<Memory> memory;
  memory.reserve(32);
  const auto matrix = [&](int64_t cols, const Numbers& numbers) {
    memory.emplace_back(numbers.size() * sizeof(double));
    std::copy(numbers.begin(), numbers.end(), reinterpret_cast<double*>(memory.back().data()));
    return Tensor(memory.back().data(), DType::kF64, static_cast<int64_t>(numbers.size()) / cols, cols);
  };
  const auto read = [](const Tensor& t) { return Numbers(t.F64(), t.F64() + t.size()); };
  const int64_t rows = problem.tree().rows(), q_cols = s.heads * s.head_dim, kv_cols = s.kv_heads * s.head_dim;
  const auto empty = [&](int64_t cols) { return matrix(cols, Numbers(static_cast<size_t>(rows * cols))); };
  const AttentionNumbers& n = problem.numbers;
  const size_t page_numbers = static_cast<size_t>(problem.tree().pool_pages() * kv_cols * kKvBlock);
  const Tensor k = matrix(kKvBlock, Numbers(page_numbers)), v = matrix(s.head_dim, Numbers(page_numbers));
  const KvView kv = {k, v, s.kv_heads, s.head_dim};
  const Tensor q = matrix(q_cols, n.q), out = empty(q_cols), lse = empty(s.heads);
  if (!problem.has_backward()) {
    ops.WriteKv(matrix(kv_cols, n.past_k), matrix(kv_cols, n.past_v), problem.past().view(), kv);
  }
  const SpanView view = problem.tree().view();
  ops.WriteKv(matrix(kv_cols, n.k), matrix(kv_cols, n.v), view, kv);
  ops.Attention(q, kv, view, problem.params(), out, lse);
  AttentionResults results = {read(out), read(lse), {}, {}, {}};
  if (!problem.has_backward()) return results;
  const Tensor dq = empty(q_cols), dk = empty(kv_cols), dv = empty(kv_cols);
  ops.AttentionBackward(q, kv, view, problem.params(), out, lse, matrix(q_cols, n.dout), dq, dk, dv);
  results.dq = read(dq);
  results.dk = read(dk);
  results.dv = read(dv);
  return results;
}

// The cuda backend with a workspace, and problems run on it.
class AttentionCard {
 public:
  explicit AttentionCard(DType kv_type = DType::kBF16, int64_t max_rows = 1024) : ops_({.kv_type = kv_type}) {
    WorkspaceLimits limits = kLimits;
    limits.max_rows = max_rows;
    const size_t bytes = ops_.WorkspaceBytes(limits);
    ops_.SetWorkspace(limits, Take(bytes), bytes);
  }
  ~AttentionCard() {
    for (const auto& [data, bytes] : owned_) ops_.memory().Free(data, bytes);
  }
  cuda::CudaBackend& ops() { return ops_; }

  // Pages start with stale numbers; outputs with NaN, and columns beside them stay as they were.
  AttentionResults Run(const AttentionProblem& problem) {
    const AttentionSpec& s = problem.spec();
    const AttentionNumbers& n = problem.numbers;
    const int64_t rows = problem.tree().rows(), q_cols = s.heads * s.head_dim, kv_cols = s.kv_heads * s.head_dim;
    const auto page_numbers = problem.tree().pool_pages() * kv_cols * kKvBlock;
    const DType type = ops_.KvType();
    const KvView kv = problem.Pages(Stale(page_numbers, type), Stale(page_numbers, type), type);
    const Tensor lse = New(DType::kF32, rows, s.heads);
    Tensor q, k, v, dq, dk, dv;
    if (s.fused) {
      const Tensor whole = New(DType::kBF16, rows, q_cols + 2 * kv_cols),
                   dwhole = New(DType::kBF16, rows, whole.cols());
      const auto split = [&](const Tensor& t, Tensor& a, Tensor& b, Tensor& c) {
        a = t.Cols(0, q_cols);
        b = t.Cols(q_cols, kv_cols);
        c = t.Cols(q_cols + kv_cols, kv_cols);
      };
      split(whole, q, k, v);
      split(dwhole, dq, dk, dv);
    } else {
      q = New(DType::kBF16, rows, q_cols);
      k = New(DType::kBF16, rows, kv_cols);
      v = New(DType::kBF16, rows, kv_cols);
      dq = New(DType::kBF16, rows, q_cols);
      dk = New(DType::kBF16, rows, kv_cols);
      dv = New(DType::kBF16, rows, kv_cols);
    }
    const Tensor out = New(DType::kBF16, rows, q_cols), dout = New(DType::kBF16, rows, q_cols);
    Put(n.q, q);
    Put(n.k, k);
    Put(n.v, v);
    Put(n.dout, dout);
    if (!problem.has_backward()) {
      const Tensor past_k = New(DType::kBF16, problem.past().rows(), kv_cols);
      const Tensor past_v = New(DType::kBF16, problem.past().rows(), kv_cols);
      Put(n.past_k, past_k);
      Put(n.past_v, past_v);
      ops_.BeginBatch(problem.past().view());
      ops_.WriteKv(past_k, past_v, problem.past().view(), kv);
    }
    const SpanView view = problem.tree().view();
    ops_.BeginBatch(view);
    ops_.WriteKv(k, v, view, kv);
    ops_.Attention(q, kv, view, problem.params(), out, lse);
    AttentionResults results = {Get(out), Get(lse), {}, {}, {}};
    if (!problem.has_backward() || type != DType::kBF16) return results;
    ops_.AttentionBackward(q, kv, view, problem.params(), out, lse, dout, dq, dk, dv);
    results.dq = Get(dq);
    results.dk = Get(dk);
    results.dv = Get(dv);
    return results;
  }

 private:
  static constexpr WorkspaceLimits kLimits = {.max_rows = 0,
                                              .max_in = 64,
                                              .max_out = 64,
                                              .vocab = 64,
                                              .dim = 64,
                                              .max_head_rows = 16,
                                              .max_rank = 16,
                                              .head_dim = 256,
                                              .heads = 64};

  std::byte* Take(size_t bytes) {
    bytes = std::max<size_t>(bytes, 1);
    owned_.emplace_back(ops_.memory().Allocate(bytes, false), bytes);
    return owned_.back().first;
  }
  // All bits set: NaN.
  Tensor New(DType type, int64_t rows, int64_t cols) {
    const std::vector<std::byte> ones(BytesOf(type, rows * cols), std::byte{0xff});
    std::byte* data = Take(ones.size());
    if (!ones.empty()) ops_.memory().Upload(ones.data(), data, ones.size());
    return Tensor(data, type, rows, cols);
  }
  // Large finite numbers: 7.0 in BF16 and 104 in E4M3 are both made of bytes that are finite whatever they pair with.
  std::byte* Stale(int64_t count, DType type) {
    const std::vector<std::byte> bytes(BytesOf(type, count), std::byte{0x40});
    std::byte* data = Take(bytes.size());
    ops_.memory().Upload(bytes.data(), data, bytes.size());
    return data;
  }
  void Put(const Numbers& numbers, const Tensor& t) {
    std::vector<uint16_t> bits(static_cast<size_t>(t.cols()));
    for (int64_t r = 0; r < t.rows(); ++r) {
      for (int64_t c = 0; c < t.cols(); ++c) {
        bits[static_cast<size_t>(c)] = F32ToBf16(static_cast<float>(numbers[static_cast<size_t>(r * t.cols() + c)]));
      }
      ops_.memory().Upload(bits.data(), static_cast<std::byte*>(t.Rows(r, 1).data()), bits.size() * sizeof(uint16_t));
    }
  }
  Numbers Get(const Tensor& t) {
    Numbers numbers;
    for (int64_t r = 0; r < t.rows(); ++r) {
      std::vector<std::byte> bytes(BytesOf(t.dtype(), t.cols()));
      const Tensor row(bytes.data(), t.dtype(), 1, t.cols());
      ops_.memory().Download(static_cast<const std::byte*>(t.Rows(r, 1).data()), bytes.data(), bytes.size());
      for (int64_t c = 0; c < t.cols(); ++c) numbers.push_back(row.At(0, c));
    }
    return numbers;
  }

  cuda::CudaBackend ops_;
  std::vector<std::pair<std::byte*, size_t>> owned_;
};

}  // namespace rlvr::test
