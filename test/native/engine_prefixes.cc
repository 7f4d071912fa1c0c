// Prefixes that prompts share: the bits of the text written out, one computation, pages that come back; answer options;
// adapters that are replaced.
#include <algorithm>
#include <numeric>

#include "engine_fixture.h"
#include "temp_folder.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

// Lengths on both sides of the block of 32 keys: a header of one block and a half, one inside a block, one of whole
// blocks, a chain of three; a header that nothing continues.
std::vector<Prefix> Headers(int64_t vocab) {
  return {{Tokens(45, 1, vocab), -1}, {Tokens(5, 2, vocab), 0}, {Tokens(14, 3, vocab), 1},
          {Tokens(3, 4, vocab), -1},  {Tokens(9, 5, vocab), 0}, {Tokens(64, 6, vocab), -1}};
}

std::vector<int32_t> WrittenOut(const std::vector<Prefix>& prefixes, int32_t prefix, const std::vector<int32_t>& ids) {
  if (prefix < 0) return ids;
  const Prefix& p = prefixes[static_cast<size_t>(prefix)];
  std::vector<int32_t> text = WrittenOut(prefixes, p.parent, p.ids);
  text.insert(text.end(), ids.begin(), ids.end());
  return text;
}

// Eight prompts in no order of their prefixes; prefix 4 has none.
GenerateRequest Shared(const Engine& engine) {
  const int64_t vocab = engine.info().vocab;
  GenerateRequest request;
  request.prefixes = Headers(vocab);
  uint64_t key = 30;
  for (const int32_t prefix : {2, 0, -1, 3, 2, 1, 5, 0}) {
    Prompt prompt;
    prompt.ids = Tokens(4 + static_cast<int64_t>(key % 3) * 16, key, vocab);
    prompt.key = key++;
    prompt.prefix = prefix;
    request.prompts.push_back(prompt);
  }
  request.rollouts = 2;
  request.max_new_tokens = 12;
  request.stop_ids = {5, 6, 7};
  return request;
}

GenerateRequest Flat(const GenerateRequest& request) {
  GenerateRequest flat = request;
  for (Prompt& prompt : flat.prompts) {
    prompt.ids = WrittenOut(request.prefixes, prompt.prefix, prompt.ids);
    prompt.prefix = -1;
  }
  flat.prefixes.clear();
  return flat;
}

ScoreRequest ScoreOf(const GenerateRequest& request, const GenerateResult& result) {
  ScoreRequest score;
  score.prefixes = request.prefixes;
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    Group group{request.prompts[p].ids, {}, request.prompts[p].prefix};
    for (const Rollout& rollout : result.groups[p]) group.completions.push_back(rollout.ids);
    score.groups.push_back(std::move(group));
  }
  return score;
}

void ExpectSame(const GenerateResult& a, const GenerateResult& b) {
  for (size_t p = 0; p < a.groups.size(); ++p) {
    for (size_t r = 0; r < a.groups[p].size(); ++r) {
      EXPECT_EQ(a.groups[p][r].ids, b.groups[p][r].ids);
      EXPECT_EQ(a.groups[p][r].logprobs, b.groups[p][r].logprobs);
      EXPECT_EQ(a.groups[p][r].entropies, b.groups[p][r].entropies);
    }
  }
}

ChoicesRequest Exam(const Engine& engine) {
  const int64_t vocab = engine.info().vocab;
  ChoicesRequest request;
  request.prefixes = Headers(vocab);
  request.questions = {{Tokens(20, 70, vocab), {{1}, {2}, {3}, {4}}, 2},
                       {Tokens(33, 71, vocab), {{1}, Tokens(5, 72, vocab), Tokens(2, 73, vocab)}, 0},
                       {Tokens(7, 74, vocab), {{9}}, -1},
                       {Tokens(7, 75, vocab), {Tokens(3, 76, vocab), {8}}, 2}};
  return request;
}

}  // namespace

