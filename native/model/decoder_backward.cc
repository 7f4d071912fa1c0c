#include "core/trace.h"
#include "model/decoder.h"

namespace rlvr {

void Decoder::Backward(const SpanBatch& batch, KvPool& pool, Trace& trace, const LayerCheck& check) {
  const int64_t layers = model_.spec().layers;
  for (int64_t l = layers; l-- > 0;) {
    check();
    const LayerActivations& a = trace.layers[static_cast<size_t>(l)];
    if (trace.recompute && l + 1 < layers) {
      // The layer's output is not needed again: it goes to the scratch that the backward overwrites first.
      LayerForward(batch, l, a, trace.scratch, pool.layer(l), trace.cos, trace.sin, trace.backward.dbranch);
    }
    LayerBackward(batch, l, a, pool.layer(l), trace);
  }
  if (model_.embedding_gradient().defined()) {
    ops_.EmbedBackward(trace.ids, model_.spec().embed_scale, trace.dresidual, model_.embedding_gradient());
  }
}

void Decoder::LayerBackward(const SpanBatch& batch, int64_t index, const LayerActivations& a, const KvView& kv,
                            Trace& trace) {
  const LayerScope traced(index);
  FfnBranchBackward(index, a, trace);
  AttentionBranchBackward(batch, index, a, kv, trace);
}

void Decoder::FfnBranchBackward(int64_t index, const LayerActivations& a, Trace& trace) {
  const DecoderSpec& s = model_.spec();
  const DecoderLayer& layer = model_.layers()[static_cast<size_t>(index)];
  const double offset = s.norm_weight_offset;
  const LayerScratch& scratch = trace.scratch;
  const BackwardScratch& b = trace.backward;
  const Tensor& dx = trace.dresidual;  // the gradient of the residual stream, added to in place
  const Tensor gate = a.gate_up.Cols(0, s.ffn), up = a.gate_up.Cols(s.ffn, s.ffn);
  const Tensor dgate = b.dgate_up.Cols(0, s.ffn), dup = b.dgate_up.Cols(s.ffn, s.ffn);

  Tensor dffn = dx;
  if (s.post_norms) {
    dffn = b.dbranch;
    ops_.RmsNormBackward(a.ffn, layer.post_ffn_norm.weight, s.rms_eps, offset, dx, false, dffn,
                         layer.post_ffn_norm.gradient);
  }
  ops_.GatedActivation(gate, up, s.activation, scratch.gated);
  layer.down.Backward(ops_, scratch.gated, a.u_down, dffn, b.du.defined() ? b.du.Cols(0, layer.down.rank()) : b.du,
                      false, b.dgated);
  ops_.GatedActivationBackward(gate, up, s.activation, b.dgated, dgate, dup);
  ops_.RmsNorm(a.x_mid, layer.pre_ffn_norm.weight, s.rms_eps, offset, scratch.normed);
  for (size_t i = 0; i < layer.gate_up.size(); ++i) {
    const LinearLayer& linear = layer.gate_up[i];
    const Tensor& dy = s.fused_gate_up ? b.dgate_up : (i == 0 ? dgate : dup);
    linear.Backward(ops_, scratch.normed, a.u_gate_up[i], dy, b.du.defined() ? b.du.Cols(0, linear.rank()) : b.du,
                    i > 0, b.dnormed);
  }
  ops_.RmsNormBackward(a.x_mid, layer.pre_ffn_norm.weight, s.rms_eps, offset, b.dnormed, true, dx,
                       layer.pre_ffn_norm.gradient);
}

void Decoder::AttentionBranchBackward(const SpanBatch& batch, int64_t index, const LayerActivations& a,
                                      const KvView& kv, Trace& trace) {
  const DecoderSpec& s = model_.spec();
  const DecoderLayer& layer = model_.layers()[static_cast<size_t>(index)];
  const double offset = s.norm_weight_offset;
  const LayerScratch& scratch = trace.scratch;
  const BackwardScratch& b = trace.backward;
  const Tensor& dx = trace.dresidual;
  const int table = TableOf(index);
  const int64_t rows = batch.rows();
  auto du = [&](const LinearLayer& linear) { return b.du.defined() ? b.du.Cols(0, linear.rank()) : b.du; };
  auto heads = [&](const Tensor& t, int64_t n) { return t.Reshape(rows * n, s.head_dim); };

  Tensor dattention = dx;
  if (s.post_norms) {
    dattention = b.dbranch;
    ops_.RmsNormBackward(a.attention, layer.post_attention_norm.weight, s.rms_eps, offset, dx, false, dattention,
                         layer.post_attention_norm.gradient);
  }
  layer.o.Backward(ops_, a.context, a.u_o, dattention, du(layer.o), false, b.dcontext);
  ops_.AttentionBackward(a.q, kv, batch.view(), ParamsOf(index), a.context, a.lse, b.dcontext, b.dq, b.dk, b.dv);
  ops_.Rope(b.dq, trace.cos[table], trace.sin[table], s.heads, s.head_dim, true);
  ops_.Rope(b.dk, trace.cos[table], trace.sin[table], s.kv_heads, s.head_dim, true);
  if (s.qk_norm) {
    ops_.RmsNormBackward(heads(a.q_raw, s.heads), layer.q_norm.weight, s.rms_eps, offset, heads(b.dq, s.heads), false,
                         heads(b.dq_raw, s.heads), layer.q_norm.gradient);
    ops_.RmsNormBackward(heads(a.k_raw, s.kv_heads), layer.k_norm.weight, s.rms_eps, offset, heads(b.dk, s.kv_heads),
                         false, heads(b.dk_raw, s.kv_heads), layer.k_norm.gradient);
  }
  // Below the first layer only a trained embedding or norm wants the gradient of the input.
  const bool wants_input = index > 0 || model_.trainable() == Trainable::kFull;
  ops_.RmsNorm(a.x, layer.input_norm.weight, s.rms_eps, offset, scratch.normed);
  for (size_t i = 0; i < layer.qkv.size(); ++i) {
    const LinearLayer& linear = layer.qkv[i];
    const Tensor dys[3] = {s.qk_norm ? b.dq_raw : b.dq, s.qk_norm ? b.dk_raw : b.dk, b.dv};
    linear.Backward(ops_, scratch.normed, a.u_qkv[i], s.fused_qkv ? b.dqkv : dys[i], du(linear), i > 0,
                    wants_input ? b.dnormed : Tensor());
  }
  if (wants_input) {
    ops_.RmsNormBackward(a.x, layer.input_norm.weight, s.rms_eps, offset, b.dnormed, true, dx,
                         layer.input_norm.gradient);
  }
}

}  // namespace rlvr
