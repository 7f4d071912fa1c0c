// Weights quantised while they are loaded: what is computed, what is held meanwhile, and what is refused.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "engine_fixture.h"
#include "io/safetensors.h"
#include "io_builders.h"
#include "model/checkpoint.h"
#include "model/model.h"
#include "quant/codec.h"
#include "quant/nf4.h"

namespace rlvr::test {
namespace {

// A Llama whose rows are whole blocks: the proportions of a large one, scaled down.
constexpr int64_t kLayers = 8, kDim = 128, kFfn = 448, kKv = 64, kVocab = 96;
const char* const kConfig = R"({"model_type": "llama", "hidden_size": 128, "intermediate_size": 448, "vocab_size": 96,
  "num_hidden_layers": 8, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "rms_norm_eps": 1e-5,
  "max_position_embeddings": 256, "rope_theta": 10000.0, "tie_word_embeddings": true, "eos_token_id": 1})";

struct NamedMatrix {
  std::string name;
  int64_t rows, cols;
  bool is_linear() const { return name.find("_proj.") != std::string::npos; }
};

std::vector<NamedMatrix> Matrices() {
  std::vector<NamedMatrix> list = {{"model.embed_tokens.weight", kVocab, kDim}, {"model.norm.weight", 1, kDim}};
  for (int64_t l = 0; l < kLayers; ++l) {
    const std::string at = Concat("model.layers.", l, ".");
    list.insert(list.end(), {{at + "self_attn.q_proj.weight", kDim, kDim},
                             {at + "self_attn.k_proj.weight", kKv, kDim},
                             {at + "self_attn.v_proj.weight", kKv, kDim},
                             {at + "self_attn.o_proj.weight", kDim, kDim},
                             {at + "mlp.gate_proj.weight", kFfn, kDim},
                             {at + "mlp.up_proj.weight", kFfn, kDim},
                             {at + "mlp.down_proj.weight", kDim, kFfn},
                             {at + "input_layernorm.weight", 1, kDim},
                             {at + "post_attention_layernorm.weight", 1, kDim}});
  }
  return list;
}

using Values = std::map<std::string, std::vector<float>>;

// BF16 numbers, larger in some matrices than in others.
Values RandomValues() {
  Values values;
  uint64_t key = 0;
  for (const NamedMatrix& m : Matrices()) {
    ++key;
    std::vector<float>& v = values[m.name];
    for (int64_t i = 0; i < m.rows * m.cols; ++i) {
      const double u = 2 * UniformFor(21, key, 0, static_cast<uint32_t>(i)) - 1;
      const double value = m.rows == 1 ? 1 + 0.1 * u : u * (i % 97 == 0 ? 0.5 : 0.15);
      v.push_back(Bf16ToF32(F32ToBf16(static_cast<float>(value))));
    }
  }
  return values;
}

// A checkpoint in three shards.
void WriteCheckpoint(const TempFolder& folder, const Values& values, DType dtype) {
  folder.Write("config.json", kConfig);
  std::vector<std::vector<std::byte>> bytes;
  std::vector<SafetensorsEntry> shards[3];
  std::string map;
  size_t n = 0;
  for (const NamedMatrix& m : Matrices()) {
    const size_t shard = n++ % 3;
    bytes.emplace_back(BytesOf(dtype, m.rows * m.cols));
    QuantizeRow(dtype, values.at(m.name).data(), m.rows * m.cols, bytes.back().data());
    const auto shape = m.rows == 1 ? std::vector<int64_t>{m.cols} : std::vector<int64_t>{m.rows, m.cols};
    shards[shard].push_back({m.name, dtype, shape, bytes.back().data(), {}});
    map += Concat(map.empty() ? "" : ",", "\"", m.name, "\":\"model-", shard, ".safetensors\"");
  }
  for (size_t s = 0; s < 3; ++s) WriteSafetensors(folder / Concat("model-", s, ".safetensors"), shards[s]);
  folder.Write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
}