TEST("rollouts and logprobs behind shared prefixes have the bits of prompts with the prefixes written out") {
  for (const std::string& family : Families()) {
    for (const std::string device : {"cpu", "reference"}) {
      const auto engine = LoadEngine(Options(family, device));
      const GenerateRequest request = Shared(*engine);
      const GenerateResult shared = engine->Generate(request, {});
      const GenerateResult flat = engine->Generate(Flat(request), {});
      ExpectSame(shared, flat);
      const ScoreResult scored = engine->Score(ScoreOf(request, shared), {});
      const ScoreResult written = engine->Score(ScoreOf(Flat(request), shared), {});
      for (size_t p = 0; p < shared.groups.size(); ++p) {
        for (size_t r = 0; r < shared.groups[p].size(); ++r) {
          EXPECT_EQ(scored.logprobs[p][r], shared.groups[p][r].logprobs);
          EXPECT_EQ(written.logprobs[p][r], shared.groups[p][r].logprobs);
        }
      }
      EXPECT_EQ(scored.counters.tokens_computed, shared.counters.tokens_computed);
      // Another prefix, other numbers: or the prefixes were not read.
      GenerateRequest other = request;
      other.prefixes[0].ids[3] = (other.prefixes[0].ids[3] + 1) % 60;
      EXPECT(engine->Generate(other, {}).groups[0][0].logprobs != shared.groups[0][0].logprobs);
    }
  }
}

TEST("a prefix is computed once, one that nothing continues never") {
  const auto engine = LoadEngine(Options("llama"));
  const GenerateRequest request = Shared(*engine);
  int64_t prompts = 45 + 5 + 14 + 3 + 64;  // prefix 4 is not among them
  for (const Prompt& prompt : request.prompts) prompts += static_cast<int64_t>(prompt.ids.size());
  const GenerateResult shared = engine->Generate(request, {});
  EXPECT_EQ(shared.counters.prompt_tokens, prompts);
  EXPECT_EQ(engine->Score(ScoreOf(request, shared), {}).counters.prompt_tokens, prompts);
  // Written out, every prompt brings all that it continues.
  EXPECT_EQ(engine->Generate(Flat(request), {}).counters.prompt_tokens,
            prompts - (45 + 5 + 14 + 3 + 64) + 64 + 45 + 3 + 64 + 50 + 64 + 45);
}

TEST("prefixes in pieces, few places and one thread give the same bits") {
  for (const std::string family : {"gemma3", "llama"}) {
    const auto two = LoadEngine(Options(family));
    const GenerateRequest request = Shared(*two);
    const GenerateResult expected = two->Generate(request, {});
    LoadOptions tight = Options(family);
    tight.threads = 1;
    tight.max_live = 1;
    tight.max_batch_rows = 7;
    const auto one = LoadEngine(tight);
    ExpectSame(expected, one->Generate(request, {}));
    const ScoreRequest score = ScoreOf(request, expected);
    EXPECT(one->Score(score, {}).logprobs == two->Score(score, {}).logprobs);
  }
}

TEST("the pages of a prefix come back after the last prompt that continues it") {
  LoadOptions options = Options("llama");
  options.max_live = 2;
  const auto engine = LoadEngine(options);
  auto bytes = [&](int64_t subjects) {
    GenerateRequest request;
    for (int32_t s = 0; s < subjects; ++s) {
      request.prefixes.push_back({Tokens(70, 200 + static_cast<uint64_t>(s), 90), -1});
      for (uint64_t q = 0; q < 3; ++q) {
        Prompt prompt;
        prompt.ids = Tokens(6, q, 90);
        prompt.key = q;
        prompt.prefix = s;
        request.prompts.push_back(prompt);
      }
    }
    request.max_new_tokens = 3;
    const GenerateResult result = engine->Generate(request, {});
    EXPECT_EQ(result.counters.prompt_tokens, subjects * (70 + 3 * 6));
    engine->Score(ScoreOf(request, result), {});
    return engine->memory().activation_bytes;
  };
  EXPECT(bytes(2) < bytes(4) + 1);
  EXPECT_EQ(bytes(40), bytes(20));  // as many at a time, however many there are
}

