// The plan is what is taken: planned and reserved bytes are equal, nothing grows afterwards, and limits are checked.
#include <algorithm>

#include "engine_fixture.h"
#include "train/batch_shape.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

Workload LongestCase() {
  Workload workload;
  workload.prompt_tokens = 40;
  workload.completion_tokens = 30;
  workload.generate = {{4, 3}, {6, 1}};
  workload.score = {4, 3};
  workload.accumulate = {2, 3};
  return workload;
}

std::vector<Group> RandomGroups(uint64_t key, int64_t count, int64_t completions, int64_t prompt, int64_t completion) {
  auto length = [&](int64_t most, uint32_t a, uint32_t b) {
    return 1 + static_cast<int64_t>(UniformFor(5, key, a, b) * static_cast<double>(most));
  };
  std::vector<Group> groups;
  for (uint32_t g = 0; g < count; ++g) {
    Group group{Tokens(length(prompt, g, 0), key, 60), {}};
    for (uint32_t c = 1; c <= completions; ++c) group.completions.push_back(Tokens(length(completion, g, c), c, 60));
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

TEST("no packing of shorter groups is larger than the bound") {
  DecoderSpec spec;
  spec.vocab = 60;
  spec.context = 4096;
  BatchShape most;
  for (uint64_t key = 0; key < 3000; ++key) {
    const GroupLimits limits{1 + static_cast<int64_t>(key % 5), 1 + static_cast<int64_t>(key % 4),
                             1 + static_cast<int64_t>(key % 90), 1 + static_cast<int64_t>(key % 37)};
    const int64_t max_rows = 1 + static_cast<int64_t>(key % 131);
    std::vector<Group> groups =
        RandomGroups(key, limits.groups, limits.completions, limits.prompt_tokens, limits.completion_tokens);
    if (key % 3 == 0) {  // the longest of all
      for (Group& group : groups) {
        group.prompt = Tokens(limits.prompt_tokens, key, 60);
        for (auto& ids : group.completions) ids = Tokens(limits.completion_tokens, key, 60);
      }
    }
    const BatchShape bound = BoundOf(limits, max_rows);
    const BatchShape shape = ShapeOf(PackGroups(groups, {}, nullptr, max_rows, spec, "test"));
    EXPECT_LE(shape.rows, bound.rows);
    EXPECT_LE(shape.head_rows, bound.head_rows);
    EXPECT_LE(shape.pages, bound.pages);
    if (shape.rows == bound.rows) ++most.rows;
    if (shape.head_rows == bound.head_rows) ++most.head_rows;
    if (shape.pages == bound.pages) ++most.pages;
  }
  // The bound is reached, so one below it would fail here.
  EXPECT(most.rows > 100);
  EXPECT(most.head_rows > 100);
  EXPECT(most.pages > 100);
}

TEST("what is planned from the header is what is reserved, byte for byte") {
  for (const std::string& family : Families()) {
    for (const Trainable trainable : {Trainable::kLora, Trainable::kFull}) {
      for (const std::string device : {"cpu", "reference"}) {
        const LoadOptions options = Options(family, device, trainable);
        const PlanResult plan = Engine::Plan(options, LongestCase());
        const auto engine = LoadEngine(options);
        EXPECT(engine->memory().current_bytes < plan.memory.total);
        const MemoryPlan taken = engine->Reserve(LongestCase());
        EXPECT_EQ(plan.memory.total, taken.total);
        EXPECT_EQ(plan.memory.total, engine->memory().current_bytes);
        EXPECT_EQ(plan.memory.total, engine->memory().peak_bytes);
        EXPECT_EQ(plan.memory.trainable, engine->memory().trainable_bytes);
        EXPECT_EQ(plan.info.parameters, engine->info().parameters);
        EXPECT_EQ(plan.memory.total, plan.memory.weights + plan.memory.trainable + plan.memory.workspace +
                                         std::max({plan.memory.rollouts, plan.memory.scoring, plan.memory.training}));
      }
    }
  }
}

TEST("after the longest case is reserved nothing grows in 40 steps of mixed lengths") {
  for (const size_t limit_share : {0, 1}) {
    LoadOptions options = Options("gemma3");
    options.max_batch_rows = 100;
    options.max_live = 5;
    options.threads = 1;
    if (limit_share > 0) {  // as much as the plan with recomputed layers takes, so that training recomputes
      const MemoryPlan whole = Engine::Plan(options, LongestCase()).memory;
      options.memory_limit = whole.total - whole.training / 4;
      EXPECT(Engine::Plan(options, LongestCase()).memory.recompute);
    }
    const auto engine = LoadEngine(options);
    const MemoryPlan plan = engine->Reserve(LongestCase());
    for (uint64_t step = 0; step < 40; ++step) {
      GenerateRequest generate;
      const std::vector<Group> groups = RandomGroups(step, 4, 1, 40, 30);
      for (uint64_t p = 0; p < 4; ++p) generate.prompts.push_back({groups[p].prompt, p});
      generate.rollouts = 3;
      generate.max_new_tokens = 1 + static_cast<int64_t>(step % 30);
      generate.seed = step;
      engine->Generate(generate, {});
      AccumulateRequest request;
      request.groups = RandomGroups(step + 1000, 2, 3, 40, 30);
      if (step == 7) {
        for (Group& group : request.groups) {
          group.prompt = Tokens(40, 1, 60);
          for (auto& ids : group.completions) ids = Tokens(30, 1, 60);
        }
      }
      request.loss.kind = TokenLoss::Kind::kSupervised;
      for (const Group& group : request.groups) {
        auto& weights = request.weights.emplace_back();
        for (const auto& ids : group.completions) weights.emplace_back(ids.size(), 0.1f);
      }
      engine->Accumulate(request, {});
      ScoreRequest score;
      score.groups = RandomGroups(step + 2000, 4, 3, 40, 30);
      engine->Score(score, {});
      UpdateRequest update;
      update.learning_rate = 1e-4;
      engine->Update(update);
    }
    EXPECT_EQ(engine->memory().arena_growths, size_t{0});
    EXPECT_EQ(engine->memory().peak_bytes, plan.total);
    if (limit_share == 0) {  // a call that was not announced still runs, and is noticed
      ScoreRequest larger;
      larger.groups = {{Tokens(250, 1, 60), {{1}}}};
      engine->Score(larger, {});
      EXPECT(engine->memory().arena_growths > 0);
    }
  }
}

TEST("a limit under the plan is refused at reserve, with what to lower, and the engine goes on") {
  const LoadOptions options = Options("llama");
  const MemoryPlan plan = Engine::Plan(options, LongestCase()).memory;
  LoadOptions tight = options;
  tight.memory_limit = plan.weights + plan.trainable + plan.workspace + 1000;
  const auto engine = LoadEngine(tight);
  const size_t before = engine->memory().current_bytes;
  EXPECT_THROW_CODE(engine->Reserve(LongestCase()), ErrorCode::kOutOfMemory, "max_new_tokens");
  EXPECT_EQ(engine->memory().current_bytes, before);
  Workload small = LongestCase();
  small.prompt_tokens = small.completion_tokens = 1;
  small.generate = {{1, 1}};
  small.score = small.accumulate = {};
  tight.memory_limit = Engine::Plan(tight, small).memory.total;
  EXPECT_EQ(LoadEngine(tight)->Reserve(small).total, tight.memory_limit);  // just enough is enough
  small.completion_tokens = engine->info().context;
  EXPECT_THROW_CODE(engine->Reserve(small), ErrorCode::kBadArgument, "context");
}