// The same model with its linear layers as they read back after quantising.
Values ReadBack(Values values, DType dtype) {
  ThreadPool pool(1);
  QuantizeScratch scratch;
  for (const NamedMatrix& m : Matrices()) {
    if (!m.is_linear()) continue;
    std::vector<float>& v = values[m.name];
    const auto read = [&](int64_t r, float* row) { std::copy_n(v.data() + r * m.cols, m.cols, row); };
    std::vector<std::byte> bytes(MatrixBytes(dtype, m.rows, m.cols));
    QuantizeMatrix(dtype, read, m.rows, m.cols, pool, scratch, bytes.data());
    for (int64_t r = 0; r < m.rows; ++r) {
      float* row = v.data() + r * m.cols;
      if (dtype == DType::kNF4) {
        Nf4Matrix(bytes.data(), m.rows, m.cols).Row(r, row);
      } else {
        DequantizeRow(dtype, bytes.data() + r * static_cast<int64_t>(BytesOf(dtype, m.cols)), m.cols, row);
      }
    }
  }
  return values;
}

LoadOptions OptionsOf(const TempFolder& folder, const std::string& device, Quantization quantize) {
  LoadOptions options = Options("llama", device);
  options.path = folder.path();
  options.quantize = quantize;
  return options;
}

std::vector<float> Logprobs(Engine& engine) {
  ScoreRequest request;
  request.groups = Groups(engine);
  std::vector<float> all;
  for (const auto& group : engine.Score(request, {}).logprobs) {
    for (const auto& completion : group) all.insert(all.end(), completion.begin(), completion.end());
  }
  return all;
}

TEST("a model quantised while loading has the logprobs and gradients of its weights as they read back, bit for bit") {
  const TempFolder plain;
  const Values values = RandomValues();
  WriteCheckpoint(plain, values, DType::kBF16);
  for (const auto& [quantize, dtype] :
       {std::pair{Quantization::kNf4, DType::kNF4}, std::pair{Quantization::kInt8, DType::kQ8_0}}) {
    const TempFolder back;
    WriteCheckpoint(back, ReadBack(values, dtype), DType::kF32);
    for (const std::string device : {"cpu", "reference"}) {
      const auto quantised = LoadEngine(OptionsOf(plain, device, quantize));
      const auto expected = LoadEngine(OptionsOf(back, device, Quantization::kNone));
      const auto unquantised = LoadEngine(OptionsOf(plain, device, Quantization::kNone));
      EXPECT(Logprobs(*quantised) == Logprobs(*expected));
      EXPECT(Logprobs(*quantised) != Logprobs(*unquantised));  // it was not ignored
      const auto request = PolicyRequest(*quantised, Groups(*quantised), 0.04);
      quantised->Accumulate(request, {});
      expected->Accumulate(request, {});
      EXPECT(Norm(AllGradients(*quantised)) > 0);
      EXPECT(AllGradients(*quantised) == AllGradients(*expected));
      EXPECT_EQ(quantised->info().parameters, unquantised->info().parameters);
    }
  }
}

TEST("quantising holds one matrix at a time, whatever the size of the checkpoint") {
  const TempFolder folder;
  WriteCheckpoint(folder, RandomValues(), DType::kBF16);
  for (const auto& [quantize, dtype] :
       {std::pair{Quantization::kNf4, DType::kNF4}, std::pair{Quantization::kInt8, DType::kQ8_0}}) {
    ThreadPool pool(2);
    MemoryCounter memory;
    const auto ops = CreateBackend("cpu", pool);
    const auto checkpoint = Checkpoint::Open(folder.path());
    WeightQuantizer quantizer(quantize, pool, folder.path());
    const Model model(*checkpoint, *ops, memory, quantizer, Trainable::kNone, {});
    // The largest matrix quantised, two rows as F32, and an F32 for each block of 64.
    const size_t scratch = 2 * kFfn * sizeof(float) + kFfn * kDim / 64 * sizeof(float);
    EXPECT(quantizer.peak_bytes() >= MatrixBytes(dtype, kFfn, kDim));
    EXPECT_LE(quantizer.peak_bytes(), MatrixBytes(dtype, kFfn, kDim) + scratch);
    EXPECT_LE(memory.peak(), model.weight_bytes() + (size_t{64} << 10));  // and norms; nothing else is taken
    EXPECT(model.layers()[0].down.weight.dtype == dtype);
    EXPECT(model.embedding().dtype == DType::kBF16);
  }
}

