// Checkpoints as wholes: configs of every family, their mistakes, weights by slot, and the real files when present.
#include "model/checkpoint.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "io/gguf.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "io_builders.h"
#include "quant/codec.h"
#include "test.h"

namespace rlvr {
namespace {

using test::GgufBytes;
using test::OneTensor;
using test::TempFolder;

constexpr const char* kLlama =
    R"({"model_type":"llama","vocab_size":16,"hidden_size":8,"intermediate_size":12,)"
    R"("num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,)"
    R"("max_position_embeddings":64,"rms_norm_eps":1e-5,"bos_token_id":1,"eos_token_id":[2,3]})";

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  RLVR_CHECK(at != std::string::npos, "the test's config has no ", from);
  return text.replace(at, from.size(), to);
}

// A folder with this config and an embedding of one number under `prefix`; enough to read the spec.
std::unique_ptr<Checkpoint> OpenConfig(const TempFolder& folder, const std::string& config,
                                       const std::string& prefix = "model.") {
  folder.Write("config.json", config);
  folder.Write("model.safetensors", OneTensor(prefix + "embed_tokens.weight"));
  return Checkpoint::Open(folder.path());
}

DecoderSpec Spec(const std::string& config) {
  const TempFolder folder;
  return OpenConfig(folder, config)->spec();
}

TEST("a Llama config with the least keys has the published defaults") {
  const DecoderSpec spec = Spec(kLlama);
  EXPECT_EQ(spec.family, "llama");
  EXPECT_EQ(spec.head_dim, 2);
  EXPECT_EQ(spec.rotary_dim, 2);
  EXPECT_EQ(spec.attention_scale, std::pow(2.0, -0.5));
  EXPECT(!spec.tied_head && !spec.qk_norm && !spec.qkv_bias);
  EXPECT_EQ(spec.eos, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(spec.rope.inv_freq, std::vector<float>{1.0f});
}

TEST("llama3 rope keeps short waves, slows long ones by the factor, and blends between") {
  const std::string config =
      Replace(kLlama, R"("max_position_embeddings":64)",
              R"("max_position_embeddings":131072,"head_dim":128,"rope_theta":500000.0,"rope_scaling":)"
              R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)"
              R"("original_max_position_embeddings":8192})");
  const std::vector<float> f = Spec(config).rope.inv_freq;
  // Values of transformers 5.24.0 for these parameters, in F32.
  EXPECT_EQ(f[0], 1.0f);
  EXPECT_NEAR(f[28], 0.0032114461064338684, 3e-10);
  EXPECT_NEAR(f[29], 0.0021665706299245358, 2e-10);
  EXPECT_NEAR(f[31], 0.0008567514596506953, 6e-11);
  EXPECT_NEAR(f[35], 9.556212171446532e-05, 7e-12);
  EXPECT_NEAR(f[63], 3.068925877869333e-07, 3e-14);
}

// What hub files of the 27b model say: all else is left to the class defaults.
constexpr const char* kGemma27b =
    R"({"model_type":"gemma3","eos_token_id":[1,106],"text_config":{"head_dim":128,"hidden_size":5376,)"
    R"("intermediate_size":21504,"model_type":"gemma3_text","num_attention_heads":32,"num_hidden_layers":62,)"
    R"("num_key_value_heads":16,"query_pre_attn_scalar":168,"rope_scaling":{"factor":8.0,"rope_type":"linear"},)"
    R"("sliding_window":1024},"vision_config":{"hidden_size":1152}})";

