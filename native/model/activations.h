// What a layer's forward leaves for its backward, and the scratch that layers share.
#pragma once

#include <vector>

#include "core/buffer.h"
#include "model/model.h"

namespace rlvr {

// T packed rows. The normed inputs and the gated activation are recomputed in the backward: they are cheap and large.
struct LayerActivations {
  Tensor x;                              // [T, D] layer input
  Tensor q_raw, k_raw;                   // [T, H * hd], [T, KV * hd] before the norms; only with qk_norm
  Tensor qkv;                            // [T, (H + 2 KV) * hd], fused checkpoints; q, k, v are its columns
  Tensor q, k, v;                        // q and k rotated
  Tensor context;                        // [T, H * hd] attention output
  Tensor lse;                            // [T, H]
  Tensor attention;                      // [T, D] o_proj output; only with post norms (shared scratch otherwise)
  Tensor x_mid;                          // [T, D] after the attention branch
  Tensor gate_up;                        // [T, 2 F]; gate and up are its halves
  Tensor ffn;                            // [T, D] down_proj output; only with post norms (shared scratch otherwise)
  std::vector<Tensor> u_qkv, u_gate_up;  // [T, rank] LoRA intermediates; undefined without an adapter
  Tensor u_o, u_down;
};

struct LayerScratch {
  Tensor normed;  // [T, D]
  Tensor branch;  // [T, D] output of o_proj or down_proj
  Tensor gated;   // [T, F]
};

struct BackwardScratch {
  Tensor dnormed;           // [T, D]
  Tensor dbranch;           // [T, D]
  Tensor dgate_up;          // [T, 2 F]
  Tensor dgated;            // [T, F]
  Tensor dqkv, dq, dk, dv;  // like q, k, v
  Tensor dq_raw, dk_raw, dcontext;
  Tensor du;  // [T, max rank]
};

// Lays these out in an arena; with arena == nullptr only counts the bytes.
class ActivationPlan {
 public:
  ActivationPlan(const Model& model, const Ops& ops, int64_t rows, bool adapter)
      : model_(model), dtype_(ops.ActivationType()), lse_dtype_(ops.ParameterType()), rows_(rows), adapter_(adapter) {}
  LayerActivations Layer(Arena* arena, size_t& bytes) const;
  LayerScratch Scratch(Arena* arena, size_t& bytes) const;
  BackwardScratch Backward(Arena* arena, size_t& bytes) const;
  Tensor Rows(Arena* arena, size_t& bytes) const;  // [T, D]

 private:
  Tensor Take(Arena* arena, size_t& bytes, int64_t cols) const { return Take(arena, bytes, cols, dtype_); }
  Tensor Take(Arena* arena, size_t& bytes, int64_t cols, DType dtype) const;
  template <typename Pick>
  Tensor TakeU(Arena* arena, size_t& bytes, Pick pick) const;

  const Model& model_;
  DType dtype_, lse_dtype_;
  int64_t rows_;
  bool adapter_;
};

}  // namespace rlvr
