#include <cmath>

#include "core/trace.h"
#include "model/decoder.h"

namespace rlvr {

AttentionParams Decoder::ParamsOf(int64_t layer) const {
  const DecoderSpec& s = model_.spec();
  AttentionParams params;
  params.heads = s.heads;
  params.scale = s.attention_scale;
  params.softcap = s.attention_softcap;
  params.window = s.sliding[static_cast<size_t>(layer)] ? s.window : 0;
  return params;
}

void Decoder::EmbedRows(const SpanBatch& batch, Arena& arena, Tensor& ids, const Tensor& x) {
  ids = arena.Matrix(DType::kI32, 1, batch.rows());
  Write(ops_.memory(), batch.ids(), ids);
  ops_.Embed(ids, model_.embedding(), model_.spec().embed_scale, x);
}

// cos and sin of position * inv_freq in F32, as the published models compute them; [0] full, [1] sliding layers.
void Decoder::RopeTables(const SpanBatch& batch, Arena& arena, Tensor cos[2], Tensor sin[2]) {
  const RopeSpec* specs[2] = {&model_.spec().rope, &model_.spec().rope_sliding};
  const std::vector<int32_t>& positions = batch.positions();
  for (int t = 0; t < 2; ++t) {
    const auto half = static_cast<int64_t>(specs[t]->inv_freq.size());
    const auto rows = static_cast<int64_t>(positions.size());
    std::vector<float> row_cos, row_sin;
    row_cos.reserve(static_cast<size_t>(rows * half));
    row_sin.reserve(static_cast<size_t>(rows * half));
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t position = positions[static_cast<size_t>(r)];
      for (int64_t p = static_cast<int64_t>(table_cos_[t].size()) / half; p <= position; ++p) {
        for (const float frequency : specs[t]->inv_freq) {
          const float angle = static_cast<float>(p) * frequency;
          table_cos_[t].push_back(std::cos(angle) * specs[t]->attention_factor);
          table_sin_[t].push_back(std::sin(angle) * specs[t]->attention_factor);
        }
      }
      const auto from = static_cast<std::ptrdiff_t>(position * half);
      row_cos.insert(row_cos.end(), table_cos_[t].begin() + from, table_cos_[t].begin() + from + half);
      row_sin.insert(row_sin.end(), table_sin_[t].begin() + from, table_sin_[t].begin() + from + half);
    }
    cos[t] = arena.Matrix(DType::kF32, rows, half);
    sin[t] = arena.Matrix(DType::kF32, rows, half);
    Write(ops_.memory(), row_cos, cos[t]);
    Write(ops_.memory(), row_sin, sin[t]);
  }
}

void Decoder::LayerForward(const SpanBatch& batch, int64_t index, const LayerActivations& a,
                           const LayerScratch& scratch, const KvView& kv, const Tensor cos[2], const Tensor sin[2],
                           const Tensor& y) {
  const LayerScope traced(index);
  const DecoderSpec& s = model_.spec();
  const DecoderLayer& layer = model_.layers()[static_cast<size_t>(index)];
  const double offset = s.norm_weight_offset;
  const int table = TableOf(index);
  const int64_t rows = batch.rows();

  // Attention branch.
  ops_.RmsNorm(a.x, layer.input_norm.weight, s.rms_eps, offset, scratch.normed);
  if (s.fused_qkv) {
    layer.qkv[0].Forward(ops_, scratch.normed, a.u_qkv[0], a.qkv);
  } else {
    const LinearPart qkv[] = {layer.qkv[0].Part(a.u_qkv[0], s.qk_norm ? a.q_raw : a.q),
                              layer.qkv[1].Part(a.u_qkv[1], s.qk_norm ? a.k_raw : a.k),
                              layer.qkv[2].Part(a.u_qkv[2], a.v)};
    ops_.Linears(scratch.normed, qkv);
  }
  if (s.qk_norm) {
    auto heads = [&](const Tensor& t, int64_t n) { return t.Reshape(rows * n, s.head_dim); };
    ops_.RmsNorm(heads(a.q_raw, s.heads), layer.q_norm.weight, s.rms_eps, offset, heads(a.q, s.heads));
    ops_.RmsNorm(heads(a.k_raw, s.kv_heads), layer.k_norm.weight, s.rms_eps, offset, heads(a.k, s.kv_heads));
  }
  ops_.Rope(a.q, cos[table], sin[table], s.heads, s.head_dim, false);
  ops_.Rope(a.k, cos[table], sin[table], s.kv_heads, s.head_dim, false);
  ops_.WriteKv(a.k, a.v, batch.view(), kv);
  ops_.Attention(a.q, kv, batch.view(), ParamsOf(index), a.context, a.lse);
  const Tensor& attention = s.post_norms ? a.attention : scratch.branch;
  layer.o.Forward(ops_, a.context, a.u_o, attention);
  if (s.post_norms) ops_.RmsNorm(attention, layer.post_attention_norm.weight, s.rms_eps, offset, scratch.branch);
  ops_.Copy(a.x, a.x_mid);
  ops_.Add(scratch.branch, a.x_mid);

  // Feed-forward branch.
  ops_.RmsNorm(a.x_mid, layer.pre_ffn_norm.weight, s.rms_eps, offset, scratch.normed);
  const Tensor gate = a.gate_up.Cols(0, s.ffn), up = a.gate_up.Cols(s.ffn, s.ffn);
  if (s.fused_gate_up) {
    layer.gate_up[0].Forward(ops_, scratch.normed, a.u_gate_up[0], a.gate_up);
  } else {
    const LinearPart gate_up[] = {layer.gate_up[0].Part(a.u_gate_up[0], gate),
                                  layer.gate_up[1].Part(a.u_gate_up[1], up)};
    ops_.Linears(scratch.normed, gate_up);
  }
  ops_.GatedActivation(gate, up, s.activation, scratch.gated);
  const Tensor& ffn = s.post_norms ? a.ffn : scratch.branch;
  layer.down.Forward(ops_, scratch.gated, a.u_down, ffn);
  if (s.post_norms) ops_.RmsNorm(ffn, layer.post_ffn_norm.weight, s.rms_eps, offset, scratch.branch);
  ops_.Copy(a.x_mid, y);
  ops_.Add(scratch.branch, y);
}

