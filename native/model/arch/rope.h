// Rotary frequencies as the published implementations compute them: in F32, step by step.
#pragma once

#include <string>
#include <vector>

#include "io/json_fields.h"
#include "io/tensor_source.h"
#include "model/decoder_spec.h"

namespace rlvr {

// 1 / base^(2 i / rotary_dim) for i < rotary_dim / 2, with F32 exponent, power and quotient.
std::vector<float> InverseFrequencies(double base, int64_t rotary_dim);

// A config's "rope_parameters" (new files) or "rope_scaling" (old ones): rope_type or type default, linear, llama3 or
// longrope, with their factors. `base` is for objects without rope_theta. Other types are RLVR_UNSUPPORTED_OP.
// longrope has two sets of factors, short ones for sequences up to original_max_position_embeddings and long ones
// beyond. Keys rotated by one set cannot be read with the other, and a prefix tree shares keys, so the short set is
// used and spec.context is lowered to the original length, up to which this is the published definition.
// original_context: what the config states outside the rope object (Phi-3); 0: nothing.
RopeSpec ReadConfigRope(const JsonFields& rope, double base, DecoderSpec& spec, int64_t original_context = 0);

// rope.scaling.* of GGUF metadata, and the factor tensors rope_freqs (llama3) and rope_factors_short (longrope).
RopeSpec ReadGgufRope(const JsonFields& meta, const TensorSource& source, double base, DecoderSpec& spec);

}  // namespace rlvr
