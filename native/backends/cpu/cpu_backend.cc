// Construction, workspace, and the ops on rows and elements.
#include "backends/cpu/cpu_backend.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "backends/cpu/isa.h"

namespace rlvr {

std::unique_ptr<Ops> CreateCpuBackend(ThreadPool& pool) { return std::make_unique<cpu::CpuBackend>(pool); }

namespace cpu {

namespace {
size_t RoundUp(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t RowNumbersBytes(const WorkspaceLimits& limits) {
  // A norm over heads has heads rows a token.
  return RoundUp(static_cast<size_t>(limits.max_rows * std::max<int64_t>(limits.heads, 1)) * sizeof(float));
}

size_t ScratchBytes(const Kernels& kernels, const WorkspaceLimits& limits) {
  return RoundUp(std::max(kProductScratch, kernels.attention_scratch(std::max<int64_t>(limits.head_dim, 1))));
}
}  // namespace

CpuBackend::CpuBackend(ThreadPool& pool) : pool_(pool), kernels_(ChooseKernels()) {}

size_t CpuBackend::WorkspaceBytes(const WorkspaceLimits& limits) const {
  return ScratchBytes(kernels_, limits) * static_cast<size_t>(pool_.threads()) + RowNumbersBytes(limits) +
         HeadMemoryBytes(limits, pool_.threads());
}

void CpuBackend::SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) {
  RLVR_CHECK(bytes >= WorkspaceBytes(limits), "a workspace of ", bytes, " bytes");
  limits_ = limits;
  scratch_ = memory;
  scratch_bytes_ = ScratchBytes(kernels_, limits);
  memory += scratch_bytes_ * static_cast<size_t>(pool_.threads());
  row_numbers_ = reinterpret_cast<float*>(memory);
  head_memory_ = memory + RowNumbersBytes(limits);
}

void CpuBackend::RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) {
  const Floats from = View(x), to = View(y), w = View(weight);
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == y.cols() && weight.cols() == x.cols());
  Split(x.rows(), x.size(), [&](int64_t begin, int64_t end) {
    kernels_.rms_norm(from, w.data, static_cast<float>(eps), static_cast<float>(weight_offset), to, begin, end);
  });
}

void CpuBackend::RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                                 const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) {
  const Floats from = View(x), w = View(weight), grad = View(dy), to = View(dx);
  const auto e = static_cast<float>(eps), offset = static_cast<float>(weight_offset);
  RLVR_CHECK(x.rows() == dy.rows() && x.rows() == dx.rows() && x.cols() == dy.cols() && x.cols() == dx.cols());
  if (dweight.defined()) {  // first, because dx may be dy
    RLVR_CHECK(static_cast<size_t>(x.rows()) * sizeof(float) <= RowNumbersBytes(limits_), "a norm of ", x.rows(),
               " rows; the workspace is for ", limits_.max_rows, " tokens of ", limits_.heads, " heads");
    Split(x.rows(), x.size(),
          [&](int64_t begin, int64_t end) { kernels_.rms_scales(from, e, row_numbers_, begin, end); });
    const Floats dw = View(dweight);
    Split((x.cols() + 15) / 16, x.size(), [&](int64_t begin, int64_t end) {
      kernels_.rms_norm_dweight(from, row_numbers_, grad, dw.data, begin * 16, std::min(end * 16, from.cols));
    });
  }
  Split(x.rows(), x.size(), [&](int64_t begin, int64_t end) {
    kernels_.rms_norm_backward(from, w.data, e, offset, grad, accumulate, to, begin, end);
  });
}

void CpuBackend::Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                      bool inverse) {
  const Floats to = View(x), c = View(cos), s = View(sin);
  RLVR_CHECK(x.cols() == heads * head_dim && c.rows == x.rows() && s.cols == c.cols && 2 * c.cols <= head_dim);
  Split(x.rows(), x.size(),
        [&](int64_t begin, int64_t end) { kernels_.rope(to, c, s, heads, head_dim, inverse, begin, end); });
}

void CpuBackend::GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) {
  const Floats g = View(gate), u = View(up), to = View(y);
  RLVR_CHECK(g.rows == to.rows && u.rows == to.rows && g.cols == to.cols && u.cols == to.cols);
  Split(y.rows(), y.size(), [&](int64_t begin, int64_t end) { kernels_.gated(g, u, act, to, begin, end); });
}

void CpuBackend::GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                                         const Tensor& dgate, const Tensor& dup) {
  const Floats g = View(gate), u = View(up), d = View(dy), dg = View(dgate), du = View(dup);
  RLVR_CHECK(g.rows == d.rows && u.rows == d.rows && g.cols == d.cols && u.cols == d.cols);
  Split(dy.rows(), dy.size(),
        [&](int64_t begin, int64_t end) { kernels_.gated_backward(g, u, act, d, dg, du, begin, end); });
}

