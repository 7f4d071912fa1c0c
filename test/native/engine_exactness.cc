// One engine: sampler equals trainer, results do not depend on threads, batches or splits, prompts are computed once.
#include "engine_fixture.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

GenerateRequest Request(const Engine& engine, std::vector<int64_t> which = {0, 1, 2}) {
  GenerateRequest request;
  const int64_t lengths[] = {35, 4, 33}, vocab = engine.info().vocab;
  for (const int64_t i : which) {
    request.prompts.push_back(
        {Tokens(lengths[i], 20 + static_cast<uint64_t>(i), vocab), 100 + static_cast<uint64_t>(i)});
  }
  request.rollouts = 3;
  request.max_new_tokens = 40;
  request.sampling.temperature = 0.9;
  request.stop_ids = {5, 6, 7};
  return request;
}

bool SameRollout(const Rollout& a, const Rollout& b) {
  return a.ids == b.ids && a.logprobs == b.logprobs && a.entropies == b.entropies && a.finish == b.finish;
}

ScoreRequest ScoreOf(const GenerateRequest& request, const GenerateResult& result) {
  ScoreRequest score;
  score.sampling = request.sampling;
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    Group group{request.prompts[p].ids, {}};
    for (const Rollout& rollout : result.groups[p]) group.completions.push_back(rollout.ids);
    score.groups.push_back(std::move(group));
  }
  return score;
}

}  // namespace

TEST("the logprobs kept at sampling have the bits of those recomputed in one pass, truncated or not") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family));
    for (int mode = 0; mode < 4; ++mode) {
      GenerateRequest request = Request(*engine);
      if (mode == 1) request.sampling.top_k = 5;
      if (mode == 2) request.sampling.top_p = 0.8;
      if (mode == 3) request.sampling.min_p = 0.2;
      const GenerateResult result = engine->Generate(request, {});
      const ScoreResult score = engine->Score(ScoreOf(request, result), {});
      double distinct = 0;
      for (size_t p = 0; p < result.groups.size(); ++p) {
        for (size_t r = 0; r < result.groups[p].size(); ++r) {
          EXPECT_EQ(result.groups[p][r].logprobs, score.logprobs[p][r]);
          EXPECT_EQ(result.groups[p][r].entropies, score.entropies[p][r]);
          distinct += result.groups[p][r].ids != result.groups[p][0].ids;
        }
      }
      EXPECT(distinct > 0);  // rollouts of a group differ, or this compared one sequence with itself
    }
  }
}

TEST("the adapter matters: logprobs with and without it differ") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family));
    ScoreRequest score;
    score.groups = Groups(*engine);
    const TokenValues on = engine->Score(score, {}).logprobs;
    score.adapter = false;
    EXPECT(on != engine->Score(score, {}).logprobs);
  }
}

TEST("the same seed gives the same rollouts, bit for bit, on 1 and 2 threads, alone, in a batch, and with few places") {
  for (const std::string& family : Families()) {
    const auto two = LoadEngine(Options(family));
    const GenerateResult together = two->Generate(Request(*two), {});
    LoadOptions single = Options(family);
    single.threads = 1;
    single.max_live = 2;        // fewer places than the rollouts of a question
    single.max_batch_rows = 7;  // prompts go in pieces
    const auto one = LoadEngine(single);
    const GenerateResult squeezed = one->Generate(Request(*one), {});
    GenerateRequest reseeded = Request(*two);
    reseeded.seed = 43;
    const GenerateResult other = two->Generate(reseeded, {});
    bool differs = false;
    for (int64_t p = 0; p < 3; ++p) {
      const GenerateResult alone = two->Generate(Request(*two, {p}), {});
      for (size_t r = 0; r < 3; ++r) {
        const Rollout& expected = together.groups[static_cast<size_t>(p)][r];
        EXPECT(SameRollout(expected, alone.groups[0][r]));
        EXPECT(SameRollout(expected, squeezed.groups[static_cast<size_t>(p)][r]));
        differs = differs || !SameRollout(expected, other.groups[static_cast<size_t>(p)][r]);
      }
    }
    EXPECT(differs);  // another seed, other rollouts
  }
}

TEST("a stop token ends a rollout and is its last token; otherwise it has its full length") {
  const auto engine = LoadEngine(Options("llama"));
  const GenerateResult result = engine->Generate(Request(*engine), {});
  int stopped = 0, full = 0;
  for (const auto& group : result.groups) {
    for (const Rollout& rollout : group) {
      const int32_t last = rollout.ids.back();
      const bool is_stop = last >= 5 && last <= 7;
      EXPECT_EQ(is_stop, rollout.finish == FinishReason::kStop);
      for (size_t i = 0; i + 1 < rollout.ids.size(); ++i) EXPECT(rollout.ids[i] < 5 || rollout.ids[i] > 7);
      EXPECT(is_stop || rollout.ids.size() == 40);
      (is_stop ? stopped : full) += 1;
    }
  }
  EXPECT(stopped > 0);
  EXPECT(full > 0);
}

