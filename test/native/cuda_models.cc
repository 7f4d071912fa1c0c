// Whole tiny models on the emulated CUDA backend, held to the float64 goldens within what BF16 torch itself is off by
// (test/golden/make_bf16.py).
#include "backends/cuda_library.h"
#include "golden.h"
#include "io/safetensors.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

constexpr const char* kDevice = "cuda-emulated";
constexpr double kOfTorch = 2;  // times the error of BF16 torch: other roundings, of the same size

double TorchError(const std::string& family, const std::string& key) {
  static const Json golden = LoadJson("bf16.json");
  return Field(Field(Field(golden, "models"), family), key).number();
}

// A loss is a sum in which errors cancel: by luck one family's is tiny, so the largest of all counts.
double LargestTorchError(const std::string& key) {
  double largest = 0;
  for (const std::string& family : Families()) largest = std::max(largest, TorchError(family, key));
  return largest;
}

void RequireLibrary() {
  const CudaStatus status = InspectCuda(CudaLibrary::kEmulated);
  if (!status.usable) Fail(__FILE__, __LINE__, status.problem);
}

}  // namespace

TEST("the emulated card says what it is") {
  RequireLibrary();
  const CudaStatus status = InspectCuda(CudaLibrary::kEmulated);
  EXPECT_EQ(status.build, "emulated");
  EXPECT_EQ(status.cards.size(), size_t{1});
}

TEST("cuda-emulated: logprobs of every architecture are as near to float64 as BF16 torch's") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto engine = LoadEngine(GoldenOptions(family, kDevice));
    ScoreRequest score;
    score.groups = GroupsOf(Field(golden, "groups"));
    score.sampling.temperature = Field(golden, "temperature").number();
    const TokenValues expected = Values(Field(golden, "logprobs"), score.groups);
    const TokenValues logprobs = engine->Score(score, {}).logprobs;
    score.adapter = false;
    const TokenValues without = engine->Score(score, {}).logprobs;
    double largest = 0, squares = 0, adapter = 0, count = 0;
    for (size_t g = 0; g < expected.size(); ++g) {
      for (size_t c = 0; c < expected[g].size(); ++c) {
        for (size_t t = 0; t < expected[g][c].size(); ++t) {
          const double gap = std::abs(logprobs[g][c][t] - expected[g][c][t]);
          largest = std::max(largest, gap);
          adapter = std::max<double>(adapter, std::abs(without[g][c][t] - expected[g][c][t]));
          squares += gap * gap;
          ++count;
        }
      }
    }
    std::printf("  %s: largest %.4f (torch %.4f), rms %.4f (torch %.4f)\n", family.c_str(), largest,
                TorchError(family, "logprob_max"), std::sqrt(squares / count), TorchError(family, "logprob_rms"));
    EXPECT_LE(largest, kOfTorch * TorchError(family, "logprob_max"));
    EXPECT_LE(std::sqrt(squares / count), kOfTorch * TorchError(family, "logprob_rms"));
    EXPECT(adapter > 4 * kOfTorch * TorchError(family, "logprob_max"));  // an adapter that is left out is seen
  }
}

TEST("cuda-emulated: losses and LoRA gradients of every architecture are as near to float64 as BF16 torch's") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + ".safetensors"));
    const auto engine = LoadEngine(GoldenOptions(family, kDevice));
    for (const std::string key : {"cross_entropy", "grpo_beta_0.04"}) {
      engine->ZeroGradients();
      const bool policy = key != "cross_entropy";
      const AccumulateResult result = engine->Accumulate(
          policy ? PolicyOf(golden, "grpo", 0.04) : CrossEntropyOf(GroupsOf(Field(golden, "groups"))), {});
      EXPECT_NEAR(result.loss, Field(Field(golden, "losses"), key).number(),
                  kOfTorch * LargestTorchError("loss." + key));
      std::vector<double> expected;
      for (const std::string& name : engine->ParameterNames()) {
        const SourceTensor* tensor = tensors->Find(Concat("grad.", key, ".", name));
        RLVR_CHECK(tensor != nullptr, "no golden gradient");
        const auto* values = static_cast<const float*>(tensor->data);
        expected.insert(expected.end(), values, values + tensor->bytes / sizeof(float));
      }
      const double distance = RelativeDistance(AllGradients(*engine), expected);
      std::printf("  %s %s: gradient %.4f (torch %.4f)\n", family.c_str(), key.c_str(), distance,
                  TorchError(family, "gradient." + key));
      EXPECT_LE(distance, kOfTorch * TorchError(family, "gradient." + key));
    }
  }
}