void CpuBackend::Add(const Tensor& x, const Tensor& y) {
  const Floats from = View(x), to = View(y);
  RLVR_CHECK(from.rows == to.rows && from.cols == to.cols);
  Split(y.rows(), y.size(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels_.axpy(1.0f, from.Row(r), to.Row(r), to.cols);
  });
}

void CpuBackend::Copy(const Tensor& x, const Tensor& y) {
  const Floats from = View(x), to = View(y);
  RLVR_CHECK(from.rows == to.rows && from.cols == to.cols);
  Split(y.rows(), y.size(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::memmove(to.Row(r), from.Row(r), static_cast<size_t>(to.cols) * sizeof(float));
    }
  });
}

void CpuBackend::Zero(const Tensor& y) {
  const Floats to = View(y);
  Split(y.rows(), y.size(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) std::memset(to.Row(r), 0, static_cast<size_t>(to.cols) * sizeof(float));
  });
}

void CpuBackend::GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) {
  const Floats from = View(x), to = View(y);
  const int32_t* index = rows.I32();
  RLVR_CHECK(rows.cols() == y.rows() && from.cols == to.cols);
  Split(y.rows(), y.size(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(to.Row(i), from.Row(index[i]), static_cast<size_t>(to.cols) * sizeof(float));
    }
  });
}

// Columns are split, so that each element adds up its rows in order.
void CpuBackend::GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
  const Floats from = View(dy), to = View(dx);
  const int32_t* index = rows.I32();
  RLVR_CHECK(rows.cols() == dy.rows() && from.cols == to.cols);
  Split((to.cols + 15) / 16, dy.size(), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * 16, count = std::min(end * 16, to.cols) - first;
    for (int64_t i = 0; i < from.rows; ++i) kernels_.axpy(1.0f, from.Row(i) + first, to.Row(index[i]) + first, count);
  });
}

void CpuBackend::SumRows(const Tensor& dy, const Tensor& db) {
  const Floats from = View(dy), to = View(db);
  RLVR_CHECK(from.cols == to.cols);
  Split((to.cols + 15) / 16, dy.size(), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * 16, count = std::min(end * 16, to.cols) - first;
    for (int64_t r = 0; r < from.rows; ++r) kernels_.axpy(1.0f, from.Row(r) + first, to.data + first, count);
  });
}

// Chunks of fixed size, each summed in double in order, then the chunks in order.
double CpuBackend::SumSquares(const Tensor& x) {
  constexpr int64_t kChunk = 4096, kChunksAtOnce = 512;
  const Floats from = View(x);
  std::array<double, kChunksAtOnce> sums;
  double total = 0;
  const bool flat = x.contiguous();
  const int64_t rows = flat ? 1 : from.rows, length = flat ? x.size() : from.cols;
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = from.Row(r);
    const int64_t chunks = (length + kChunk - 1) / kChunk;
    for (int64_t first = 0; first < chunks; first += kChunksAtOnce) {
      const int64_t count = std::min(kChunksAtOnce, chunks - first);
      Split(count, count * kChunk, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) {
          const int64_t from_index = (first + c) * kChunk, to_index = std::min(length, from_index + kChunk);
          double sum = 0;
          for (int64_t i = from_index; i < to_index; ++i) sum += static_cast<double>(row[i]) * row[i];
          sums[static_cast<size_t>(c)] = sum;
        }
      });
      for (int64_t c = 0; c < count; ++c) total += sums[static_cast<size_t>(c)];
    }
  }
  return total;
}

void CpuBackend::AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) {
  RLVR_CHECK(p.size() == g.size() && p.size() == m.size() && p.size() == v.size());
  RLVR_CHECK(p.contiguous() && g.contiguous() && m.contiguous() && v.contiguous(), "AdamW takes whole tensors");
  const auto step = static_cast<double>(params.step);
  AdamWArgs args;
  args.p = View(p).data;
  args.g = View(g).data;
  args.m = View(m).data;
  args.v = View(v).data;
  args.decay = static_cast<float>(1 - params.learning_rate * params.weight_decay);
  args.beta1 = static_cast<float>(params.beta1);
  args.beta2 = static_cast<float>(params.beta2);
  args.rest1 = static_cast<float>(1 - params.beta1);
  args.rest2 = static_cast<float>(1 - params.beta2);
  args.step_size = static_cast<float>(params.learning_rate / (1 - std::pow(params.beta1, step)));
  args.inverse_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(params.beta2, step)));
  args.eps = static_cast<float>(params.eps);
  args.gradient_scale = static_cast<float>(params.gradient_scale);
  Split((p.size() + 15) / 16, p.size(),
        [&](int64_t begin, int64_t end) { kernels_.adamw(args, begin * 16, std::min(end * 16, p.size())); });
}

}  // namespace cpu
}  // namespace rlvr
