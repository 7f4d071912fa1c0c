// The op contract on an NVIDIA GPU: BF16 activations, F32 sums, F32 parameters. The same sources run on the host
// against the emulator. Each op is defined in the file that holds its kernels: rms_norm.cu, rope.cu, linear.cu, ...
#pragma once

#include <memory>
#include <string>

#include "backends/cuda/cuda_scratch.h"
#include "backends/cuda/cuda_memory.h"
#include "backends/cuda/graph.h"
#include "backends/cuda/runtime.h"
#include "ops/ops.h"

namespace rlvr::cuda {

struct CudaOptions {
  int device = 0;
  DType kv_type = DType::kBF16;  // or kF8E4M3
};

class CudaBackend final : public Ops {
 public:
  // Throws RLVR_CUDA when there is no usable driver or card.
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;

  const char* name() const override;
  const char* isa() const override { return card_.c_str(); }
  DType ActivationType() const override { return DType::kBF16; }
  DType ParameterType() const override { return DType::kF32; }
  DType KvType() const override { return options_.kv_type; }
  DeviceMemory& memory() override { return *memory_; }
  size_t WorkspaceBytes(const WorkspaceLimits& limits) const override { return ScratchBytes(limits); }
  void SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) override;
  size_t PeakLogitsBytes() const override { return peak_logits_bytes_; }
  void BeginBatch(const SpanView& batch) override;
  void RunPass(const std::function<void()>& pass) override;

  size_t PackedBytes(DType dtype, int64_t out, int64_t in) const override;
  void Pack(const WeightSource& source, PackedWeight& w) override;
  void PackMaster(const Tensor& master, PackedWeight& w) override;
  void Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) override;
  void EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) override;
  void Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) override;
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

  // --- pieces that ops share ---
  // y = x w[first : first + count, :]^T (+ bias, F32 [1, count]). y: [T, count], BF16 or F32.
  void LinearSlice(const Tensor& x, const PackedWeight& w, int64_t first, int64_t count, const Tensor& bias,
                   const Tensor& y);
  // dx (+)= dy w[first : first + count, :]. dy: BF16 [T, count]; dx: [T, in], BF16 or F32.
  void LinearSliceInputGrad(const Tensor& dy, const PackedWeight& w, int64_t first, int64_t count, bool accumulate,
                            const Tensor& dx);
  cudaStream_t stream() const { return stream_; }
  const CudaScratch& scratch() const { return scratch_; }

 private:
  // Brings the spans of the batch and the work lists of the attention kernels to the card.
  void UploadBatch(const SpanView& batch);

  CudaOptions options_;
  std::string card_;
  cudaStream_t stream_ = nullptr;
  std::unique_ptr<CudaMemory> memory_;
  RecordedPass recorded_;
  bool in_pass_ = false;
  CudaScratch scratch_;
  WorkspaceLimits limits_;
  size_t peak_logits_bytes_ = 0;
};

}  // namespace rlvr::cuda