TEST("a choice's score is the sum of its token logprobs, whatever the packing") {
  for (const std::string& family : Families()) {
    for (const std::string device : {"cpu", "reference"}) {
      const auto engine = LoadEngine(Options(family, device));
      const ChoicesRequest exam = Exam(*engine);
      const ChoicesResult result = engine->ScoreChoices(exam, {});
      for (size_t q = 0; q < exam.questions.size(); ++q) {
        const Group& question = exam.questions[q];
        for (size_t c = 0; c < question.completions.size(); ++c) {
          ScoreRequest lone;
          lone.groups = {{WrittenOut(exam.prefixes, question.prefix, question.prompt), {question.completions[c]}}};
          const std::vector<float> logprobs = engine->Score(lone, {}).logprobs[0][0];
          EXPECT_EQ(result.scores[q][c], std::accumulate(logprobs.begin(), logprobs.end(), 0.0));
        }
      }
      EXPECT(result.scores[0][0] != result.scores[0][1]);
      // Three prefixes once, four questions once; choices of n tokens add n - 1 rows each.
      EXPECT_EQ(result.counters.prompt_tokens, 45 + 5 + 14 + 20 + 33 + 7 + 7);
      EXPECT_EQ(result.counters.tokens_computed, 45 + 5 + 14 + 20 + 33 + 7 + 7 + 4 + 1 + 2);
    }
  }
}

TEST("progress of scored choices counts questions, and an aborted call says so") {
  LoadOptions options = Options("llama");
  options.max_batch_rows = 40;
  const auto engine = LoadEngine(options);
  std::vector<int64_t> seen;
  CallContext context;
  context.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 4);
    seen.push_back(done);
  };
  engine->ScoreChoices(Exam(*engine), context);
  EXPECT(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 4);
  EXPECT(seen.size() > 4);  // the prefixes' batches complete no question
  std::atomic<bool> cancelled{true};
  context.cancelled = &cancelled;
  EXPECT_THROW_CODE(engine->ScoreChoices(Exam(*engine), context), ErrorCode::kAborted, "aborted");
}

TEST("wrong prefixes and choices are named") {
  const auto engine = LoadEngine(Options("llama"));
  auto generate = [&](std::vector<Prefix> prefixes, int32_t prefix) {
    GenerateRequest request;
    request.prefixes = std::move(prefixes);
    Prompt prompt;
    prompt.ids = {1};
    prompt.prefix = prefix;
    request.prompts = {prompt};
    request.max_new_tokens = 2;
    engine->Generate(request, {});
  };
  const auto bad = ErrorCode::kBadArgument;
  EXPECT_THROW_CODE(generate({{{1}, -1}}, 1), bad, "prompt 0 continues prefix 1, but the request has 1 prefixes");
  EXPECT_THROW_CODE(generate({{{}, -1}}, 0), bad, "prefix 0 is empty");
  EXPECT_THROW_CODE(generate({{{1}, 0}}, 0), bad, "prefix 0 has parent 0");             // itself
  EXPECT_THROW_CODE(generate({{{1}, 1}, {{1}, 0}}, 0), bad, "prefix 0 has parent 1");   // a cycle
  EXPECT_THROW_CODE(generate({{{1}, -1}, {{1}, 7}}, 0), bad, "prefix 1 has parent 7");  // not there
  EXPECT_THROW_CODE(generate({{{100000}, -1}}, 0), bad, "prefix 0 has token 100000");
  const int64_t context = engine->info().context;
  EXPECT_THROW_CODE(generate({{Tokens(context, 1, 90), -1}}, 0), bad, "leaves no room");
  EXPECT_THROW_CODE(generate({{Tokens(context - 2, 1, 90), -1}}, 0), bad, "passes the model's context");
  ChoicesRequest exam = Exam(*engine);
  exam.questions[1].completions.clear();
  EXPECT_THROW_CODE(engine->ScoreChoices(exam, {}), bad, "question 1 has no choices");
  exam.questions[1].completions = {{}};
  EXPECT_THROW_CODE(engine->ScoreChoices(exam, {}), bad, "is empty");
  exam.questions[1].completions = {Tokens(context - 45 - 33 + 1, 1, 90)};
  EXPECT_THROW_CODE(engine->ScoreChoices(exam, {}), bad, "past the model's context");
  exam.questions[1].completions = {Tokens(context - 45 - 33, 1, 90)};  // one less fits
  EXPECT_EQ(engine->ScoreChoices(exam, {}).scores[1].size(), size_t{1});
}

