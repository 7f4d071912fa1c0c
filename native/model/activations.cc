#include "model/activations.h"

#include <algorithm>

namespace rlvr {

Tensor ActivationPlan::Take(Arena* arena, size_t& bytes, int64_t cols) const {
  bytes += Arena::MatrixBytes(dtype_, rows_, cols);
  return arena ? arena->Matrix(dtype_, rows_, cols) : Tensor();
}

Tensor ActivationPlan::TakeU(Arena* arena, size_t& bytes, const LinearLayer& linear) const {
  return adapter_ && linear.rank() > 0 ? Take(arena, bytes, linear.rank()) : Tensor();
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
  a.lse = Take(arena, bytes, s.heads);
  a.x_mid = Take(arena, bytes, s.dim);
  a.gate_up = Take(arena, bytes, 2 * s.ffn);
  if (s.post_norms) {
    a.attention = Take(arena, bytes, s.dim);
    a.ffn = Take(arena, bytes, s.dim);
  }
  for (const LinearLayer& linear : layer.qkv) a.u_qkv.push_back(TakeU(arena, bytes, linear));
  a.u_o = TakeU(arena, bytes, layer.o);
  for (const LinearLayer& linear : layer.gate_up) a.u_gate_up.push_back(TakeU(arena, bytes, linear));
  a.u_down = TakeU(arena, bytes, layer.down);
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
  int64_t rank = 0;
  if (adapter_) {
    const DecoderLayer& layer = model_.layers().front();
    for (const LinearLayer& linear : layer.qkv) rank = std::max(rank, linear.rank());
    for (const LinearLayer& linear : layer.gate_up) rank = std::max(rank, linear.rank());
    rank = std::max({rank, layer.o.rank(), layer.down.rank()});
  }
  if (rank > 0) b.du = Take(arena, bytes, rank);
  return b;
}

}  // namespace rlvr
