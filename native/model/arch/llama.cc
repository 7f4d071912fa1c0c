// Llama 2 and 3 and models of their shape, such as SmolLM2: LlamaConfig.
#include <cmath>

#include "model/arch/arch.h"
#include "model/arch/common.h"
#include "model/arch/rope.h"

namespace rlvr {

namespace {

void SetFamily(DecoderSpec& spec) {
  spec.family = "llama";
  spec.attention_scale = std::pow(static_cast<double>(spec.head_dim), -0.5);
  spec.sliding.assign(static_cast<size_t>(spec.layers), false);
}

DecoderSpec FromConfig(const JsonFields& config) {
  ConfigDefaults defaults;
  defaults.bos = 1;
  defaults.eos = {2};
  DecoderSpec spec;
  ReadConfigSizes(config, defaults, spec);
  SetFamily(spec);
  spec.activation = ReadActivation(config, "hidden_act", "silu");
  RefuseIf(config, "attention_bias", "a bias in attention");
  RefuseIf(config, "mlp_bias", "a bias in the feed-forward layers");
  const JsonFields rope = config.Object(config.Has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  spec.rope = ReadConfigRope(rope, config.Number("rope_theta", 1, 1e12, 10000.0), spec);
  spec.rope_sliding = spec.rope;
  CheckSpec(config, spec);
  return spec;
}

DecoderSpec FromGguf(const JsonFields& meta, const TensorSource& source) {
  DecoderSpec spec;
  ReadGgufSizes(meta, source, spec);
  SetFamily(spec);
  if (spec.rotary_dim != spec.head_dim) {
    meta.Problem("rope.dimension_count",
                 Concat("is ", spec.rotary_dim, "; the head size ", spec.head_dim, " was expected"));
  }
  if (source.Find("blk.0.attn_q.bias") != nullptr) {
    throw Error(ErrorCode::kUnsupported, Concat(meta.place(),
                                                ": tensor \"blk.0.attn_q.bias\": a bias in attention is not "
                                                "supported for the llama family. Choose another model."));
  }
  spec.rope = ReadGgufRope(meta, source, 10000, spec);
  spec.rope_sliding = spec.rope;
  CheckSpec(meta, spec);
  return spec;
}

}  // namespace

const Architecture kLlama = {"llama", {"llama"}, "llama", FromConfig, FromGguf, true};

}  // namespace rlvr
