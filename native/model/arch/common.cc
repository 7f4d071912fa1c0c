#include "model/arch/common.h"

#include <algorithm>

namespace rlvr {

namespace {

void SetHeads(const JsonFields& config, const std::string& heads_key, int64_t kv_heads, std::optional<int64_t> head_dim,
              DecoderSpec& spec) {
  spec.kv_heads = kv_heads;
  if (head_dim) {
    spec.head_dim = *head_dim;
  } else {
    if (spec.dim % spec.heads != 0) {
      config.Problem(heads_key, Concat("a width of ", spec.dim, " does not divide by ", spec.heads, " heads"));
    }
    spec.head_dim = std::max<int64_t>(spec.dim / spec.heads, 1);
  }
  spec.rotary_dim = spec.head_dim;
  if (spec.heads % spec.kv_heads != 0) {
    config.Problem(heads_key, Concat(spec.heads, " heads do not divide by ", spec.kv_heads, " key/value heads"));
  }
}

std::optional<int64_t> OptionalInt(const JsonFields& config, const std::string& key, int64_t most,
                                   std::optional<int64_t> fallback) {
  return config.Has(key) ? std::optional(config.Int(key, 1, most, fallback)) : fallback;
}

}  // namespace

void AddEos(const std::vector<int64_t>& ids, DecoderSpec& spec) {
  for (const int64_t id : ids) {
    // Small test models keep ids of the full vocabulary; those can never be sampled.
    if (id < 0 || id >= spec.vocab) continue;
    const auto token = static_cast<int32_t>(id);
    if (std::find(spec.eos.begin(), spec.eos.end(), token) == spec.eos.end()) spec.eos.push_back(token);
  }
}

void ReadConfigSizes(const JsonFields& config, const ConfigDefaults& defaults, DecoderSpec& spec) {
  spec.vocab = config.Int("vocab_size", 1, kMaxVocab, defaults.vocab);
  spec.dim = config.Int("hidden_size", 1, kMaxDim, defaults.dim);
  spec.ffn = config.Int("intermediate_size", 1, kMaxFfn, defaults.ffn);
  spec.layers = config.Int("num_hidden_layers", 1, kMaxLayers, defaults.layers);
  spec.heads = config.Int("num_attention_heads", 1, kMaxHeads, defaults.heads);
  spec.context = config.Int("max_position_embeddings", 1, kMaxContext, defaults.context);
  spec.rms_eps = config.Number("rms_norm_eps", 0, 1, defaults.rms_eps);
  spec.tied_head = config.Bool("tie_word_embeddings", defaults.tied_head);
  const int64_t kv_heads = config.Int("num_key_value_heads", 1, kMaxHeads, defaults.kv_heads.value_or(spec.heads));
  SetHeads(config, "num_attention_heads", kv_heads, OptionalInt(config, "head_dim", kMaxHeadDim, defaults.head_dim),
           spec);

  const int64_t bos = config.Int("bos_token_id", -1, INT32_MAX, defaults.bos);
  spec.bos = bos < spec.vocab ? static_cast<int32_t>(bos) : -1;
  if (config.Has("eos_token_id")) {
    AddEos(config.IntOrInts("eos_token_id", -1, INT32_MAX), spec);
  } else {
    AddEos({defaults.eos.begin(), defaults.eos.end()}, spec);
  }
}

void ReadGgufSizes(const JsonFields& meta, const TensorSource& source, DecoderSpec& spec) {
  const SourceTensor* embedding = source.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2 || embedding->shape[0] > kMaxVocab) {
    throw Error(ErrorCode::kBadCheckpoint, Concat(meta.place(),
                                                  ": tensor \"token_embd.weight\" is missing or no matrix of at "
                                                  "most ",
                                                  kMaxVocab, " rows. Convert the model again."));
  }
  spec.vocab = embedding->shape[0];
  spec.dim = meta.Int("embedding_length", 1, kMaxDim);
  spec.ffn = meta.Int("feed_forward_length", 1, kMaxFfn);
  spec.layers = meta.Int("block_count", 1, kMaxLayers);
  spec.heads = meta.Int("attention.head_count", 1, kMaxHeads);
  spec.context = meta.Int("context_length", 1, kMaxContext);
  spec.rms_eps = meta.Number("attention.layer_norm_rms_epsilon", 0, 1);
  spec.tied_head = source.Find("output.weight") == nullptr;
  const int64_t kv_heads = meta.Int("attention.head_count_kv", 1, kMaxHeads, spec.heads);
  SetHeads(meta, "attention.head_count", kv_heads, OptionalInt(meta, "attention.key_length", kMaxHeadDim, {}), spec);
  if (meta.Int("attention.value_length", 1, kMaxHeadDim, spec.head_dim) != spec.head_dim) {
    meta.Problem("attention.value_length", Concat("differs from the key length ", spec.head_dim));
  }
  spec.rotary_dim = meta.Int("rope.dimension_count", 1, kMaxHeadDim, spec.head_dim);
  if (meta.Int("expert_count", 0, INT32_MAX, 0) > 0) {
    throw Error(
        ErrorCode::kUnsupported,
        Concat(meta.place(), " is a mixture-of-experts model; dense models are supported. Choose a dense model."));
  }
  const int64_t bos = meta.Int("tokenizer.ggml.bos_token_id", -1, INT32_MAX, -1);
  spec.bos = bos < spec.vocab ? static_cast<int32_t>(bos) : -1;
  // A file names one end of text and, for chat models, one end of turn.
  for (const char* key :
       {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    AddEos(meta.IntOrInts(key, -1, INT32_MAX), spec);
  }
}

Activation ReadActivation(const JsonFields& config, const std::string& key, const std::string& fallback) {
  const std::string name = config.String(key, fallback);
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  throw Error(ErrorCode::kUnsupported, Concat(config.place(), ": ", key, " is \"", Excerpt(name),
                                              "\"; silu and gelu_pytorch_tanh are supported. Choose another model."));
}

std::optional<std::vector<bool>> ReadLayerTypes(const JsonFields& config, int64_t layers) {
  if (!config.Has("layer_types")) return {};
  std::vector<bool> sliding;
  for (const std::string& type : config.Strings("layer_types", layers)) {
    if (type != "sliding_attention" && type != "full_attention") {
      config.Problem(Concat("layer_types[", sliding.size(), "]"),
                     Concat("is \"", Excerpt(type), "\"; expected \"sliding_attention\" or \"full_attention\""));
    }
    sliding.push_back(type == "sliding_attention");
  }
  sliding.resize(static_cast<size_t>(layers));  // a wrong count is a noted problem
  return sliding;
}

void RefuseIf(const JsonFields& config, const std::string& key, const std::string& why) {
  if (!config.Bool(key, false)) return;
  throw Error(ErrorCode::kUnsupported,
              Concat(config.place(), ": ", key, " is true: ", why, " is not supported. Choose another model."));
}

void CheckSpec(const JsonFields& config, const DecoderSpec& spec) {
  if (config.HasProblems()) return;  // what follows from a wrong field would only hide it
  if (spec.head_dim % 2 != 0) config.Problem("head_dim", Concat("is ", spec.head_dim, "; rope needs an even number"));
  if (spec.rotary_dim % 2 != 0 || spec.rotary_dim < 2 || spec.rotary_dim > spec.head_dim) {
    config.Problem("rotary dimension",
                   Concat("is ", spec.rotary_dim, "; an even number from 2 to ", spec.head_dim, " was expected"));
  }
  const bool slides = std::find(spec.sliding.begin(), spec.sliding.end(), true) != spec.sliding.end();
  if (slides && spec.window < 1) config.Problem("sliding_window", "is missing, but the model has sliding layers");
}

}  // namespace rlvr
