// Qwen 2 and 2.5 (arXiv:2407.10671, bias on q, k, v) and Qwen 3 (arXiv:2505.09388, norm on q and k).
#include <cmath>

#include "model/arch/arch.h"
#include "model/arch/common.h"
#include "model/arch/rope.h"

namespace rlvr {

namespace {

void SetFamily(bool is_qwen3, DecoderSpec& spec) {
  spec.family = is_qwen3 ? "qwen3" : "qwen2";
  spec.qkv_bias = !is_qwen3;
  spec.qk_norm = is_qwen3;
  spec.attention_scale = std::pow(static_cast<double>(spec.head_dim), -0.5);
}

DecoderSpec FromConfig(const JsonFields& config, bool is_qwen3) {
  ConfigDefaults defaults;
  if (is_qwen3) defaults.head_dim = 128;
  DecoderSpec spec;
  ReadConfigSizes(config, defaults, spec);
  SetFamily(is_qwen3, spec);
  spec.activation = ReadActivation(config, "hidden_act", "silu");
  if (is_qwen3) RefuseIf(config, "attention_bias", "a bias in attention");
  spec.window = config.Bool("use_sliding_window", false) ? config.Int("sliding_window", 0, kMaxContext, 4096) : 0;
  const auto types = ReadLayerTypes(config, spec.layers);
  const int64_t first_sliding = config.Int("max_window_layers", 0, kMaxContext, 28);
  for (int64_t i = 0; i < spec.layers; ++i) {
    spec.sliding.push_back(spec.window > 0 && (types ? (*types)[static_cast<size_t>(i)] : i >= first_sliding));
  }
  const JsonFields rope = config.Object(config.Has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  spec.rope = ReadConfigRope(rope, config.Number("rope_theta", 1, 1e12, 10000.0), spec);
  spec.rope_sliding = spec.rope;
  CheckSpec(config, spec);
  return spec;
}

DecoderSpec FromGguf(const JsonFields& meta, const TensorSource& source, bool is_qwen3) {
  DecoderSpec spec;
  ReadGgufSizes(meta, source, spec);
  SetFamily(is_qwen3, spec);
  spec.sliding.assign(static_cast<size_t>(spec.layers), false);
  spec.rope = ReadGgufRope(meta, source, 10000, spec);
  spec.rope_sliding = spec.rope;
  CheckSpec(meta, spec);
  return spec;
}

DecoderSpec Qwen2FromConfig(const JsonFields& config) { return FromConfig(config, false); }
DecoderSpec Qwen3FromConfig(const JsonFields& config) { return FromConfig(config, true); }
DecoderSpec Qwen2FromGguf(const JsonFields& meta, const TensorSource& source) { return FromGguf(meta, source, false); }
DecoderSpec Qwen3FromGguf(const JsonFields& meta, const TensorSource& source) { return FromGguf(meta, source, true); }

}  // namespace

const Architecture kQwen2 = {"qwen2", {"qwen2"}, "qwen2", Qwen2FromConfig, Qwen2FromGguf, false};
const Architecture kQwen3 = {"qwen3", {"qwen3"}, "qwen3", Qwen3FromConfig, Qwen3FromGguf, false};

}  // namespace rlvr
