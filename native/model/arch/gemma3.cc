// Gemma 3 (Gemma Team, 2025, arXiv:2503.19786): Gemma3TextConfig, alone or as text_config of a multimodal checkpoint.
#include <cmath>

#include "model/arch/arch.h"
#include "model/arch/common.h"
#include "model/arch/rope.h"

namespace rlvr {

namespace {

constexpr double kGlobalBase = 1000000;
constexpr double kLocalBase = 10000;
constexpr int64_t kPattern = 6;  // five sliding layers, then a full one

void SetFamily(DecoderSpec& spec) {
  spec.family = "gemma3";
  spec.activation = Activation::kGeluTanh;
  spec.qk_norm = true;
  spec.post_norms = true;
  // In F32. transformers casts it to the weights' type, which for BF16 weights rounds it (62.0 for 61.97 at 3840);
  // this engine computes in F32 whatever the stored type, as transformers does when it loads the model in F32.
  spec.embed_scale = static_cast<double>(std::sqrt(static_cast<float>(spec.dim)));
}

void SetPattern(int64_t pattern, DecoderSpec& spec) {
  spec.sliding.clear();
  for (int64_t i = 0; i < spec.layers; ++i) spec.sliding.push_back((i + 1) % pattern != 0);
}

DecoderSpec FromTextConfig(const JsonFields& config, const JsonFields& outer) {
  // The class defaults: published multimodal files write only what differs from them.
  const ConfigDefaults defaults = {.vocab = 262208,
                                   .dim = 2304,
                                   .ffn = 9216,
                                   .layers = 26,
                                   .heads = 8,
                                   .kv_heads = 4,
                                   .head_dim = 256,
                                   .context = 131072,
                                   .rms_eps = 1e-6,
                                   .tied_head = true,
                                   .bos = 2,
                                   .eos = {1}};
  DecoderSpec spec;
  ReadConfigSizes(config, defaults, spec);
  SetFamily(spec);
  spec.norm_weight_offset = 1;
  spec.activation = ReadActivation(config, "hidden_activation", "gelu_pytorch_tanh");
  RefuseIf(config, "attention_bias", "a bias in attention");
  RefuseIf(config, "use_bidirectional_attention", "attention to later tokens");
  spec.attention_scale = std::pow(config.Number("query_pre_attn_scalar", 1e-3, 1e6, 256.0), -0.5);
  spec.attention_softcap = config.Number("attn_logit_softcapping", 0, 1e6, 0.0);
  spec.final_softcap = config.Number("final_logit_softcapping", 0, 1e6, 0.0);
  spec.window = config.Int("sliding_window", 1, kMaxContext, 4096);
  if (const auto sliding = ReadLayerTypes(config, spec.layers)) {
    spec.sliding = *sliding;
  } else {
    SetPattern(config.Int("sliding_window_pattern", 1, kMaxLayers,
                          config.Int("_sliding_window_pattern", 1, kMaxLayers, kPattern)),
               spec);
  }
  const double base = config.Number("rope_theta", 1, 1e12, kGlobalBase);
  const double local_base = config.Number("rope_local_base_freq", 1, 1e12, kLocalBase);
  if (config.Has("rope_parameters")) {
    const JsonFields rope = config.Object("rope_parameters");
    spec.rope = ReadConfigRope(rope.Object("full_attention"), base, spec);
    spec.rope_sliding = ReadConfigRope(rope.Object("sliding_attention"), local_base, spec);
  } else {
    spec.rope = ReadConfigRope(config.Object("rope_scaling"), base, spec);
    spec.rope_sliding.inv_freq = InverseFrequencies(local_base, spec.rotary_dim);
  }
  AddEos(outer.IntOrInts("eos_token_id", -1, INT32_MAX), spec);
  CheckSpec(config, spec);
  return spec;
}

DecoderSpec FromConfig(const JsonFields& config) {
  if (config.Has("text_config")) return FromTextConfig(config.Object("text_config"), config);
  return FromTextConfig(config, config);
}

DecoderSpec FromGguf(const JsonFields& meta, const TensorSource& source) {
  DecoderSpec spec;
  ReadGgufSizes(meta, source, spec);
  SetFamily(spec);
  spec.norm_weight_offset = 0;  // the converter stored weight + 1
  // The file has no query_pre_attn_scalar: it is head_dim but in the 27b model (62 layers), where it is dim / heads.
  spec.attention_scale = std::pow(spec.layers == 62 ? static_cast<double>(spec.dim) / static_cast<double>(spec.heads)
                                                    : static_cast<double>(spec.head_dim),
                                  -0.5);
  spec.attention_softcap = meta.Number("attn_logit_softcapping", 0, 1e6, 0.0);
  spec.final_softcap = meta.Number("final_logit_softcapping", 0, 1e6, 0.0);
  spec.window = meta.Int("attention.sliding_window", 0, kMaxContext, 0);
  SetPattern(spec.window > 0 ? meta.Int("attention.sliding_window_pattern", 1, kMaxLayers, kPattern) : 1, spec);
  spec.rope = ReadGgufRope(meta, source, kGlobalBase, spec);
  spec.rope_sliding.inv_freq =
      InverseFrequencies(meta.Number("rope.freq_base_swa", 1, 1e12, kLocalBase), spec.rotary_dim);
  CheckSpec(meta, spec);
  return spec;
}

}  // namespace

const Architecture kGemma3 = {"gemma3", {"gemma3", "gemma3_text"}, "gemma3", FromConfig, FromGguf, false};

}  // namespace rlvr
