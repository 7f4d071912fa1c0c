// Phi-3 and Phi-4 (Microsoft, arXiv:2404.14219, arXiv:2412.08905): Phi3Config. Fused projections, partial rotary.
#include <cmath>

#include "model/arch/arch.h"
#include "model/arch/common.h"
#include "model/arch/rope.h"

namespace rlvr {

namespace {

void SetFamily(DecoderSpec& spec) {
  spec.family = "phi3";
  spec.fused_qkv = true;
  spec.fused_gate_up = true;
  spec.attention_scale = std::pow(static_cast<double>(spec.head_dim), -0.5);
  spec.sliding.assign(static_cast<size_t>(spec.layers), spec.window > 0);  // all layers alike
}

DecoderSpec FromConfig(const JsonFields& config) {
  ConfigDefaults defaults;
  defaults.rms_eps = 1e-5;
  defaults.bos = 1;
  defaults.eos = {32000};
  DecoderSpec spec;
  ReadConfigSizes(config, defaults, spec);
  spec.activation = ReadActivation(config, "hidden_act", "silu");
  spec.window = config.Int("sliding_window", 0, kMaxContext, 0);
  SetFamily(spec);
  const JsonFields rope = config.Object(config.Has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  const double partial = rope.Number("partial_rotary_factor", 0, 1, config.Number("partial_rotary_factor", 0, 1, 1.0));
  spec.rotary_dim = static_cast<int64_t>(static_cast<double>(spec.head_dim) * partial);
  // The original length stands beside the rope object, in the config itself; then it wins.
  const int64_t stated = config.Int("original_max_position_embeddings", 0, kMaxContext, 0);
  spec.rope = ReadConfigRope(rope, config.Number("rope_theta", 1, 1e12, 10000.0), spec, stated);
  spec.rope_sliding = spec.rope;
  CheckSpec(config, spec);
  return spec;
}

DecoderSpec FromGguf(const JsonFields& meta, const TensorSource& source) {
  DecoderSpec spec;
  ReadGgufSizes(meta, source, spec);
  spec.window = meta.Int("attention.sliding_window", 0, kMaxContext, 0);
  SetFamily(spec);
  spec.rope = ReadGgufRope(meta, source, 10000, spec);
  spec.rope_sliding = spec.rope;
  CheckSpec(meta, spec);
  return spec;
}

}  // namespace

const Architecture kPhi3 = {"phi3", {"phi3"}, "phi3", FromConfig, FromGguf, false};

}  // namespace rlvr