TEST("rollouts of a group share one computation of their prompt") {
  const auto engine = LoadEngine(Options("llama"));
  const GenerateRequest request = Request(*engine);
  const GenerateResult result = engine->Generate(request, {});
  int64_t prompts = 0, fed = 0;
  for (size_t p = 0; p < result.groups.size(); ++p) {
    prompts += static_cast<int64_t>(request.prompts[p].ids.size());
    for (const Rollout& rollout : result.groups[p]) fed += static_cast<int64_t>(rollout.ids.size()) - 1;
  }
  EXPECT_EQ(result.counters.prompt_tokens, prompts);
  EXPECT_EQ(result.counters.tokens_computed, prompts + fed);
  const ScoreResult score = engine->Score(ScoreOf(request, result), {});
  EXPECT_EQ(score.counters.prompt_tokens, prompts);
  EXPECT_EQ(score.counters.tokens_computed, prompts + fed);
}

TEST("training computes a prompt once per group, with the gradients of separate sequences") {
  for (const std::string& family : Families()) {
    const auto engine = LoadEngine(Options(family));
    const AccumulateRequest tree = PolicyRequest(*engine, Groups(*engine), 0.04);
    const AccumulateResult shared = engine->Accumulate(tree, {});
    const std::vector<double> gradient = AllGradients(*engine);
    EXPECT_EQ(shared.counters.prompt_tokens, 39);
    engine->ZeroGradients();
    double loss = 0;
    int64_t prompt_tokens = 0;
    for (size_t g = 0; g < tree.groups.size(); ++g) {
      for (size_t c = 0; c < tree.groups[g].completions.size(); ++c) {
        AccumulateRequest lone = tree;
        lone.groups = {{tree.groups[g].prompt, {tree.groups[g].completions[c]}}};
        lone.old_logprobs = {{tree.old_logprobs[g][c]}};
        lone.ref_logprobs = {{tree.ref_logprobs[g][c]}};
        lone.advantages = {{tree.advantages[g][c]}};
        lone.weights = {{tree.weights[g][c]}};
        const AccumulateResult part = engine->Accumulate(lone, {});
        loss += part.loss;
        prompt_tokens += part.counters.prompt_tokens;
      }
    }
    EXPECT_EQ(prompt_tokens, 3 * 35 + 2 * 4);
    EXPECT_NEAR(shared.loss, loss, 1e-6);
    EXPECT_LE(RelativeDistance(gradient, AllGradients(*engine)), 1e-6);
    EXPECT(Norm(gradient) > 1e-3);
    EXPECT(shared.clip_ratio > 0);
  }
}

TEST("losses and gradients have the same bits on 1 and 2 threads and when layers are recomputed") {
  for (const std::string& family : Families()) {
    const auto two = LoadEngine(Options(family));
    const AccumulateRequest request = PolicyRequest(*two, Groups(*two), 0.04);
    const AccumulateResult expected = two->Accumulate(request, {});
    LoadOptions single = Options(family);
    single.threads = 1;
    const auto one = LoadEngine(single);
    EXPECT_EQ(one->Accumulate(request, {}).loss, expected.loss);
    EXPECT(AllGradients(*one) == AllGradients(*two));

    // A limit below what keeping all activations takes makes the engine recompute.
    LoadOptions tight = Options(family);
    tight.memory_limit = two->memory().current_bytes - two->memory().activation_bytes / 4;
    const auto recomputing = LoadEngine(tight);
    EXPECT_EQ(recomputing->Accumulate(request, {}).loss, expected.loss);
    EXPECT(AllGradients(*recomputing) == AllGradients(*two));
    EXPECT(recomputing->memory().activation_bytes < two->memory().activation_bytes);
  }
}

TEST("a group that is larger than a batch is split with the same gradient") {
  const auto whole = LoadEngine(Options("gemma3"));
  const AccumulateRequest request = PolicyRequest(*whole, Groups(*whole), 0.04);
  const double loss = whole->Accumulate(request, {}).loss;
  LoadOptions small = Options("gemma3");
  small.max_batch_rows = 44;
  const auto split = LoadEngine(small);
  const AccumulateResult result = split->Accumulate(request, {});
  EXPECT(result.counters.prompt_tokens > 39);
  EXPECT_NEAR(result.loss, loss, 1e-6);
  EXPECT_LE(RelativeDistance(AllGradients(*split), AllGradients(*whole)), 1e-6);
}

TEST("on-policy, the trainer's logprobs equal the sampler's and the ratio is 1") {
  const auto engine = LoadEngine(Options("gemma3"));
  GenerateRequest request = Request(*engine);
  request.sampling.top_k = 20;
  const GenerateResult result = engine->Generate(request, {});
  AccumulateRequest train;
  train.sampling = request.sampling;
  const ScoreRequest score = ScoreOf(request, result);
  train.groups = score.groups;
  for (const auto& group : result.groups) {
    auto& old = train.old_logprobs.emplace_back();
    auto& advantages = train.advantages.emplace_back();
    auto& weights = train.weights.emplace_back();
    for (const Rollout& rollout : group) {
      old.push_back(rollout.logprobs);
      advantages.emplace_back(rollout.ids.size(), 1.0f);
      weights.emplace_back(rollout.ids.size(), 1.0f);
    }
  }
  const AccumulateResult trained = engine->Accumulate(train, {});
  EXPECT_LE(trained.sampler_gap, 1e-5);
  EXPECT_EQ(trained.clip_ratio, 0.0);
  EXPECT_NEAR(trained.loss, -static_cast<double>(trained.tokens), 1e-3);
}
