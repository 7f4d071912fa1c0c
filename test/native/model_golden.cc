// Whole tiny models against pinned transformers, peft and trl: test/golden/make_goldens.py says how the files were
// made.
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "backends/backend.h"
#include "golden.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "train/adapter_file.h"
#include "train/group_batch.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

constexpr double kLogitTolerance = 5e-6;     // F32 engine against the F64 reference; torch's own F32 is 2e-6 off
constexpr double kGradientTolerance = 1e-5;  // relative norm, every LoRA matrix
constexpr double kLossTolerance = 1e-6;

void ExpectGradients(const Engine& engine, const Safetensors& golden, const std::string& prefix) {
  for (const std::string& name : engine.ParameterNames()) {
    const SourceTensor* tensor = golden.Find(prefix + name);
    if (!tensor) {
      Fail(__FILE__, __LINE__, "no golden gradient " + prefix + name);
      continue;
    }
    const auto* values = static_cast<const float*>(tensor->data);
    const std::vector<double> expected(values, values + tensor->bytes / sizeof(float));
    EXPECT_LE(RelativeDistance(engine.Gradient(name), expected), kGradientTolerance);
  }
}

// Logits of every row of a sequence, whole: only a test may ask for that.
std::vector<double> Logits(const std::string& family, const std::string& device, bool adapter,
                           const std::vector<int32_t>& ids) {
  const LoadOptions options = GoldenOptions(family, device);
  ThreadPool threads(2);
  MemoryCounter memory;
  const auto ops = CreateBackend(device, threads);
  const auto checkpoint = Checkpoint::Open(options.path);
  WorkspaceLimits limits;
  limits.max_rows = limits.max_head_rows = 64;
  limits.max_in = limits.max_out = limits.vocab = limits.dim = 256;
  limits.max_rank = limits.head_dim = limits.heads = 64;
  Buffer workspace(memory, ops->WorkspaceBytes(limits), "workspace");
  ops->SetWorkspace(limits, workspace.data(), workspace.bytes());
  WeightQuantizer quantizer(Quantization::kNone, threads, options.path);
  Model model(*checkpoint, *ops, memory, quantizer, Trainable::kLora, ReadAdapterOptions(options.adapter));
  ReadAdapterWeights(options.adapter, model);
  model.Refresh(*ops);
  Decoder decoder(model, *ops);
  const auto batches = PackGroups({{ids, {}}}, {}, nullptr, 64, model.spec(), "test");
  const auto rows = static_cast<int64_t>(ids.size());
  const DType dtype = ops->ActivationType();
  Arena arena(memory, "test");
  arena.Reserve(size_t{16} << 20);
  KvPool pool(model.spec(), dtype, batches[0].pages, model.spec().layers, arena, *ops);
  const Tensor residual = decoder.Infer(batches[0].spans, pool, arena, adapter, [] {});
  const Tensor index = arena.Matrix(DType::kI32, 1, rows);
  for (int64_t r = 0; r < rows; ++r) index.I32()[r] = static_cast<int32_t>(r);
  const Tensor logits = arena.Matrix(dtype, rows, model.spec().vocab);
  ops->Linear(decoder.HeadInput(residual, index, arena), model.head().weight, Tensor(), logits);
  std::vector<double> all;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t v = 0; v < logits.cols(); ++v) all.push_back(logits.At(r, v));
  }
  return all;
}

double LargestLogitGap(const std::string& family, const std::string& device) {
  const Json golden = LoadJson(family + ".json");
  const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + ".safetensors"));
  const std::vector<Group> groups = GroupsOf(Field(golden, "groups"));
  double gap = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t c = 0; c < groups[g].completions.size(); ++c) {
      std::vector<int32_t> ids = groups[g].prompt;
      ids.insert(ids.end(), groups[g].completions[c].begin(), groups[g].completions[c].end());
      for (const bool adapter : {true, false}) {
        const SourceTensor* expected = tensors->Find(Concat("logits.", adapter ? "adapter." : "base.", g, ".", c));
        RLVR_CHECK(expected, "no golden logits");
        const std::vector<double> logits = Logits(family, device, adapter, ids);
        RLVR_CHECK(logits.size() * sizeof(float) == expected->bytes, "golden logits have another shape");
        for (size_t i = 0; i < logits.size(); ++i) {
          gap = std::max(gap, std::abs(logits[i] - static_cast<const float*>(expected->data)[i]));
        }
      }
    }
  }
  return gap;
}

}  // namespace

TEST("logits of every architecture equal transformers in F64, with and without the PEFT adapter") {
  for (const std::string& family : Families()) {
    EXPECT_LE(LargestLogitGap(family, "cpu"), kLogitTolerance);
    EXPECT_LE(LargestLogitGap(family, "reference"), kLogitTolerance);
  }
}

TEST("the golden comparison sees an adapter that is left out") {
  const Json golden = LoadJson("llama.json");
  const std::vector<int32_t> prompt = GroupsOf(Field(golden, "groups"))[0].prompt;
  EXPECT(RelativeDistance(Logits("llama", "cpu", true, prompt), Logits("llama", "cpu", false, prompt)) > 1e-3);
}

TEST("multimodal, old-key and sharded checkpoints give the logprobs of the plain ones") {
  for (const auto& [variant, family] :
       {std::pair<std::string, std::string>{"gemma3-multimodal", "gemma3"}, {"llama-sharded", "llama"}}) {
    LoadOptions plain = Options(family), other = Options(variant);
    plain.trainable = other.trainable = Trainable::kNone;
    const auto a = LoadEngine(plain), b = LoadEngine(other);
    ScoreRequest score;
    score.groups = GroupsOf(Field(LoadJson(family + ".json"), "groups"));
    EXPECT(a->Score(score, {}).logprobs == b->Score(score, {}).logprobs);
  }
}

