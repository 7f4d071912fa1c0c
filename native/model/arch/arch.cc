#include "model/arch/arch.h"

#include <algorithm>
#include <utility>

namespace rlvr {

namespace {

const Architecture* const kKnown[] = {&kGemma3, &kPhi3, &kLlama, &kQwen2, &kQwen3};

// Parts of a layer: after "model.layers.N." and, in GGUF, after "blk.N.".
constexpr std::pair<const char*, const char*> kParts[] = {
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},  // Phi-3: gate rows, then up rows, as in its safetensors
    {"mlp.down_proj", "ffn_down"},
    {"input_layernorm", "attn_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
};

}  // namespace

const Architecture& ArchitectureOfModelType(const std::string& model_type, const std::string& place) {
  std::string known;
  for (const Architecture* architecture : kKnown) {
    for (const std::string& type : architecture->model_types) {
      if (type == model_type) return *architecture;
      known += (known.empty() ? "" : ", ") + type;
    }
  }
  throw Error(ErrorCode::kUnsupported, Concat(place, ": model_type is \"", Excerpt(model_type),
                                              "\"; known model types: ", known, ". Choose a model of one of these."));
}

const Architecture& ArchitectureOfGguf(const std::string& name, const std::string& place) {
  std::string known;
  for (const Architecture* architecture : kKnown) {
    if (architecture->gguf_name == name) return *architecture;
    known += (known.empty() ? "" : ", ") + architecture->gguf_name;
  }
  throw Error(ErrorCode::kUnsupported, Concat(place, ": general.architecture is \"", Excerpt(name),
                                              "\"; known architectures: ", known, ". Choose a model of one of these."));
}

std::string GgufName(const std::string& slot, const DecoderSpec& spec) {
  if (slot == "model.embed_tokens.weight") return "token_embd.weight";
  if (slot == "model.norm.weight") return "output_norm.weight";
  if (slot == "lm_head.weight") return "output.weight";
  const std::string layers = "model.layers.";
  if (slot.compare(0, layers.size(), layers) != 0) return "";
  const size_t dot = slot.find('.', layers.size());
  const size_t last = slot.rfind('.');
  if (dot == std::string::npos || last <= dot) return "";
  const std::string layer = slot.substr(layers.size(), dot - layers.size());
  const std::string part = slot.substr(dot + 1, last - dot - 1);
  const std::string kind = slot.substr(last);  // ".weight" or ".bias"
  // The norm after attention is the one before the feed-forward part, except where both exist.
  if (part == "post_attention_layernorm")
    return "blk." + layer + (spec.post_norms ? ".post_attention_norm" : ".ffn_norm") + kind;
  const auto* found =
      std::find_if(std::begin(kParts), std::end(kParts), [&](const auto& p) { return part == p.first; });
  return found == std::end(kParts) ? "" : "blk." + layer + "." + found->second + kind;
}

}  // namespace rlvr