size_t Decoder::InferBytes(const Model& model, const Ops& ops, int64_t rows) {
  size_t bytes = 0;
  const ActivationPlan plan(model, ops, rows, true);
  plan.Layer(nullptr, bytes);
  plan.Scratch(nullptr, bytes);
  const auto half = static_cast<int64_t>(model.spec().rope.inv_freq.size());
  return bytes + 4 * Arena::MatrixBytes(DType::kF32, rows, half) + Arena::MatrixBytes(DType::kI32, 1, rows);
}

Tensor Decoder::Infer(const SpanBatch& batch, KvPool& pool, Arena& arena, bool adapter, const LayerCheck& check) {
  size_t bytes = 0;
  const ActivationPlan plan(model_, ops_, batch.rows(), adapter);
  LayerActivations a = plan.Layer(&arena, bytes);
  const LayerScratch scratch = plan.Scratch(&arena, bytes);
  a.lse = Tensor();  // only the backward reads it
  Tensor cos[2], sin[2], ids;
  ops_.RunPass([&] {
    ops_.BeginBatch(batch.view());
    RopeTables(batch, arena, cos, sin);
    EmbedRows(batch, arena, ids, a.x);
    for (int64_t l = 0; l < model_.spec().layers; ++l) {
      check();
      LayerForward(batch, l, a, scratch, pool.layer(l), cos, sin, a.x);
    }
  });
  return a.x;
}

Tensor Decoder::HeadInput(const Tensor& residual, const Tensor& rows, Arena& arena, Tensor* gathered) {
  const DecoderSpec& s = model_.spec();
  Tensor picked = arena.Matrix(residual.dtype(), rows.cols(), s.dim);
  Tensor normed = gathered ? arena.Matrix(residual.dtype(), rows.cols(), s.dim) : picked;
  ops_.GatherRows(residual, rows, picked);
  ops_.RmsNorm(picked, model_.final_norm().weight, s.rms_eps, s.norm_weight_offset, normed);
  if (gathered) *gathered = picked;
  return normed;
}

size_t Decoder::TraceBytes(const Model& model, const Ops& ops, int64_t rows, bool recompute) {
  const int64_t layers = model.spec().layers;
  const bool adapter = model.trainable() == Trainable::kLora;
  size_t layer = 0, shared = 0, row = 0;
  const ActivationPlan plan(model, ops, rows, adapter);
  plan.Layer(nullptr, layer);
  plan.Rows(nullptr, row);
  plan.Scratch(nullptr, shared);
  plan.Backward(nullptr, shared);
  const size_t kept = recompute ? layer + static_cast<size_t>(layers - 1) * row : static_cast<size_t>(layers) * layer;
  const auto half = static_cast<int64_t>(model.spec().rope.inv_freq.size());
  return kept + shared + 2 * row + 4 * Arena::MatrixBytes(DType::kF32, rows, half) +
         Arena::MatrixBytes(DType::kI32, 1, rows);
}

Decoder::Trace Decoder::Forward(const SpanBatch& batch, KvPool& pool, Arena& arena, bool recompute,
                                const LayerCheck& check) {
  const int64_t layers = model_.spec().layers;
  size_t bytes = 0;
  const ActivationPlan plan(model_, ops_, batch.rows(), model_.trainable() == Trainable::kLora);
  Trace trace;
  trace.recompute = recompute;
  for (int64_t l = 0; l < layers; ++l) {
    if (l == 0 || !recompute) {
      trace.layers.push_back(plan.Layer(&arena, bytes));
    } else {  // all layers share the memory of the first, but for their inputs
      trace.layers.push_back(trace.layers.front());
      trace.layers.back().x = plan.Rows(&arena, bytes);
    }
  }
  trace.scratch = plan.Scratch(&arena, bytes);
  trace.backward = plan.Backward(&arena, bytes);
  trace.residual = plan.Rows(&arena, bytes);
  trace.dresidual = plan.Rows(&arena, bytes);
  ops_.BeginBatch(batch.view());
  RopeTables(batch, arena, trace.cos, trace.sin);
  EmbedRows(batch, arena, trace.ids, trace.layers.front().x);
  for (int64_t l = 0; l < layers; ++l) {
    check();
    const auto i = static_cast<size_t>(l);
    const Tensor& y = l + 1 < layers ? trace.layers[i + 1].x : trace.residual;
    LayerForward(batch, l, trace.layers[i], trace.scratch, pool.layer(l), trace.cos, trace.sin, y);
  }
  return trace;
}

}  // namespace rlvr