TEST("a sparse multimodal Gemma-3 config is completed by the class defaults") {
  const TempFolder folder;
  const auto checkpoint = OpenConfig(folder, kGemma27b, "language_model.model.");
  const DecoderSpec& spec = checkpoint->spec();
  EXPECT_EQ(spec.vocab, 262208);
  EXPECT_EQ(spec.context, 131072);
  EXPECT_EQ(spec.attention_scale, std::pow(168.0, -0.5));
  EXPECT_EQ(spec.embed_scale, static_cast<double>(std::sqrt(5376.0f)));
  EXPECT_EQ(spec.norm_weight_offset, 1.0);
  EXPECT(spec.tied_head && spec.qk_norm && spec.post_norms);
  EXPECT_EQ(spec.window, 1024);
  EXPECT(spec.sliding[0] && spec.sliding[4] && !spec.sliding[5] && !spec.sliding[59] && spec.sliding[61]);
  EXPECT_EQ(spec.rope.inv_freq[0], 0.125f);                 // linear factor 8 on full layers
  EXPECT_EQ(spec.rope_sliding.inv_freq[0], 1.0f);           // and none on sliding ones
  EXPECT_NEAR(spec.rope.inv_freq[32] * 8, 1e-3, 1e-9);      // base 1e6
  EXPECT_NEAR(spec.rope_sliding.inv_freq[32], 1e-2, 1e-8);  // base 1e4
  EXPECT_EQ(spec.bos, 2);
  EXPECT_EQ(spec.eos, (std::vector<int32_t>{1, 106}));
  EXPECT(checkpoint->Has("model.embed_tokens.weight"));
}

TEST("old and new key names of a config give the same spec") {
  const std::string old_names = Replace(kGemma27b, R"("sliding_window":1024)",
                                        R"("sliding_window":1024,"rope_theta":500000,"rope_local_base_freq":20000,)"
                                        R"("sliding_window_pattern":2,"torch_dtype":"bfloat16")");
  std::string layers;
  for (int i = 0; i < 62; ++i)
    layers += std::string(i ? "," : "") + (i % 2 ? "\"full_attention\"" : "\"sliding_attention\"");
  const std::string new_names = Replace(
      kGemma27b, R"("rope_scaling":{"factor":8.0,"rope_type":"linear"})",
      R"("dtype":"bfloat16","layer_types":[)" + layers +
          R"(],"rope_parameters":{"full_attention":{"rope_type":"linear",)"
          R"("factor":8.0,"rope_theta":500000},"sliding_attention":{"rope_type":"default","rope_theta":20000}})");
  const DecoderSpec a = Spec(old_names), b = Spec(new_names);
  EXPECT_EQ(a.rope.inv_freq, b.rope.inv_freq);
  EXPECT_EQ(a.rope_sliding.inv_freq, b.rope_sliding.inv_freq);
  EXPECT(a.sliding == b.sliding);
  EXPECT(a.sliding[0] && !a.sliding[1]);
  EXPECT(a.rope.inv_freq != Spec(kGemma27b).rope.inv_freq);  // the keys are read at all
}

constexpr const char* kPhi =
    R"({"model_type":"phi3","vocab_size":100,"hidden_size":16,"intermediate_size":12,)"
    R"("num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"rms_norm_eps":1e-5,)"
    R"("max_position_embeddings":64,"original_max_position_embeddings":16,)"
    R"("partial_rotary_factor":0.5,"eos_token_id":32000})";

TEST("Phi-3 takes partial rotary, and longrope with its short factors up to the original length") {
  const DecoderSpec plain = Spec(kPhi);
  EXPECT_EQ(plain.rotary_dim, 4);
  EXPECT(plain.fused_qkv && plain.fused_gate_up);
  EXPECT(plain.eos.empty());  // 32000 lies outside this vocabulary
  EXPECT_EQ(plain.context, 64);
  const DecoderSpec longrope = Spec(Replace(
      kPhi, R"("partial_rotary_factor":0.5)",
      R"("partial_rotary_factor":0.5,"rope_scaling":{"type":"longrope","short_factor":[2,4],"long_factor":[20,40]})"));
  EXPECT_EQ(longrope.rope.inv_freq[0], 0.5f);
  EXPECT_NEAR(longrope.rope.inv_freq[1], 0.01 / 4, 1e-9);
  EXPECT_EQ(longrope.context, 16);
  EXPECT_NEAR(longrope.rope.attention_factor, std::sqrt(1 + std::log(4.0) / std::log(16.0)), 1e-7);
  const DecoderSpec sliding = Spec(Replace(kPhi, R"("eos_token_id")", R"("sliding_window":7,"eos_token_id")"));
  EXPECT(sliding.window == 7 && sliding.sliding[0] && sliding.sliding[1]);
}

