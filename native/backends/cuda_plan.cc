// The cuda backend's types and sizes without its kernels: a plan of a run for a card is made on any machine.
#include "backends/backend.h"
#include "backends/cuda/cuda_scratch.h"
#include "backends/cuda/weight_layout.h"
#include "core/error.h"

namespace rlvr {

namespace {

class CudaPlan final : public Ops {
 public:
  explicit CudaPlan(bool fp8_kv) : kv_type_(fp8_kv ? DType::kF8E4M3 : DType::kBF16) {}

  const char* name() const override { return "cuda"; }
  const char* isa() const override { return "planned"; }
  DType ActivationType() const override { return DType::kBF16; }
  DType ParameterType() const override { return DType::kF32; }
  DType KvType() const override { return kv_type_; }
  size_t WorkspaceBytes(const WorkspaceLimits& limits) const override { return cuda::ScratchBytes(limits); }
  void SetWorkspace(const WorkspaceLimits&, std::byte*, size_t) override {}
  size_t PeakLogitsBytes() const override { return 0; }
  size_t PackedBytes(DType dtype, int64_t out, int64_t in) const override { return cuda::PackedBytes(dtype, out, in); }

  // A model that is only planned is never run.
  void Pack(const WeightSource&, PackedWeight&) override { Never(); }
  void Embed(const Tensor&, const PackedWeight&, double, const Tensor&) override { Never(); }
  void EmbedBackward(const Tensor&, double, const Tensor&, const Tensor&) override { Never(); }
  void Linear(const Tensor&, const PackedWeight&, const Tensor&, const Tensor&) override { Never(); }
  void LinearInputGrad(const Tensor&, const PackedWeight&, bool, const Tensor&) override { Never(); }
  void LinearWeightGrad(const Tensor&, const Tensor&, const Tensor&) override { Never(); }
  void Lora(const Tensor&, const LoraView&, const Tensor&, const Tensor&) override { Never(); }
  void LoraBackward(const Tensor&, const Tensor&, const Tensor&, const LoraView&, const Tensor&, const Tensor&,
                    const Tensor&, const Tensor&) override {
    Never();
  }
  void Transpose(const Tensor&, const Tensor&) override { Never(); }
  void RmsNorm(const Tensor&, const Tensor&, double, double, const Tensor&) override { Never(); }
  void RmsNormBackward(const Tensor&, const Tensor&, double, double, const Tensor&, bool, const Tensor&,
                       const Tensor&) override {
    Never();
  }
  void Rope(const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, bool) override { Never(); }
  void GatedActivation(const Tensor&, const Tensor&, Activation, const Tensor&) override { Never(); }
  void GatedActivationBackward(const Tensor&, const Tensor&, Activation, const Tensor&, const Tensor&,
                               const Tensor&) override {
    Never();
  }
  void Add(const Tensor&, const Tensor&) override { Never(); }
  void Copy(const Tensor&, const Tensor&) override { Never(); }
  void Zero(const Tensor&) override { Never(); }
  void GatherRows(const Tensor&, const Tensor&, const Tensor&) override { Never(); }
  void GatherRowsBackward(const Tensor&, const Tensor&, const Tensor&) override { Never(); }
  void SumRows(const Tensor&, const Tensor&) override { Never(); }
  void WriteKv(const Tensor&, const Tensor&, const SpanView&, const KvView&) override { Never(); }
  void Attention(const Tensor&, const KvView&, const SpanView&, const AttentionParams&, const Tensor&,
                 const Tensor&) override {
    Never();
  }
  void AttentionBackward(const Tensor&, const KvView&, const SpanView&, const AttentionParams&, const Tensor&,
                         const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override {
    Never();
  }
  void HeadSample(const Tensor&, const HeadParams&, const SamplingParams&, const Tensor&, const Tensor&,
                  const HeadOutputs&) override {
    Never();
  }
  void HeadLogprobs(const Tensor&, const HeadParams&, const SamplingParams&, const Tensor&,
                    const HeadOutputs&) override {
    Never();
  }
  void HeadLoss(const Tensor&, const HeadParams&, const SamplingParams&, const HeadTargets&, const TokenLoss&,
                const HeadOutputs&, const Tensor&, const Tensor&) override {
    Never();
  }
  double SumSquares(const Tensor&) override { Never(); }
  void AdamW(const AdamWParams&, const Tensor&, const Tensor&, const Tensor&, const Tensor&) override { Never(); }

 private:
  [[noreturn]] static void Never() { CheckFailed("planned", __FILE__, __LINE__, "a planned model was run"); }

  DType kv_type_;
};

}  // namespace

std::unique_ptr<Ops> CreateCudaPlan(bool fp8_kv) { return std::make_unique<CudaPlan>(fp8_kv); }

}  // namespace rlvr
