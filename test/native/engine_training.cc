// Gradients by finite differences through whole models; updates, states and adapters that survive a restart; memory.
#include "engine_fixture.h"
#include "temp_folder.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

AccumulateRequest SupervisedRequest(const Engine& engine) {
  AccumulateRequest request;
  request.groups = Groups(engine);
  request.loss.kind = TokenLoss::Kind::kSupervised;
  for (const Group& group : request.groups) {
    auto& weights = request.weights.emplace_back();
    for (const auto& ids : group.completions) weights.emplace_back(ids.size(), 0.1f);
    request.prompt_weights.emplace_back(group.prompt.size(), 0.02f);
  }
  return request;
}

// Compares the analytic gradient with a central difference along a random direction, over all parameters at once.
double DirectionalError(Engine& engine, const AccumulateRequest& request) {
  engine.ZeroGradients();
  engine.Accumulate(request, {});
  std::vector<std::vector<double>> values, directions;
  double analytic = 0, norm = 0;
  uint64_t key = 50;
  const std::vector<std::string> names = engine.ParameterNames();
  for (const std::string& name : names) {
    values.push_back(engine.ParameterValues(name));
    const std::vector<double> gradient = engine.Gradient(name);
    auto& direction = directions.emplace_back();
    ++key;
    for (size_t i = 0; i < gradient.size(); ++i) {
      direction.push_back(2 * UniformFor(1, key, 1, static_cast<uint32_t>(i)) - 1);
      analytic += direction[i] * gradient[i];
      norm += gradient[i] * gradient[i];
    }
  }
  const double step = 1e-5;
  auto loss_at = [&](double distance) {
    for (size_t n = 0; n < names.size(); ++n) {
      std::vector<double> moved = values[n];
      for (size_t i = 0; i < moved.size(); ++i) moved[i] += distance * directions[n][i];
      engine.SetParameter(names[n], moved);
    }
    return engine.Accumulate(request, {}).loss;
  };
  const double numeric = (loss_at(step) - loss_at(-step)) / (2 * step);
  for (size_t n = 0; n < names.size(); ++n) engine.SetParameter(names[n], values[n]);
  return std::abs(numeric - analytic) / std::sqrt(norm);
}

std::vector<double> AllValues(const Engine& engine) {
  std::vector<double> all;
  for (const std::string& name : engine.ParameterNames()) {
    const std::vector<double> part = engine.ParameterValues(name);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

UpdateRequest Rate(double learning_rate) {
  UpdateRequest request;
  request.learning_rate = learning_rate;
  request.weight_decay = 0.01;
  request.max_grad_norm = 1.0;
  return request;
}

}  // namespace

TEST("LoRA gradients of whole models agree with finite differences, for the policy and the supervised loss") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family, "reference-f64"));
    EXPECT_LE(DirectionalError(*engine, SupervisedRequest(*engine)), 1e-6);
    EXPECT_LE(DirectionalError(*engine, PolicyRequest(*engine, Groups(*engine), 0.04)), 1e-6);
    AccumulateRequest truncated = PolicyRequest(*engine, Groups(*engine), 0);
    truncated.sampling.top_k = 11;
    EXPECT_LE(DirectionalError(*engine, truncated), 1e-6);
  }
}

TEST("gradients of every weight, norm, bias and embedding agree with finite differences in full training") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family, "reference-f64", Trainable::kFull));
    EXPECT_LE(DirectionalError(*engine, SupervisedRequest(*engine)), 1e-6);
  }
}

TEST("the finite-difference check sees a gradient that is off by a thousandth") {
  const auto engine = LoadEngine(Options("llama", "reference-f64"));
  AccumulateRequest request = SupervisedRequest(*engine);
  engine->Accumulate(request, {});
  const std::vector<double> right = AllGradients(*engine);
  // Gradients add up: a second, slightly different pass plants the error.
  request.weights[0][0][0] *= 1.01f;
  engine->ZeroGradients();
  engine->Accumulate(request, {});
  EXPECT(RelativeDistance(AllGradients(*engine), right) > 1e-6);
}

