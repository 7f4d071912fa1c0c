// Runs the shared op cases, whose tensors are F32 on the host, on a backend with a memory and types of its own: each
// call uploads its inputs in the types of the contract, runs, and brings the outputs back.
#pragma once

#include <map>
#include <memory>

#include "op_cases/op_case.h"

namespace rlvr::test {

class StagedOps final : public Ops {
 public:
  explicit StagedOps(Ops& device) : device_(device) {}
  ~StagedOps() override;

  const char* name() const override { return device_.name(); }
  DType ActivationType() const override { return DType::kF32; }
  size_t WorkspaceBytes(const WorkspaceLimits&) const override { return 0; }
  void SetWorkspace(const WorkspaceLimits&, std::byte*, size_t) override {}
  size_t PeakLogitsBytes() const override { return device_.PeakLogitsBytes(); }
  // Something was written that is no element of an output view.
  bool overran() const { return overran_; }

  size_t PackedBytes(DType dtype, int64_t out, int64_t in) const override {
    return device_.PackedBytes(dtype, out, in);
  }
  void Pack(const WeightSource& source, PackedWeight& w) override;
  void Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) override;
  void EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) override;
  void Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) override;
  void LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) override;
  void LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) override;
  void Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) override;
  void Linears(const Tensor& x, std::span<const LinearPart> parts) override;
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
  class Call;
  const PackedWeight& PackedOf(const PackedWeight& w) const { return packed_.at(w.data); }
  KvView PagesOf(const KvView& kv);
  std::byte* Take(size_t bytes);

  Ops& device_;
  std::map<const void*, PackedWeight> packed_;  // by the address of the case's own packed bytes
  std::map<const void*, KvView> pages_;         // by the address of the case's keys; they stay on the device
  std::vector<std::pair<std::byte*, size_t>> owned_;
  bool overran_ = false;
};

}  // namespace rlvr::test
