// What the families' readers share: sizes with bounds, activation, layer pattern, token ids.
#pragma once

#include <optional>
#include <string>

#include "io/json_fields.h"
#include "io/tensor_source.h"
#include "model/decoder_spec.h"

namespace rlvr {

// Bounds of what a config may ask for; each is a few times the largest published model.
constexpr int64_t kMaxVocab = int64_t{1} << 22;
constexpr int64_t kMaxDim = int64_t{1} << 16;
constexpr int64_t kMaxFfn = int64_t{1} << 20;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 1024;
constexpr int64_t kMaxContext = int64_t{1} << 24;

// Values of the published config class for keys that a file may leave out; none: the key is required.
struct ConfigDefaults {
  std::optional<int64_t> vocab, dim, ffn, layers, heads;
  std::optional<int64_t> kv_heads;  // none: as many as heads
  std::optional<int64_t> head_dim;  // none: dim / heads
  std::optional<int64_t> context;
  double rms_eps = 1e-6;
  bool tied_head = false;
  int32_t bos = -1;
  std::vector<int32_t> eos;
};

// vocab_size, hidden_size, ... under their Hugging Face names, tie_word_embeddings, bos_token_id, eos_token_id.
void ReadConfigSizes(const JsonFields& config, const ConfigDefaults& defaults, DecoderSpec& spec);

// block_count, embedding_length, attention.head_count, ... of GGUF metadata; the vocabulary from token_embd.weight.
void ReadGgufSizes(const JsonFields& meta, const TensorSource& source, DecoderSpec& spec);

// "silu" or "gelu_pytorch_tanh"; RLVR_UNSUPPORTED_OP for another.
Activation ReadActivation(const JsonFields& config, const std::string& key, const std::string& fallback);

// layer_types when the config has it, else none. Notes a problem for other words than sliding_/full_attention.
std::optional<std::vector<bool>> ReadLayerTypes(const JsonFields& config, int64_t layers);

// Adds those of the ids that the vocabulary has and the list has not.
void AddEos(const std::vector<int64_t>& ids, DecoderSpec& spec);

// Throws RLVR_UNSUPPORTED_OP when the key is true.
void RefuseIf(const JsonFields& config, const std::string& key, const std::string& why);

// What holds for every family; notes problems.
void CheckSpec(const JsonFields& config, const DecoderSpec& spec);

}  // namespace rlvr