// peft itself checked these folders' logits (the goldens above) and ours (test/golden/check_peft.py); without Python,
// equal bytes and fields carry the proof over to what is written today.
TEST("an adapter of peft that is loaded and saved again has the same tensors and settings") {
  const auto folder = std::filesystem::temp_directory_path() / Concat("rlvr-peft-", getpid());
  for (const std::string& family : Families()) {
    const LoadOptions options = GoldenOptions(family);
    LoadEngine(options)->SaveAdapter(folder.string(), "base");
    const auto theirs = Safetensors::Open(options.adapter + "/adapter_model.safetensors");
    const auto ours = Safetensors::Open((folder / "adapter_model.safetensors").string());
    const std::vector<std::string> names = theirs->Names();
    EXPECT_EQ(ours->Names().size(), names.size());
    for (const std::string& name : names) {
      const SourceTensor *a = theirs->Find(name), *b = ours->Find(name);
      EXPECT(b && a->dtype == b->dtype && a->shape == b->shape && std::memcmp(a->data, b->data, a->bytes) == 0);
    }
    const std::string file = options.adapter + "/adapter_config.json";
    const Json published = Json::Parse(ReadTextFile(file), "[golden] " + file);
    const Json written = Json::Parse(ReadTextFile((folder / "adapter_config.json").string()), "[golden] ours");
    for (const auto& [key, value] : written.members()) {
      const Json* expected = published.Find(key);
      EXPECT(expected != nullptr);
      const bool names_file = key == "base_model_name_or_path" || key == "target_modules";
      if (expected && !names_file && !value.is_number()) EXPECT_EQ(value.Dump(), expected->Dump());
      if (expected && value.is_number()) EXPECT_EQ(value.number(), expected->number());
    }
    std::filesystem::remove_all(folder);
  }
}

TEST("GRPO losses equal trl for every aggregation and beta, and so do the gradients") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + ".safetensors"));
    const auto engine = LoadEngine(GoldenOptions(family));
    std::vector<double> seen;
    for (const double beta : {0.0, 0.04}) {
      for (const std::string aggregation : {"grpo", "bnpo", "dr_grpo", "dapo"}) {
        engine->ZeroGradients();
        const AccumulateResult result = engine->Accumulate(PolicyOf(golden, aggregation, beta), {});
        const std::string key = aggregation + (beta == 0 ? "_beta_0" : "_beta_0.04");
        EXPECT_NEAR(result.loss, Field(Field(golden, "losses"), key).number(), kLossTolerance);
        EXPECT_NEAR(result.clip_ratio, Field(golden, "clip_ratio").number(), 1e-9);
        EXPECT_NEAR(result.entropy, Field(golden, "entropy").number(), 1e-5);
        if (beta != 0) EXPECT_NEAR(result.kl, Field(golden, "kl").number(), 1e-5);
        for (const double other : seen) EXPECT(std::abs(result.loss - other) > 10 * kLossTolerance);
        seen.push_back(result.loss);
        if (aggregation == "grpo") ExpectGradients(*engine, *tensors, "grad." + key + ".");
      }
    }
  }
}

TEST("cross-entropy and its LoRA gradients equal transformers and peft") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + ".safetensors"));
    const auto engine = LoadEngine(GoldenOptions(family));
    const AccumulateResult result = engine->Accumulate(CrossEntropyOf(GroupsOf(Field(golden, "groups"))), {});
    EXPECT_NEAR(result.loss, Field(Field(golden, "losses"), "cross_entropy").number(), kLossTolerance * 5);
    ExpectGradients(*engine, *tensors, "grad.cross_entropy.");
  }
}

TEST("gradients of all weights equal transformers in full training") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + "-full.safetensors"));
    const auto engine = LoadEngine(Options(family, "cpu", Trainable::kFull));
    const AccumulateResult result = engine->Accumulate(CrossEntropyOf(GroupsOf(Field(golden, "groups"))), {});
    EXPECT_NEAR(result.loss, Field(Field(golden, "losses"), "cross_entropy_base").number(), kLossTolerance * 5);
    ExpectGradients(*engine, *tensors, "");
  }
}

TEST("20 training steps follow PyTorch's losses and gradient norms, supervised and GRPO") {
  const Json curves = LoadJson("curves.json");
  for (const auto& [family, model] : Field(curves, "models").members()) {
    for (const std::string kind : {"supervised", "grpo"}) {
      const Json& curve = Field(model, kind);
      const auto engine = LoadEngine(GoldenOptions(family));
      const auto losses = Numbers<double>(Field(curve, "loss")), norms = Numbers<double>(Field(curve, "grad_norm"));
      const auto rates = Numbers<double>(Field(curve, "learning_rate"));
      const std::vector<Json>& batches = Field(model, "batches").items();
      EXPECT_EQ(losses.size(), size_t{20});
      for (size_t step = 0; step < losses.size(); ++step) {
        const std::vector<Group> groups = GroupsOf(batches[step % batches.size()]);
        const AccumulateRequest request = CurveRequest(curves, curve, kind, groups, step);
        EXPECT_NEAR(engine->Accumulate(request, {}).loss, losses[step], 1e-4);
        EXPECT_NEAR(engine->Update(CurveUpdate(curves, rates[step])).grad_norm, norms[step], 1e-3 * norms[step]);
      }
    }
  }
}
