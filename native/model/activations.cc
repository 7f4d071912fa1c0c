#include "model/activations.h"

#include <algorithm>

namespace rlvr {

Tensor ActivationPlan::Take(Arena* arena, size_t& bytes, int64_t cols, DType dtype) const {
  bytes += Arena::MatrixBytes(dtype, rows_, cols);
  return arena ? arena->Matrix(dtype, rows_, cols) : Tensor();
}

// An adapter may sit on some layers only; the plan is one for all layers.
template <typename Pick>
Tensor ActivationPlan::TakeU(Arena* arena, size_t& bytes, Pick pick) const {
  int64_t rank = 0;
  for (const DecoderLayer& layer : model_.layers()) rank = std::max(rank, pick(layer).rank());
  return adapter_ && rank > 0 ? Take(arena, bytes, rank) : Tensor();
}

Tensor ActivationPlan::Rows(Arena* arena, size_t& bytes) const { return Take(arena, bytes, model_.spec().dim); }

LayerActivations ActivationPlan::Layer(Arena* arena, size_t& bytes) const {
  const DecoderSpec& s = model_.spec();
  const DecoderLayer& layer = model_.layers().front();
  const int64_t q_cols = s.heads * s.head_dim, kv_cols = s.kv_heads * s.head_dim;
  LayerActivations a;
  a.x = Take(arena, bytes, s.dim);
  if (s.fused_qkv) {
    a.qkv = Take(arena, bytes, q_cols + 2 * kv_cols);
    if (arena) {
      a.q = a.qkv.Cols(0, q_cols);
      a.k = a.qkv.Cols(q_cols, kv_cols);
      a.v = a.qkv.Cols(q_cols + kv_cols, kv_cols);
    }
  } else {
    a.q = Take(arena, bytes, q_cols);
    a.k = Take(arena, bytes, kv_cols);
    a.v = Take(arena, bytes, kv_cols);
  }
  if (s.qk_norm) {
    a.q_raw = Take(arena, bytes, q_cols);
    a.k_raw = Take(arena, bytes, kv_cols);
  }
  a.context = Take(arena, bytes, q_cols);
  a.lse = Take(arena, bytes, s.heads, lse_dtype_);
  a.x_mid = Take(arena, bytes, s.dim);
  a.gate_up = Take(arena, bytes, 2 * s.ffn);
  if (s.post_norms) {
    a.attention = Take(arena, bytes, s.dim);
    a.ffn = Take(arena, bytes, s.dim);
  }
  using Layer = DecoderLayer;
  for (size_t i = 0; i < layer.qkv.size(); ++i) {
    a.u_qkv.push_back(TakeU(arena, bytes, [i](const Layer& l) -> const LinearLayer& { return l.qkv[i]; }));
  }
  a.u_o = TakeU(arena, bytes, [](const Layer& l) -> const LinearLayer& { return l.o; });
  for (size_t i = 0; i < layer.gate_up.size(); ++i) {
    a.u_gate_up.push_back(TakeU(arena, bytes, [i](const Layer& l) -> const LinearLayer& { return l.gate_up[i]; }));
  }
  a.u_down = TakeU(arena, bytes, [](const Layer& l) -> const LinearLayer& { return l.down; });
  return a;
}

LayerScratch ActivationPlan::Scratch(Arena* arena, size_t& bytes) const {
  const DecoderSpec& s = model_.spec();
  return {Take(arena, bytes, s.dim), Take(arena, bytes, s.dim), Take(arena, bytes, s.ffn)};
}

BackwardScratch ActivationPlan::Backward(Arena* arena, size_t& bytes) const {
  const DecoderSpec& s = model_.spec();
  const int64_t q_cols = s.heads * s.head_dim, kv_cols = s.kv_heads * s.head_dim;
  BackwardScratch b;
  b.dnormed = Take(arena, bytes, s.dim);
  b.dbranch = Take(arena, bytes, s.dim);
  b.dgate_up = Take(arena, bytes, 2 * s.ffn);
  b.dgated = Take(arena, bytes, s.ffn);
  b.dqkv = Take(arena, bytes, q_cols + 2 * kv_cols);
  if (arena) {
    if (s.fused_qkv) {
      b.dq = b.dqkv.Cols(0, q_cols);
      b.dk = b.dqkv.Cols(q_cols, kv_cols);
      b.dv = b.dqkv.Cols(q_cols + kv_cols, kv_cols);
    } else {  // three whole matrices one after the other
      auto part = [&](int64_t first, int64_t cols) {
        auto* data = static_cast<std::byte*>(b.dqkv.data()) + BytesOf(dtype_, first * rows_);
        return Tensor(data, dtype_, rows_, cols);
      };
      b.dq = part(0, q_cols);
      b.dk = part(q_cols, kv_cols);
      b.dv = part(q_cols + kv_cols, kv_cols);
    }
  }
  if (s.qk_norm) {
    b.dq_raw = Take(arena, bytes, q_cols);
    b.dk_raw = Take(arena, bytes, kv_cols);
  }
  b.dcontext = Take(arena, bytes, q_cols);
  const int64_t rank = adapter_ && model_.trainable() == Trainable::kLora ? model_.lora().rank : 0;
  if (rank > 0) b.du = Take(arena, bytes, rank);
  return b;
}

}  // namespace rlvr