TEST("prompts may have lengths of their own") {
  const auto engine = LoadEngine(Options("llama"));
  GenerateRequest request = Shared(*engine);
  request.stop_ids = {};
  const GenerateResult even = engine->Generate(request, {});
  for (size_t p = 0; p < request.prompts.size(); ++p) request.prompts[p].max_new_tokens = static_cast<int64_t>(p % 5);
  const GenerateResult uneven = engine->Generate(request, {});
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    for (size_t r = 0; r < 2; ++r) {
      const std::vector<int32_t>& all = even.groups[p][r].ids;
      const size_t length = p % 5 == 0 ? 12 : p % 5;
      EXPECT_EQ(uneven.groups[p][r].ids, std::vector<int32_t>(all.begin(), all.begin() + static_cast<int64_t>(length)));
    }
  }
}

TEST("an adapter replaces another over one base, with the bits of an engine that was loaded with it") {
  const TempFolder folder;
  for (const std::string family : {"llama", "gemma3"}) {
    LoadOptions wide = Options(family);
    wide.lora.rank = 8;
    const auto first = LoadEngine(Options(family)), second = LoadEngine(wide);
    first->SaveAdapter(folder / (family + "-4"), "base");
    second->SaveAdapter(folder / (family + "-8"), "base");
    ScoreRequest score;
    score.groups = Groups(*first);
    ScoreRequest without = score;
    without.adapter = false;
    const auto base = first->Score(without, {}).logprobs;
    const auto engine = LoadEngine(Options(family, "cpu", Trainable::kNone));  // loaded without any
    const size_t bare = engine->memory().current_bytes - engine->memory().workspace_bytes;
    EXPECT(engine->Score(score, {}).logprobs == base);
    engine->LoadAdapter(folder / (family + "-8"));
    EXPECT_EQ(engine->info().lora_rank, 8);
    EXPECT(engine->Score(score, {}).logprobs == second->Score(score, {}).logprobs);
    EXPECT(engine->memory().trainable_bytes > 0);
    engine->LoadAdapter(folder / (family + "-4"));
    EXPECT(engine->Score(score, {}).logprobs == first->Score(score, {}).logprobs);
    engine->LoadAdapter("");
    EXPECT(engine->Score(score, {}).logprobs == base);
    EXPECT_EQ(engine->memory().trainable_bytes, size_t{0});
    EXPECT_EQ(engine->memory().current_bytes - engine->memory().workspace_bytes - engine->memory().activation_bytes,
              bare);
  }
  // What does not fit changes nothing.
  const auto engine = LoadEngine(Options("llama", "cpu", Trainable::kNone));
  engine->LoadAdapter(folder / "llama-4");
  ScoreRequest score;
  score.groups = Groups(*engine);
  const auto before = engine->Score(score, {}).logprobs;
  EXPECT_THROW_CODE(engine->LoadAdapter(folder / "gemma3-4"), ErrorCode::kBadCheckpoint, "of this model");
  EXPECT_THROW_CODE(engine->LoadAdapter(folder / "nothing"), ErrorCode::kIo, "nothing");
  EXPECT(engine->Score(score, {}).logprobs == before);
  EXPECT_THROW_CODE(LoadEngine(Options("llama", "cpu", Trainable::kFull))->LoadAdapter(folder / "llama-4"),
                    ErrorCode::kBadArgument, "full training");
}
