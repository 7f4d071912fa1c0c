// The families: each reads its published config keys (or GGUF metadata) into a DecoderSpec.
#pragma once

#include <string>
#include <vector>

#include "io/json_fields.h"
#include "io/tensor_source.h"
#include "model/decoder_spec.h"

namespace rlvr {

struct Architecture {
  const char* family;                    // as in DecoderSpec
  std::vector<std::string> model_types;  // config.json "model_type"
  std::string gguf_name;                 // "general.architecture"; also the prefix of its keys
  DecoderSpec (*from_config)(const JsonFields& config);
  // `meta` has the metadata with the prefix taken off; `source` has the tensors that carry rope factors.
  DecoderSpec (*from_gguf)(const JsonFields& meta, const TensorSource& source);
  bool interleaved_rope_in_gguf;  // the converter permutes q and k rows; they must be put back in NeoX order
};

extern const Architecture kGemma3, kPhi3, kLlama, kQwen2, kQwen3;

// Throws RLVR_UNSUPPORTED_OP with the known names.
const Architecture& ArchitectureOfModelType(const std::string& model_type, const std::string& place);
const Architecture& ArchitectureOfGguf(const std::string& name, const std::string& place);

// The GGUF name of a slot: "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight". "" when it has none.
std::string GgufName(const std::string& slot, const DecoderSpec& spec);

}  // namespace rlvr