TEST("cpu gradients of whole models equal the F64 reference, LoRA and full") {
  for (const std::string& family : Families()) {
    for (const Trainable trainable : {Trainable::kLora, Trainable::kFull}) {
      const auto cpu = LoadEngine(Options(family, "cpu", trainable));
      const auto reference = LoadEngine(Options(family, "reference-f64", trainable));
      const AccumulateRequest request = SupervisedRequest(*cpu);
      const double loss = cpu->Accumulate(request, {}).loss;
      EXPECT_NEAR(loss, reference->Accumulate(request, {}).loss, 1e-5);
      for (const std::string& name : cpu->ParameterNames()) {
        EXPECT_LE(RelativeDistance(cpu->Gradient(name), reference->Gradient(name)), 1e-5);
      }
    }
  }
}

TEST("a saved state continues bit for bit, pending gradients included") {
  const TempFolder folder;
  const auto first = LoadEngine(Options("gemma3"));
  const AccumulateRequest request = SupervisedRequest(*first);
  for (int step = 0; step < 2; ++step) {
    first->Accumulate(request, {});
    first->Update(Rate(1e-2));
  }
  first->Accumulate(request, {});
  first->SaveState(folder / "state.safetensors");
  const auto second = LoadEngine(Options("gemma3"));
  second->LoadState(folder / "state.safetensors");
  for (Engine* engine : {first.get(), second.get()}) {
    engine->Accumulate(request, {});
    EXPECT_EQ(engine->Update(Rate(1e-2)).step, 3);
  }
  EXPECT(AllValues(*first) == AllValues(*second));
  LoadOptions other = Options("gemma3");
  other.lora.rank = 8;
  const auto third = LoadEngine(other);
  EXPECT_THROW_CODE(third->LoadState(folder / "state.safetensors"), ErrorCode::kBadState, "LoRA settings");
}

TEST("a saved adapter loads into the same logprobs; one of another model is refused") {
  const TempFolder folder;
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family));
    engine->SaveAdapter(folder / family, "base");
    LoadOptions options = Options(family);
    options.trainable = Trainable::kNone;
    options.adapter = folder / family;
    const auto loaded = LoadEngine(options);
    ScoreRequest score;
    score.groups = Groups(*engine);
    EXPECT(engine->Score(score, {}).logprobs == loaded->Score(score, {}).logprobs);
  }
  // An adapter on one layer only is a valid PEFT folder too.
  LoadOptions one = Options("llama");
  one.lora.targets = {"model.layers.1.self_attn.q_proj", "down_proj"};
  const auto partial = LoadEngine(one);
  EXPECT_EQ(partial->ParameterNames().size(), size_t{2 * (1 + 3)});
  partial->Accumulate(SupervisedRequest(*partial), {});
  EXPECT(Norm(AllGradients(*partial)) > 0);
  LoadOptions wrong = Options("phi3");
  wrong.adapter = folder / "llama";
  EXPECT_THROW_CODE(LoadEngine(wrong), ErrorCode::kBadArgument, "is not a linear layer");
}

TEST("a non-finite gradient skips the update and leaves the parameters as they were") {
  const auto engine = LoadEngine(Options("llama"));
  const std::vector<double> before = AllValues(*engine);
  AccumulateRequest request = SupervisedRequest(*engine);
  request.weights[0][0][0] = NAN;
  engine->Accumulate(request, {});
  const UpdateResult result = engine->Update(Rate(1e-2));
  EXPECT(result.skipped);
  EXPECT_EQ(result.step, 0);
  EXPECT(AllValues(*engine) == before);
  request.weights[0][0][0] = 0.1f;
  engine->Accumulate(request, {});
  EXPECT(!engine->Update(Rate(1e-2)).skipped);
  EXPECT(AllValues(*engine) != before);
}