TEST("Qwen-2 has a bias, Qwen-3 a norm on q and k and its own head size; windows only when they are on") {
  const std::string qwen2 = Replace(kLlama, "llama", "qwen2");
  EXPECT(Spec(qwen2).qkv_bias && !Spec(qwen2).qk_norm);
  const std::string windowed =
      Replace(qwen2, R"("bos_token_id")",
              R"("sliding_window":5,"max_window_layers":1,"use_sliding_window":true,"bos_token_id")");
  EXPECT(Spec(windowed).window == 5 && !Spec(windowed).sliding[0] && Spec(windowed).sliding[1]);
  EXPECT_EQ(Spec(Replace(windowed, "true", "false")).window, 0);
  const DecoderSpec qwen3 = Spec(Replace(kLlama, "llama", "qwen3"));
  EXPECT(!qwen3.qkv_bias && qwen3.qk_norm);
  EXPECT_EQ(qwen3.head_dim, 128);
}

TEST("stop tokens of generation_config.json are added to those of config.json") {
  const TempFolder folder;
  folder.Write("generation_config.json", R"({"eos_token_id":[3,7,7,99],"temperature":1.0})");
  const auto checkpoint = OpenConfig(folder, kLlama);
  EXPECT_EQ(checkpoint->spec().eos, (std::vector<int32_t>{2, 3, 7}));
}

