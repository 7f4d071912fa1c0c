// Ops that are not written yet: weak, so that a definition elsewhere takes over.
#include "backends/cuda/cuda_backend.h"

namespace rlvr::cuda {

namespace {
[[noreturn]] void Missing(const char* op) {
  throw Error(ErrorCode::kUnsupported, Concat("[cuda] ", op, " is not written yet."));
}
}  // namespace

__attribute__((weak)) size_t CudaBackend::PackedBytes(DType, int64_t, int64_t) const { Missing("PackedBytes"); }
__attribute__((weak)) void CudaBackend::Pack(const WeightSource&, PackedWeight&) { Missing("Pack"); }
__attribute__((weak)) void CudaBackend::PackMaster(const Tensor&, PackedWeight&) { Missing("PackMaster"); }
__attribute__((weak)) void CudaBackend::Embed(const Tensor&, const PackedWeight&, double, const Tensor&) {
  Missing("Embed");
}
__attribute__((weak)) void CudaBackend::EmbedBackward(const Tensor&, double, const Tensor&, const Tensor&) {
  Missing("EmbedBackward");
}
__attribute__((weak)) void CudaBackend::Linear(const Tensor&, const PackedWeight&, const Tensor&, const Tensor&) {
  Missing("Linear");
}
__attribute__((weak)) void CudaBackend::LinearInputGrad(const Tensor&, const PackedWeight&, bool, const Tensor&) {
  Missing("LinearInputGrad");
}
__attribute__((weak)) void CudaBackend::LinearWeightGrad(const Tensor&, const Tensor&, const Tensor&) {
  Missing("LinearWeightGrad");
}
__attribute__((weak)) void CudaBackend::Lora(const Tensor&, const LoraView&, const Tensor&, const Tensor&) {
  Missing("Lora");
}
__attribute__((weak)) void CudaBackend::LoraBackward(const Tensor&, const Tensor&, const Tensor&, const LoraView&,
                                                     const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  Missing("LoraBackward");
}
__attribute__((weak)) void CudaBackend::Transpose(const Tensor&, const Tensor&) { Missing("Transpose"); }
__attribute__((weak)) void CudaBackend::RmsNorm(const Tensor&, const Tensor&, double, double, const Tensor&) {
  Missing("RmsNorm");
}
__attribute__((weak)) void CudaBackend::RmsNormBackward(const Tensor&, const Tensor&, double, double, const Tensor&,
                                                        bool, const Tensor&, const Tensor&) {
  Missing("RmsNormBackward");
}
__attribute__((weak)) void CudaBackend::Rope(const Tensor&, const Tensor&, const Tensor&, int64_t, int64_t, bool) {
  Missing("Rope");
}
__attribute__((weak)) void CudaBackend::GatedActivation(const Tensor&, const Tensor&, Activation, const Tensor&) {
  Missing("GatedActivation");
}
__attribute__((weak)) void CudaBackend::GatedActivationBackward(const Tensor&, const Tensor&, Activation, const Tensor&,
                                                                const Tensor&, const Tensor&) {
  Missing("GatedActivationBackward");
}
__attribute__((weak)) void CudaBackend::Add(const Tensor&, const Tensor&) { Missing("Add"); }
__attribute__((weak)) void CudaBackend::Copy(const Tensor&, const Tensor&) { Missing("Copy"); }
__attribute__((weak)) void CudaBackend::Zero(const Tensor&) { Missing("Zero"); }
__attribute__((weak)) void CudaBackend::GatherRows(const Tensor&, const Tensor&, const Tensor&) {
  Missing("GatherRows");
}
__attribute__((weak)) void CudaBackend::GatherRowsBackward(const Tensor&, const Tensor&, const Tensor&) {
  Missing("GatherRowsBackward");
}
__attribute__((weak)) void CudaBackend::SumRows(const Tensor&, const Tensor&) { Missing("SumRows"); }
__attribute__((weak)) void CudaBackend::WriteKv(const Tensor&, const Tensor&, const SpanView&, const KvView&) {
  Missing("WriteKv");
}
__attribute__((weak)) void CudaBackend::Attention(const Tensor&, const KvView&, const SpanView&, const AttentionParams&,
                                                  const Tensor&, const Tensor&) {
  Missing("Attention");
}
__attribute__((weak)) void CudaBackend::AttentionBackward(const Tensor&, const KvView&, const SpanView&,
                                                          const AttentionParams&, const Tensor&, const Tensor&,
                                                          const Tensor&, const Tensor&, const Tensor&, const Tensor&) {
  Missing("AttentionBackward");
}
__attribute__((weak)) void CudaBackend::HeadSample(const Tensor&, const HeadParams&, const SamplingParams&,
                                                   const Tensor&, const Tensor&, const HeadOutputs&) {
  Missing("HeadSample");
}
__attribute__((weak)) void CudaBackend::HeadLogprobs(const Tensor&, const HeadParams&, const SamplingParams&,
                                                     const Tensor&, const HeadOutputs&) {
  Missing("HeadLogprobs");
}
__attribute__((weak)) void CudaBackend::HeadLoss(const Tensor&, const HeadParams&, const SamplingParams&,
                                                 const HeadTargets&, const TokenLoss&, const HeadOutputs&,
                                                 const Tensor&, const Tensor&) {
  Missing("HeadLoss");
}
__attribute__((weak)) double CudaBackend::SumSquares(const Tensor&) { Missing("SumSquares"); }
__attribute__((weak)) void CudaBackend::AdamW(const AdamWParams&, const Tensor&, const Tensor&, const Tensor&,
                                              const Tensor&) {
  Missing("AdamW");
}
__attribute__((weak)) void CudaBackend::LinearSlice(const Tensor&, const PackedWeight&, int64_t, int64_t, const Tensor&,
                                                    const Tensor&) {
  Missing("LinearSlice");
}
__attribute__((weak)) void CudaBackend::LinearSliceInputGrad(const Tensor&, const PackedWeight&, int64_t, int64_t, bool,
                                                             const Tensor&) {
  Missing("LinearSliceInputGrad");
}
__attribute__((weak)) void CudaBackend::UploadBatch(const SpanView&) { Missing("UploadBatch"); }

}  // namespace rlvr::cuda
