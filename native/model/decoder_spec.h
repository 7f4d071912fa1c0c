// An architecture is data (design, idea 4): what one decoder needs to know to be Gemma-3, Phi-3/4, Llama or Qwen-2/3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace rlvr {

// cos/sin of position * inv_freq[i], times attention_factor.
struct RopeSpec {
  std::vector<float> inv_freq;  // rotary_dim / 2 values, F32 as published implementations compute them
  float attention_factor = 1;   // longrope scales cos and sin; 1 elsewhere
};

struct DecoderSpec {
  std::string family;  // "gemma3", "phi3", "llama", "qwen2", "qwen3"
  int64_t vocab = 0;   // rows of the embedding
  int64_t dim = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;  // Gemma-3 and Qwen-3 state it; elsewhere dim / heads
  int64_t ffn = 0;
  int64_t context = 0;     // longest sequence the checkpoint was made for
  int64_t rotary_dim = 0;  // Phi-3 partial rotary; elsewhere head_dim
  double rms_eps = 1e-6;
  double norm_weight_offset = 0;  // 1 for Gemma-3 safetensors, which store weight - 1 (GGUF files store the weight)
  double embed_scale = 1;         // Gemma-3: sqrt(dim)
  double attention_scale = 1;     // Gemma-3: query_pre_attn_scalar^-0.5; elsewhere head_dim^-0.5
  double attention_softcap = 0;   // 0: none (older Gemma files carry null)
  double final_softcap = 0;
  Activation activation = Activation::kSilu;
  bool tied_head = false;      // the head is the embedding
  bool qk_norm = false;        // Gemma-3, Qwen-3: RMS norm over head_dim of q and k before rope
  bool post_norms = false;     // Gemma-3: norms after attention and feed-forward, inside the residual branch
  bool qkv_bias = false;       // Qwen-2
  bool fused_qkv = false;      // Phi-3: qkv_proj
  bool fused_gate_up = false;  // Phi-3: gate_up_proj
  int64_t window = 0;          // keys a sliding layer sees, itself included; 0: no sliding layers
  std::vector<bool> sliding;   // per layer
  RopeSpec rope;               // full-attention layers
  RopeSpec rope_sliding;       // sliding layers (Gemma-3: local base); equal to rope elsewhere
  int32_t bos = -1;            // -1: none
  std::vector<int32_t> eos;    // stop tokens that the checkpoint's config names
};

}  // namespace rlvr