TEST("malformed configs are refused with the key and what was expected") {
  struct Case {
    std::string config;
    ErrorCode code;
    const char* message;
  };
  const auto bad = ErrorCode::kBadCheckpoint;
  const auto refused = ErrorCode::kUnsupported;
  const auto with = [](const char* from, const char* to) { return Replace(kLlama, from, to); };
  const std::string nested_array = Replace(kGemma27b, R"("text_config":{)", R"("text_config":[{)");
  const std::vector<Case> cases = {
      {"", bad, "config.json: invalid JSON"},
      {"[]", bad, "the text is an array"},
      {"{}", bad, "model_type: is missing"},
      {R"({"model_type":7})", bad, "model_type: is a number (7)"},
      {R"({"model_type":"mamba"})", refused,
       "\"mamba\"; known model types: gemma3, gemma3_text, phi3, llama, qwen2, qwen3"},
      {R"({"model_type":"llama","hidden_sise":8})", bad, "(the file has \"hidden_sise\")"},
      {R"({"model_type":"llama"})", bad, "6 problems"},
      {with(R"("hidden_size":8)", R"("hidden_size":-8)"), bad,
       "hidden_size: is a number (-8); expected a whole number from 1"},
      {with(R"("hidden_size":8)", R"("hidden_size":8.5)"), bad, "hidden_size: is a number (8.5)"},
      {with(R"("hidden_size":8)", R"("hidden_size":"8")"), bad, "hidden_size: is a string (\"8\")"},
      {with(R"("hidden_size":8)", R"("hidden_size":1000000000)"), bad, "to 65536"},
      {with(R"("hidden_size":8)", R"("hidden_size":99999999999999999999)"), bad, "hidden_size: is a number"},
      {with(R"("hidden_size":8)", R"("hidden_size":9)"), bad, "a width of 9 does not divide by 4 heads"},
      {with(R"("vocab_size":16)", R"("vocab_size":0)"), bad, "vocab_size: is a number (0)"},
      {with(R"("vocab_size":16)", R"("vocab_size":true)"), bad, "vocab_size: is true"},
      {with(R"("num_hidden_layers":2)", R"("num_hidden_layers":100000)"), bad, "num_hidden_layers"},
      {with(R"("num_attention_heads":4)", R"("num_attention_heads":0)"), bad, "num_attention_heads: is a number (0)"},
      {with(R"("num_key_value_heads":2)", R"("num_key_value_heads":3)"), bad,
       "4 heads do not divide by 3 key/value heads"},
      {with(R"("num_key_value_heads":2)", R"("num_key_value_heads":8)"), bad, "4 heads do not divide by 8"},
      {with(R"("hidden_size":8)", R"("hidden_size":8,"head_dim":3)"), bad, "rope needs an even number"},
      {with(R"("hidden_size":8)", R"("hidden_size":8,"head_dim":100000)"), bad, "head_dim"},
      {with("1e-5", "-1"), bad, "rms_norm_eps: is a number (-1)"},
      {with("1e-5", "1e999"), bad, "a number is too large"},
      {with(R"([2,3])", R"([2,"3"])"), bad, "eos_token_id: is an array of 2"},
      {with(R"([2,3])", R"({})"), bad, "eos_token_id: is an object"},
      {with(R"("bos_token_id":1)", R"("bos_token_id":"<s>")"), bad, "bos_token_id"},
      {with(R"("bos_token_id":1)", R"("bos_token_id":1,"bos_token_id":2)"), bad, "stands twice"},
      {with(R"("bos_token_id")", R"("__proto__":{"hidden_size":9},"constructor":1,"rope_theta":0,"bos_token_id")"), bad,
       "rope_theta: is a number (0)"},
      {with(R"("bos_token_id")", R"("rope_scaling":[],"bos_token_id")"), bad, "rope_scaling is an array"},
      {with(R"("bos_token_id")", R"("rope_scaling":{"type":"linear"},"bos_token_id")"), bad,
       "rope_scaling.factor: is missing"},
      {with(R"("bos_token_id")", R"("rope_scaling":{"type":"linear","factor":0},"bos_token_id")"), bad,
       "rope_scaling.factor"},
      {with(R"("bos_token_id")", R"("rope_scaling":{"type":"yarn","factor":4},"bos_token_id")"), refused,
       "rope type \"yarn\" is not supported"},
      {with(R"("bos_token_id")", R"("rope_scaling":{"rope_type":"llama3","factor":8},"bos_token_id")"), bad,
       "2 problems"},
      {with(R"("bos_token_id")", R"("attention_bias":true,"bos_token_id")"), refused, "attention_bias is true"},
      {with(R"("bos_token_id")", R"("mlp_bias":true,"bos_token_id")"), refused, "mlp_bias is true"},
      {with(R"("bos_token_id")", R"("hidden_act":"relu","bos_token_id")"), refused, "hidden_act is \"relu\""},
      {with(R"("bos_token_id")", R"("tie_word_embeddings":"yes","bos_token_id")"), bad, "expected true or false"},
      {nested_array.substr(0, nested_array.size() - 1) + "]}", bad, "invalid JSON"},
      {R"({"model_type":"gemma3","text_config":[]})", bad, "text_config is an array"},
      {Replace(kGemma27b, R"("sliding_window":1024)", R"("sliding_window":0)"), bad, "text_config.sliding_window"},
      {Replace(kGemma27b, R"("sliding_window":1024)", R"("layer_types":["full_attention"])"), bad,
       "text_config.layer_types: is an array of 1; expected an array of 62"},
      {Replace(kGemma27b, R"("num_hidden_layers":62)", R"("num_hidden_layers":1,"layer_types":["linear"])"), bad,
       "text_config.layer_types[0]: is \"linear\""},
      {Replace(kGemma27b, R"("query_pre_attn_scalar":168)", R"("query_pre_attn_scalar":0)"), bad,
       "query_pre_attn_scalar"},
      {Replace(kGemma27b, R"("sliding_window")", R"("use_bidirectional_attention":true,"sliding_window")"), refused,
       "use_bidirectional_attention is true"},
      {Replace(kGemma27b, R"("sliding_window")", R"("sliding_window_pattern":0,"sliding_window")"), bad,
       "sliding_window_pattern"},
      {Replace(kPhi, ":0.5", ":1.5"), bad, "partial_rotary_factor"},
      {Replace(kPhi, ":0.5", ":0.4"), bad, "rotary dimension: is 3"},
      {Replace(kPhi, ":0.5", R"(:0.5,"rope_scaling":{"type":"longrope","short_factor":[1]})"), bad,
       "expected an array of 2 numbers"},
      {Replace(kPhi, ":0.5", R"(:0.5,"rope_scaling":{"type":"longrope","short_factor":[1,0]})"), bad,
       "short_factor[1]: is a number (0)"},
      {Replace(kPhi, ":0.5", R"(:0.5,"rope_scaling":{"type":"longrope"})"), bad, "short_factor: is missing"},
  };
  EXPECT_LE(size_t{45}, cases.size());
  for (const Case& c : cases) EXPECT_THROW_CODE(Spec(c.config), c.code, c.message);
  const TempFolder folder;
  folder.Write("generation_config.json", R"({"eos_token_id":"</s>"})");
  EXPECT_THROW_CODE(OpenConfig(folder, kLlama), bad, "generation_config.json: 1 problem: eos_token_id");
}

