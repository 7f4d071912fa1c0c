// Each op with what it needs; the numbers beside the elementwise ops are flops an element and tensors moved.
#include "ops/observed_ops.h"

namespace rlvr {

using op_call::Elementwise;

void ObservedOps::Pack(const WeightSource& source, PackedWeight& w) {
  Show([&] { return op_call::Pack(source, w.bytes); }, [&] { ops_->Pack(source, w); });
}

void ObservedOps::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  Show([&] { return op_call::Embed(y, w); }, [&] { ops_->Embed(ids, w, scale, y); });
}

void ObservedOps::EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) {
  Show([&] { return Elementwise("EmbedBackward", dy, 2, 3); }, [&] { ops_->EmbedBackward(ids, scale, dy, dw); });
}

void ObservedOps::Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) {
  Show([&] { return op_call::Linear("Linear", x, y, w); }, [&] { ops_->Linear(x, w, bias, y); });
}

void ObservedOps::LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) {
  Show([&] { return op_call::Linear("LinearInputGrad", dx, dy, w); },
       [&] { ops_->LinearInputGrad(dy, w, accumulate, dx); });
}

void ObservedOps::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  Show([&] { return op_call::LinearWeightGrad(dy, x); }, [&] { ops_->LinearWeightGrad(dy, x, dw); });
}

void ObservedOps::Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) {
  Show([&] { return op_call::Lora(x, u, y); }, [&] { ops_->Lora(x, lora, u, y); });
}

void ObservedOps::Linears(const Tensor& x, std::span<const LinearPart> parts) {
  Show([&] { return op_call::Linears(x, parts); }, [&] { ops_->Linears(x, parts); });
}

void ObservedOps::LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                               const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx) {
  Show([&] { return op_call::LoraBackward(x, u, dy, dx.defined()); },
       [&] { ops_->LoraBackward(x, u, dy, lora, du, da, db, dx); });
}

void ObservedOps::Transpose(const Tensor& from, const Tensor& to) {
  Show([&] { return Elementwise("Transpose", to, 0, 2); }, [&] { ops_->Transpose(from, to); });
}

void ObservedOps::RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) {
  Show([&] { return Elementwise("RmsNorm", y, 5, 2); }, [&] { ops_->RmsNorm(x, weight, eps, weight_offset, y); });
}

void ObservedOps::RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                                  const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) {
  Show([&] { return Elementwise("RmsNormBackward", dx, dweight.defined() ? 14 : 10, accumulate ? 4 : 3); },
       [&] { ops_->RmsNormBackward(x, weight, eps, weight_offset, dy, accumulate, dx, dweight); });
}

void ObservedOps::Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                       bool inverse) {
  const double rotated = 2.0 * static_cast<double>(cos.cols()) / static_cast<double>(head_dim);
  Show([&] { return Elementwise("Rope", x, 3 * rotated, 2 * rotated); },
       [&] { ops_->Rope(x, cos, sin, heads, head_dim, inverse); });
}

void ObservedOps::GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) {
  Show([&] { return Elementwise("GatedActivation", y, kSigmoidFlops + 6, 3); },
       [&] { ops_->GatedActivation(gate, up, act, y); });
}

void ObservedOps::GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                                          const Tensor& dgate, const Tensor& dup) {
  Show([&] { return Elementwise("GatedActivationBackward", dy, kSigmoidFlops + 12, 5); },
       [&] { ops_->GatedActivationBackward(gate, up, act, dy, dgate, dup); });
}

void ObservedOps::Add(const Tensor& x, const Tensor& y) {
  Show([&] { return Elementwise("Add", y, 1, 3); }, [&] { ops_->Add(x, y); });
}

void ObservedOps::Copy(const Tensor& x, const Tensor& y) {
  Show([&] { return Elementwise("Copy", y, 0, 2); }, [&] { ops_->Copy(x, y); });
}

void ObservedOps::Zero(const Tensor& y) {
  Show([&] { return Elementwise("Zero", y, 0, 1); }, [&] { ops_->Zero(y); });
}

void ObservedOps::GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) {
  Show([&] { return Elementwise("GatherRows", y, 0, 2); }, [&] { ops_->GatherRows(x, rows, y); });
}

void ObservedOps::GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
  Show([&] { return Elementwise("GatherRowsBackward", dy, 1, 3); }, [&] { ops_->GatherRowsBackward(dy, rows, dx); });
}

void ObservedOps::SumRows(const Tensor& dy, const Tensor& db) {
  Show([&] { return Elementwise("SumRows", dy, 1, 1); }, [&] { ops_->SumRows(dy, db); });
}

void ObservedOps::WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) {
  Show([&] { return Elementwise("WriteKv", k, 0, 4); }, [&] { ops_->WriteKv(k, v, batch, kv); });
}

void ObservedOps::Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                            const Tensor& out, const Tensor& lse) {
  Show([&] { return op_call::Attention(q, kv, batch, params); },
       [&] { ops_->Attention(q, kv, batch, params, out, lse); });
}

void ObservedOps::AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                    const AttentionParams& params, const Tensor& out, const Tensor& lse,
                                    const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  Show([&] { return op_call::AttentionBackward(q, kv, batch, params); },
       [&] { ops_->AttentionBackward(q, kv, batch, params, out, lse, dout, dq, dk, dv); });
}

void ObservedOps::HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                             const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) {
  Show([&] { return op_call::Head("HeadSample", hidden, head, 1); },
       [&] { ops_->HeadSample(hidden, head, sampling, uniform, tokens, out); });
}

void ObservedOps::HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                               const Tensor& target, const HeadOutputs& out) {
  Show([&] { return op_call::Head("HeadLogprobs", hidden, head, 1); },
       [&] { ops_->HeadLogprobs(hidden, head, sampling, target, out); });
}

void ObservedOps::HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                           const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out,
                           const Tensor& dhidden, const Tensor& dweight) {
  Show([&] { return op_call::Head("HeadLoss", hidden, head, dweight.defined() ? 3 : 2); },
       [&] { ops_->HeadLoss(hidden, head, sampling, targets, loss, out, dhidden, dweight); });
}

double ObservedOps::SumSquares(const Tensor& x) {
  double sum = 0;
  Show([&] { return Elementwise("SumSquares", x, 2, 1); }, [&] { sum = ops_->SumSquares(x); });
  return sum;
}

void ObservedOps::AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) {
  Show([&] { return Elementwise("AdamW", p, 15, 7); }, [&] { ops_->AdamW(params, p, g, m, v); });
}

}  // namespace rlvr