TEST("memory does not grow over 200 steps of rollouts and training") {
  const auto engine = LoadEngine(Options("llama"));
  size_t growths = 0, current = 0;
  for (int step = 0; step < 200; ++step) {
    GenerateRequest generate;
    generate.prompts = {{Tokens(9, 1, 90), 1}, {Tokens(14, 2, 90), 2}};
    generate.rollouts = 3;
    generate.max_new_tokens = 8;
    generate.seed = static_cast<uint64_t>(step);
    engine->Generate(generate, {});
    engine->Accumulate(SupervisedRequest(*engine), {});
    engine->Update(Rate(1e-3));
    const MemoryReport memory = engine->memory();
    if (step == 0) {
      growths = memory.arena_growths;
      current = memory.current_bytes;
    }
    EXPECT_EQ(memory.arena_growths, growths);
    EXPECT_EQ(memory.current_bytes, current);
  }
}

TEST("logits are never alive beyond a chunk, in sampling, scoring and training") {
  LoadOptions options = Options("llama");
  options.head_chunk_bytes = 8 << 10;
  const auto engine = LoadEngine(options);
  GenerateRequest generate;
  generate.prompts = {{Tokens(9, 1, 90), 1}, {Tokens(14, 2, 90), 2}};
  generate.rollouts = 20;
  engine->Generate(generate, {});
  for (const int64_t top_k : {0, 7}) {
    AccumulateRequest request = PolicyRequest(*engine, Groups(*engine), 0.04);
    request.sampling.top_k = top_k;
    engine->Accumulate(request, {});
  }
  const size_t whole = 40 * static_cast<size_t>(engine->info().vocab) * sizeof(float);
  EXPECT(engine->memory().peak_logits_bytes > 0);
  EXPECT_LE(engine->memory().peak_logits_bytes, size_t{8 << 10});
  EXPECT(whole > size_t{8 << 10});
}

TEST("a memory limit that is too small is a clear error, and the engine goes on") {
  const auto roomy = LoadEngine(Options("llama"));
  LoadOptions options = Options("llama");
  options.memory_limit = roomy->memory().current_bytes + (1 << 20);
  const auto engine = LoadEngine(options);
  GenerateRequest request;
  for (uint64_t i = 0; i < 8; ++i) request.prompts.push_back({Tokens(20, i, 90), i});
  request.rollouts = 8;
  request.max_new_tokens = 200;
  EXPECT_THROW_CODE(engine->Generate(request, {}), ErrorCode::kOutOfMemory, "memory.limit");
  request.prompts.resize(1);
  request.rollouts = 1;
  request.max_new_tokens = 2;
  EXPECT_EQ(engine->Generate(request, {}).groups.size(), size_t{1});
}

TEST("wrong requests are named: ids outside the vocabulary, empty prompts, lengths past the context, missing arrays") {
  const auto engine = LoadEngine(Options("llama"));
  GenerateRequest request;
  request.prompts = {{{1, 2, 100000}, 0}};
  EXPECT_THROW_CODE(engine->Generate(request, {}), ErrorCode::kBadArgument, "token 100000");
  request.prompts = {{{}, 0}};
  EXPECT_THROW_CODE(engine->Generate(request, {}), ErrorCode::kBadArgument, "is empty");
  request.prompts = {{{1}, 0}};
  request.max_new_tokens = 10000000;
  EXPECT_THROW_CODE(engine->Generate(request, {}), ErrorCode::kBadArgument, "context");
  AccumulateRequest accumulate;
  accumulate.groups = Groups(*engine);
  EXPECT_THROW_CODE(engine->Accumulate(accumulate, {}), ErrorCode::kBadArgument, "weights");
  std::atomic<bool> cancelled{true};
  CallContext context;
  context.cancelled = &cancelled;
  request.max_new_tokens = 4;
  EXPECT_THROW_CODE(engine->Generate(request, context), ErrorCode::kAborted, "aborted");
  EXPECT_THROW_CODE(engine->Accumulate(SupervisedRequest(*engine), context), ErrorCode::kAborted, "aborted");
  EXPECT_THROW_CODE(engine->Update(Rate(1e-3)), ErrorCode::kBadArgument, "zeroGradients");
  engine->ZeroGradients();
  EXPECT(!engine->Update(Rate(1e-3)).skipped);
}