TEST("what is no model is refused with what to give instead") {
  const TempFolder folder;
  EXPECT_THROW_CODE(Checkpoint::Open(folder.path()), ErrorCode::kBadCheckpoint, "has no config.json");
  EXPECT_THROW_CODE(Checkpoint::Open(folder / "none"), ErrorCode::kIo, "No such file");
  EXPECT_THROW_CODE(Checkpoint::Open(folder.Write("m.safetensors", OneTensor("a"))), ErrorCode::kBadArgument,
                    "Give the folder");
  EXPECT_THROW_CODE(Checkpoint::Open(folder.Write("pytorch_model.bin", "x")), ErrorCode::kUnsupported, "pickle");
  EXPECT_THROW_CODE(OpenConfig(folder, kLlama, "decoder."), ErrorCode::kBadCheckpoint, "\"model.embed_tokens.weight\"");
}

TEST("weights are found by slot and their shapes are checked") {
  const auto checkpoint = Checkpoint::Open(test::SourcePath("test/golden/models/gemma3-multimodal"));
  const DecoderSpec& spec = checkpoint->spec();
  EXPECT_EQ(spec.family, "gemma3");
  EXPECT(checkpoint->Has("model.layers.5.self_attn.q_norm.weight"));
  EXPECT(!checkpoint->Has("model.layers.6.self_attn.q_norm.weight"));
  EXPECT_EQ(checkpoint->Matrix("model.embed_tokens.weight", spec.vocab, spec.dim).out, spec.vocab);
  EXPECT_EQ(checkpoint->Vector("model.norm.weight", spec.dim).size(), static_cast<size_t>(spec.dim));
  EXPECT_THROW_CODE(checkpoint->Matrix("model.embed_tokens.weight", spec.vocab + 1, spec.dim),
                    ErrorCode::kBadCheckpoint, "has shape [112, 32]; the config needs [113, 32]");
  EXPECT_THROW_CODE(checkpoint->Vector("model.layers.9.input_layernorm.weight", spec.dim), ErrorCode::kBadCheckpoint,
                    "is missing; a gemma3 model of 6 layers needs it");
  const auto sharded = Checkpoint::Open(test::SourcePath("test/golden/models/llama-sharded"));
  const auto single = Checkpoint::Open(test::SourcePath("test/golden/models/llama"));
  EXPECT_EQ(sharded->Vector("model.norm.weight", 48), single->Vector("model.norm.weight", 48));
}

// A GGUF Llama of one head pair: 2 heads of 4, width 8.
GgufBytes TinyGguf() {
  GgufBytes file;
  file.String("general.architecture", "llama").Uint32("llama.embedding_length", 8).Uint32("llama.block_count", 1);
  file.Uint32("llama.feed_forward_length", 4).Uint32("llama.attention.head_count", 2);
  file.Uint32("llama.attention.head_count_kv", 1).Uint32("llama.context_length", 32);
  file.Float32("llama.attention.layer_norm_rms_epsilon", 1e-5f).Uint32("tokenizer.ggml.eos_token_id", 2);
  file.Uint32("tokenizer.ggml.eot_token_id", 3);
  std::string rows;
  for (int row = 0; row < 8; ++row) {
    for (int i = 0; i < 8; ++i) rows += test::Raw(static_cast<float>(row));
  }
  file.TensorWithData("token_embd.weight", {8, 5}, 0, std::string(160, '\0'));
  return file.TensorWithData("blk.0.attn_q.weight", {8, 8}, 0, rows);
}