TEST("cuda-emulated: 10 training steps follow the float64 curves as BF16 torch does") {
  const Json curves = LoadJson("curves.json");
  for (const auto& [family, model] : Field(curves, "models").members()) {
    for (const std::string kind : {"supervised", "grpo"}) {
      const Json& curve = Field(model, kind);
      const auto engine = LoadEngine(GoldenOptions(family, kDevice));
      const auto losses = Numbers<double>(Field(curve, "loss_float64")),
                 rates = Numbers<double>(Field(curve, "learning_rate"));
      const std::vector<Json>& batches = Field(model, "batches").items();
      for (size_t step = 0; step < 10; ++step) {
        const AccumulateRequest request =
            CurveRequest(curves, curve, kind, GroupsOf(batches[step % batches.size()]), step);
        EXPECT_NEAR(engine->Accumulate(request, {}).loss, losses[step], kOfTorch * TorchError(family, "curve." + kind));
        EXPECT(!engine->Update(CurveUpdate(curves, rates[step])).skipped);
      }
    }
  }
}

TEST("cuda-emulated: rollouts repeat bit for bit, and their logprobs are those of the trainer within BF16") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(GoldenOptions(family, kDevice));
    const int64_t vocab = engine->info().vocab;
    GenerateRequest request;
    request.rollouts = 2;
    request.max_new_tokens = 12;
    request.sampling.temperature = 1;
    for (uint64_t p = 0; p < 3; ++p) {
      Prompt prompt;
      prompt.ids = Tokens(static_cast<int64_t>(5 + 9 * p), p + 1, vocab);
      prompt.key = p;
      request.prompts.push_back(prompt);
    }
    const GenerateResult first = engine->Generate(request, {}), again = engine->Generate(request, {});
    std::vector<Group> groups;
    for (size_t p = 0; p < request.prompts.size(); ++p) {
      Group group{request.prompts[p].ids, {}};
      for (size_t r = 0; r < 2; ++r) {
        EXPECT(first.groups[p][r].ids == again.groups[p][r].ids);
        EXPECT(first.groups[p][r].logprobs == again.groups[p][r].logprobs);
        group.completions.push_back(first.groups[p][r].ids);
      }
      groups.push_back(group);
    }
    // The sampler's logprobs against the trainer's: other kernels, the same distribution.
    ScoreRequest score;
    score.groups = groups;
    const TokenValues scored = engine->Score(score, {}).logprobs;
    double gap = 0;
    for (size_t p = 0; p < groups.size(); ++p) {
      for (size_t r = 0; r < 2; ++r) {
        for (size_t t = 0; t < scored[p][r].size(); ++t) {
          gap = std::max<double>(gap, std::abs(scored[p][r][t] - first.groups[p][r].logprobs[t]));
        }
      }
    }
    std::printf("  %s: sampler gap %.4f\n", family.c_str(), gap);
    EXPECT_LE(gap, kOfTorch * TorchError(family, "logprob_max"));
  }
}

TEST("cuda-emulated: full training of every architecture gives gradients as near to float64 as LoRA's") {
  for (const std::string& family : Families()) {
    const Json golden = LoadJson(family + ".json");
    const auto tensors = Safetensors::Open(SourcePath("test/golden/data/" + family + "-full.safetensors"));
    const auto engine = LoadEngine(Options(family, kDevice, Trainable::kFull));
    const AccumulateResult result = engine->Accumulate(CrossEntropyOf(GroupsOf(Field(golden, "groups"))), {});
    EXPECT_NEAR(result.loss, Field(Field(golden, "losses"), "cross_entropy_base").number(),
                kOfTorch * LargestTorchError("loss.cross_entropy"));
    std::vector<double> expected;
    for (const std::string& name : engine->ParameterNames()) {
      const SourceTensor* tensor = tensors->Find(name);
      RLVR_CHECK(tensor != nullptr, "no golden gradient");
      const auto* values = static_cast<const float*>(tensor->data);
      expected.insert(expected.end(), values, values + tensor->bytes / sizeof(float));
    }
    const double distance = RelativeDistance(AllGradients(*engine), expected);
    std::printf("  %s: gradient %.4f\n", family.c_str(), distance);
    EXPECT_LE(distance, kOfTorch * LargestTorchError("gradient.cross_entropy"));
  }
}
