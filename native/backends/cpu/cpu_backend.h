// The fast cpu backend: F32 activations, kernels of the instruction set chosen at load, work split over a thread pool.
// Results do not depend on the number of threads or of rows (ops.h); how each op keeps that is said at its kernel.
#pragma once

#include "backends/backend.h"
#include "backends/cpu/kernels.h"

namespace rlvr::cpu {

class CpuBackend : public Ops {
 public:
  explicit CpuBackend(ThreadPool& pool);

  const char* name() const override { return "cpu"; }
  const char* isa() const override { return kernels_.name; }
  DType ActivationType() const override { return DType::kF32; }
  size_t WorkspaceBytes(const WorkspaceLimits& limits) const override;
  void SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) override;
  size_t PeakLogitsBytes() const override { return peak_logits_bytes_; }

  size_t PackedBytes(DType dtype, int64_t out, int64_t in) const override;
  void Pack(const WeightSource& source, PackedWeight& w) override;
  void Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) override;
  void EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) override;
  void Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) override;
  void Linears(const Tensor& x, std::span<const LinearPart> parts) override;
  void LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) override;
  void LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) override;
  void Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) override;
  void LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora, const Tensor& du,
                    const Tensor& da, const Tensor& db, const Tensor& dx) override;
  void Transpose(const Tensor& from, const Tensor& to) override;

  void RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) override;
  void RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& dy,
                       bool accumulate, const Tensor& dx, const Tensor& dweight) override;
  void Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
            bool inverse) override;
  void GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) override;
  void GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                               const Tensor& dgate, const Tensor& dup) override;
  void Add(const Tensor& x, const Tensor& y) override;
  void Copy(const Tensor& x, const Tensor& y) override;
  void Zero(const Tensor& y) override;
  void GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) override;
  void GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) override;
  void SumRows(const Tensor& dy, const Tensor& db) override;

  void WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) override;
  void Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                 const Tensor& out, const Tensor& lse) override;
  void AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                         const Tensor& out, const Tensor& lse, const Tensor& dout, const Tensor& dq, const Tensor& dk,
                         const Tensor& dv) override;

  void HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& uniform,
                  const Tensor& tokens, const HeadOutputs& out) override;
  void HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& target,
                    const HeadOutputs& out) override;
  void HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out, const Tensor& dhidden,
                const Tensor& dweight) override;

  double SumSquares(const Tensor& x) override;
  void AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) override;

 private:
  friend class HeadPass;

  std::byte* Scratch(int thread) const { return scratch_ + static_cast<size_t>(thread) * scratch_bytes_; }
  // Splits a product over the threads.
  void Multiply(Product product);
  void MultiplyFewRows(FewRows rows);
  // Runs all of it on this thread.
  void MultiplyHere(Product product, std::byte* scratch) const;
  void PlanRows(Product& product, int threads) const;
  // body(begin, end) over parts of [0, count); on this thread alone when the work is too small to hand out.
  template <typename Body>
  void Split(int64_t count, int64_t work, const Body& body) {
    constexpr int64_t kWorthHandingOut = 16 * 1024;  // elements touched: about the microsecond that waking costs
    if (work < kWorthHandingOut) {
      if (count > 0) body(int64_t{0}, count);
    } else {
      pool_.ParallelFor(count, [&](int64_t begin, int64_t end, int) { body(begin, end); });
    }
  }

  ThreadPool& pool_;
  const Kernels& kernels_;
  WorkspaceLimits limits_;
  std::byte* scratch_ = nullptr;  // one part a thread
  size_t scratch_bytes_ = 0;      // of a part
  float* row_numbers_ = nullptr;  // one a norm row
  std::byte* head_memory_ = nullptr;
  size_t peak_logits_bytes_ = 0;
};

// An F32 tensor as the kernels take it.
inline Floats View(const Tensor& t) {
  if (!t.defined()) return {};
  RLVR_CHECK(t.dtype() == DType::kF32, "the cpu backend takes F32, not ", Info(t.dtype()).name);
  return {t.F32(), t.rows(), t.cols(), t.stride()};
}

inline Factor PackedFactor(const PackedWeight& w, bool transposed) {
  Factor factor;
  factor.kind = transposed ? Factor::Kind::kPackedTransposed : Factor::Kind::kPacked;
  factor.dtype = w.dtype;
  factor.packed = w.data;
  factor.in = w.in;
  return factor;
}

inline Factor PlainFactor(const Floats& b) {
  Factor factor;
  factor.plain = b.data;
  factor.stride = b.stride;
  return factor;
}

// Bytes of the head's part of the workspace.
size_t HeadMemoryBytes(const WorkspaceLimits& limits, int threads);

}  // namespace rlvr::cpu