TEST("a GGUF Llama's q rows get an order that undoes the converter's interleaving") {
  const TempFolder folder;
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", TinyGguf().Build()));
  EXPECT(checkpoint->is_gguf() && checkpoint->spec().tied_head);
  EXPECT_EQ(checkpoint->spec().head_dim, 4);
  EXPECT_EQ(checkpoint->spec().eos, (std::vector<int32_t>{2, 3}));
  EXPECT(!checkpoint->Has("lm_head.weight"));
  const WeightSource q = checkpoint->Matrix("model.layers.0.self_attn.q_proj.weight", 8, 8);
  EXPECT(q.row_order != nullptr);
  // The converter put rows 0, 2, 1, 3 of each head at 0, 1, 2, 3; NeoX order is 0, 2, 1, 3 of those again for 4 rows.
  EXPECT_EQ(std::vector<int32_t>(q.row_order, q.row_order + 8), (std::vector<int32_t>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT(checkpoint->Matrix("model.embed_tokens.weight", 5, 8).row_order == nullptr);
}

TEST("GGUF metadata that no model can have is refused") {
  struct Case {
    GgufBytes file;
    ErrorCode code;
    const char* message;
  };
  GgufBytes nameless, unknown, wordy, sizeless;
  nameless.Uint32("llama.block_count", 1);
  unknown.String("general.architecture", "mamba");
  wordy.Uint32("general.architecture", 7);
  sizeless.String("general.architecture", "llama")
      .TensorWithData("token_embd.weight", {8, 5}, 0, std::string(160, '\0'));
  GgufBytes no_embedding;
  no_embedding.String("general.architecture", "llama");
  const std::vector<Case> cases = {
      {nameless, ErrorCode::kBadCheckpoint, "\"general.architecture\" is missing"},
      {unknown, ErrorCode::kUnsupported, "\"mamba\"; known architectures: gemma3, phi3, llama, qwen2, qwen3"},
      {wordy, ErrorCode::kBadCheckpoint, "is of type uint32"},
      {no_embedding, ErrorCode::kBadCheckpoint, "\"token_embd.weight\" is missing"},
      {sizeless, ErrorCode::kBadCheckpoint, "6 problems"},
      {TinyGguf().Uint32("split.count", 3), ErrorCode::kUnsupported, "one of 3 parts"},
      {TinyGguf().Uint32("llama.expert_count", 8), ErrorCode::kUnsupported, "mixture-of-experts"},
      {TinyGguf().String("llama.rope.scaling.type", "yarn"), ErrorCode::kUnsupported, "\"yarn\""},
      {TinyGguf().Float32("llama.rope.freq_base", NAN), ErrorCode::kBadCheckpoint,
       "rope.freq_base: is a number (not finite)"},
      {TinyGguf().Uint32("llama.rope.dimension_count", 2), ErrorCode::kBadCheckpoint, "the head size 4 was expected"},
      {TinyGguf().Uint32("llama.attention.value_length", 2), ErrorCode::kBadCheckpoint, "differs from the key length"},
      {TinyGguf().Uint32("llama.attention.key_length", 0), ErrorCode::kBadCheckpoint, "attention.key_length"},
      {TinyGguf().TensorWithData("blk.0.attn_q.bias", {8}, 0, std::string(32, '\0')), ErrorCode::kUnsupported,
       "a bias"},
      {TinyGguf().TensorWithData("rope_freqs.weight", {3}, 0, std::string(12, '\0')), ErrorCode::kBadCheckpoint,
       "rope_freqs.weight: has 3 values"},
      {TinyGguf().TensorWithData("rope_freqs.weight", {2}, 0, std::string(8, '\0')), ErrorCode::kBadCheckpoint,
       "has the factor 0"},
  };
  for (const Case& c : cases) {
    const TempFolder folder;
    EXPECT_THROW_CODE(Checkpoint::Open(folder.Write("m.gguf", c.file.Build())), c.code, c.message);
  }
  const TempFolder folder;
  const auto scaled = Checkpoint::Open(folder.Write(
      "m.gguf", TinyGguf().TensorWithData("rope_freqs.weight", {2}, 0, test::Raw(2.0f) + test::Raw(4.0f)).Build()));
  EXPECT_EQ(scaled->spec().rope.inv_freq, (std::vector<float>{0.5f, 0.0025f}));
}

TEST("a weight at an odd address is given as an aligned copy") {
  const TempFolder folder;
  GgufBytes file = TinyGguf();
  file.alignment = 1;
  file.Uint32("general.alignment", 1);
  file.data.clear();
  file.tensors.clear();
  std::string rows;
  for (int i = 0; i < 40; ++i) rows += test::Raw(static_cast<float>(i));
  file.TensorWithData("pad", {1}, 24, "x").TensorWithData("token_embd.weight", {8, 5}, 0, rows);
  const auto checkpoint = Checkpoint::Open(folder.Write("m.gguf", file.Build()));
  const WeightSource embed = checkpoint->Matrix("model.embed_tokens.weight", 5, 8);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(embed.data) % alignof(float), uintptr_t{0});
  EXPECT_EQ(static_cast<const float*>(embed.data)[39], 39.0f);
  checkpoint->Forget(embed);
  const WeightSource again = checkpoint->Matrix("model.embed_tokens.weight", 5, 8);
  EXPECT_EQ(static_cast<const float*>(again.data)[39], 39.0f);
}

std::string RealModel(const std::string& name) {
  const char* cache = std::getenv("RLVR_CACHE");
  const char* home = std::getenv("HOME");
  const std::string folder =
      cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache/rlvr-node/models";
  const std::string path = folder + "/" + name;
  if (!std::filesystem::exists(path)) SKIP("run `node scripts/fetch-models.mjs all` to fetch " + name);
  return path;
}

TEST("the SmolLM2 file gives the published spec and all its weights") {
  const auto checkpoint = Checkpoint::Open(RealModel("smollm2-135m-instruct-q4_1.gguf"));
  const DecoderSpec& spec = checkpoint->spec();
  EXPECT_EQ(spec.family, "llama");
  EXPECT_EQ(spec.layers, 30);
  EXPECT(spec.heads == 9 && spec.kv_heads == 3 && spec.head_dim == 64);
  EXPECT_EQ(spec.vocab, 49152);
  EXPECT_EQ(spec.eos, std::vector<int32_t>{2});
  EXPECT(spec.tied_head);
  EXPECT_NEAR(spec.rope.inv_freq[16], std::pow(100000.0, -0.5), 1e-9);
  const WeightSource q = checkpoint->Matrix("model.layers.29.self_attn.q_proj.weight", 576, 576);
  EXPECT(q.dtype == DType::kQ4_1 && q.row_order != nullptr);
  EXPECT(checkpoint->Matrix("model.embed_tokens.weight", 49152, 576).dtype == DType::kQ8_0);
}

TEST("the Gemma-3-270m file gives the published spec and stores norm weights with the one added") {
  const auto checkpoint = Checkpoint::Open(RealModel("gemma-3-270m-q4_k_m.gguf"));
  const DecoderSpec& spec = checkpoint->spec();
  EXPECT_EQ(spec.family, "gemma3");
  EXPECT(spec.layers == 18 && spec.dim == 640 && spec.heads == 4 && spec.kv_heads == 1 && spec.head_dim == 256);
  EXPECT_EQ(spec.window, 512);
  EXPECT(spec.sliding[4] && !spec.sliding[5]);
  EXPECT_EQ(spec.norm_weight_offset, 0.0);
  const std::vector<float> norm = checkpoint->Vector("model.layers.0.input_layernorm.weight", 640);
  double mean = 0;
  for (const float value : norm) mean += value / 640.0;
  EXPECT(mean > 1);  // weight - 1 would lie near 0
  EXPECT_EQ(checkpoint->Matrix("model.layers.0.self_attn.k_proj.weight", 256, 640).row_order == nullptr, true);
  checkpoint->Vector("model.layers.17.post_feedforward_layernorm.weight", 640);
}

}  // namespace
}  // namespace rlvr