TEST("fewer bits take less memory, and the plan knows it") {
  const TempFolder folder;
  WriteCheckpoint(folder, RandomValues(), DType::kBF16);
  Workload workload;
  workload.prompt_tokens = 20;
  workload.completion_tokens = 10;
  workload.generate = {{2, 2}};
  workload.accumulate = {1, 2};
  size_t before = SIZE_MAX;
  for (const Quantization quantize : {Quantization::kNone, Quantization::kInt8, Quantization::kNf4}) {
    const LoadOptions options = OptionsOf(folder, "cpu", quantize);
    const MemoryPlan plan = Engine::Plan(options, workload).memory;
    const auto engine = LoadEngine(options);
    EXPECT_EQ(engine->Reserve(workload).total, plan.total);
    EXPECT_EQ(engine->memory().current_bytes, plan.total);
    EXPECT(plan.weights < before);
    before = plan.weights;
  }
}

TEST("what cannot be quantised is refused, with the tensor and the way out") {
  const auto load = [](const std::string& family, Quantization quantize, Trainable trainable = Trainable::kLora) {
    LoadOptions options = Options(family, "cpu", trainable);
    options.quantize = quantize;
    return Engine::Load(options, {});
  };
  EXPECT_THROW_CODE(load("llama", Quantization::kNf4), ErrorCode::kUnsupported,
                    "tensor \"model.layers.0.self_attn.q_proj.weight\" has rows of 48 elements; quantize: nf4 needs a "
                    "multiple of 64. Use none.");
  EXPECT_THROW_CODE(load("gemma3", Quantization::kNf4), ErrorCode::kUnsupported, "rows of 32 elements");
  EXPECT_THROW_CODE(load("gemma3", Quantization::kNf4), ErrorCode::kUnsupported, "Use int8 or none.");
  EXPECT_THROW_CODE(load("llama", Quantization::kInt8), ErrorCode::kUnsupported, "needs a multiple of 32");
  EXPECT_THROW_CODE(load("gemma3", Quantization::kInt8, Trainable::kFull), ErrorCode::kBadArgument, "full training");

  ThreadPool pool(1);
  const WeightQuantizer quantizer(Quantization::kNf4, pool, "model.gguf");
  EXPECT_THROW_CODE(quantizer.TypeOf({DType::kQ4_K, 4, 256, nullptr, nullptr}, "blk.0.attn_q.weight"),
                    ErrorCode::kBadArgument,
                    "[load] model.gguf: tensor \"blk.0.attn_q.weight\" is quantised already, as Q4_K");
}

TEST("a weight that is not finite is refused rather than spread over its block") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    Values values = RandomValues();
    values["model.layers.5.mlp.up_proj.weight"][3 * kDim + 7] = bad;
    const TempFolder folder;
    WriteCheckpoint(folder, values, DType::kBF16);
    for (const Quantization quantize : {Quantization::kNf4, Quantization::kInt8}) {
      EXPECT_THROW_CODE(Engine::Load(OptionsOf(folder, "cpu", quantize), {}), ErrorCode::kBadCheckpoint,
                        "row 3 of tensor \"model.layers.5.mlp.up_proj.weight\" has a value that is not finite");
    }
  }
}

}  // namespace
}  // namespace rlvr::test
