// Ops that shows each call to an observer, for profiles and benchmarks. Without one a call costs a branch.
#pragma once

#include <memory>

#include "ops/op_call.h"
#include "ops/ops.h"

namespace rlvr {

// What an op call does, to be run by the observer: once, or more often to time it. A reference: valid during the call.
class OpBody {
 public:
  template <typename F>
  OpBody(F& body) : object_(&body), run_([](void* object) { (*static_cast<F*>(object))(); }) {}
  void operator()() const { run_(object_); }

 private:
  void* object_;
  void (*run_)(void*);
};

class OpObserver {
 public:
  virtual ~OpObserver() = default;
  // Runs the body at least once.
  virtual void Observe(const OpCall& call, const OpBody& body) = 0;
};

class ObservedOps : public Ops {
 public:
  explicit ObservedOps(std::unique_ptr<Ops> ops, OpObserver* observer = nullptr)
      : ops_(std::move(ops)), observer_(observer) {}
  // Null: nobody looks. Only between ops.
  void SetObserver(OpObserver* observer) { observer_ = observer; }

  const char* name() const override { return ops_->name(); }
  const char* isa() const override { return ops_->isa(); }
  DType ActivationType() const override { return ops_->ActivationType(); }
  DType ParameterType() const override { return ops_->ParameterType(); }
  DType KvType() const override { return ops_->KvType(); }
  DeviceMemory& memory() override { return ops_->memory(); }
  void BeginBatch(const SpanView& batch) override { ops_->BeginBatch(batch); }
  void RunPass(const std::function<void()>& pass) override { ops_->RunPass(pass); }
  size_t WorkspaceBytes(const WorkspaceLimits& limits) const override { return ops_->WorkspaceBytes(limits); }
  void SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) override {
    ops_->SetWorkspace(limits, memory, bytes);
  }
  size_t PeakLogitsBytes() const override { return ops_->PeakLogitsBytes(); }

  size_t PackedBytes(DType dtype, int64_t out, int64_t in) const override { return ops_->PackedBytes(dtype, out, in); }
  void Pack(const WeightSource& source, PackedWeight& w) override;
  void PackMaster(const Tensor& master, PackedWeight& w) override { ops_->PackMaster(master, w); }
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
  // describe() gives the OpCall; it is asked only when somebody looks.
  template <typename Describe, typename Body>
  void Show(const Describe& describe, Body body) {
    if (observer_ == nullptr) return body();
    observer_->Observe(describe(), body);
  }

  std::unique_ptr<Ops> ops_;
  OpObserver* observer_;
};

}  // namespace rlvr
