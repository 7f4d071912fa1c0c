// Engines over the tiny golden models, and groups to run them on.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/rng.h"
#include "engine.h"
#include "test.h"

namespace rlvr::test {

inline const std::vector<std::string>& Families() {
  static const std::vector<std::string> kFamilies = {"gemma3", "phi3", "llama", "qwen2", "qwen3"};
  return kFamilies;
}

inline LoadOptions Options(const std::string& family, const std::string& device = "cpu",
                           Trainable trainable = Trainable::kLora) {
  LoadOptions options;
  options.path = SourcePath("test/golden/models/" + family);
  options.device = device;
  options.threads = 2;
  options.trainable = trainable;
  options.lora.rank = 4;
  options.lora.alpha = 8;
  return options;
}

// With B = 0 an adapter is silent and A has no gradient; tests want both at work.
inline void RandomizeParameters(Engine& engine, double size = 0.1) {
  uint64_t key = 0;
  for (const std::string& name : engine.ParameterNames()) {
    std::vector<double> values = engine.ParameterValues(name);
    ++key;
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] += size * (2 * UniformFor(7, key, 0, static_cast<uint32_t>(i)) - 1);
    }
    engine.SetParameter(name, values);
  }
}

inline std::unique_ptr<Engine> LoadEngine(const LoadOptions& options) {
  auto engine = Engine::Load(options, {});
  if (options.trainable == Trainable::kLora && options.adapter.empty()) RandomizeParameters(*engine);
  return engine;
}

inline std::vector<int32_t> Tokens(int64_t count, uint64_t key, int64_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) {
    ids.push_back(static_cast<int32_t>(UniformFor(11, key, 0, static_cast<uint32_t>(i)) * static_cast<double>(vocab)));
  }
  return ids;
}

// Groups whose prompts and completions cross the key-block and window borders.
inline std::vector<Group> Groups(const Engine& engine) {
  const int64_t vocab = engine.info().vocab;
  return {{Tokens(35, 1, vocab), {Tokens(9, 2, vocab), Tokens(1, 3, vocab), Tokens(34, 4, vocab)}},
          {Tokens(4, 5, vocab), {Tokens(12, 6, vocab), Tokens(2, 7, vocab)}}};
}

using TokenValues = std::vector<std::vector<std::vector<float>>>;

// A policy-loss request with noisy old and reference logprobs, so that some tokens are clipped each way.
inline AccumulateRequest PolicyRequest(Engine& engine, std::vector<Group> groups, double beta) {
  AccumulateRequest request;
  request.groups = std::move(groups);
  request.sampling.temperature = 0.9;
  request.loss.beta = beta;
  ScoreRequest score;
  score.groups = request.groups;
  score.sampling = request.sampling;
  request.old_logprobs = engine.Score(score, {}).logprobs;
  score.adapter = false;
  request.ref_logprobs = engine.Score(score, {}).logprobs;
  request.advantages = request.weights = request.old_logprobs;
  uint32_t n = 0;
  for (size_t g = 0; g < request.groups.size(); ++g) {
    for (size_t c = 0; c < request.groups[g].completions.size(); ++c) {
      for (size_t t = 0; t < request.groups[g].completions[c].size(); ++t) {
        ++n;
        request.old_logprobs[g][c][t] +=
            static_cast<float>(0.6 * (UniformFor(3, g, static_cast<uint32_t>(c), n) - 0.5));
        request.advantages[g][c][t] = c == 0 ? 1.1f : -0.6f;
        request.weights[g][c][t] = 1.0f / static_cast<float>(request.groups[g].completions[c].size());
      }
    }
  }
  return request;
}

inline std::vector<double> AllGradients(const Engine& engine) {
  std::vector<double> all;
  for (const std::string& name : engine.ParameterNames()) {
    const std::vector<double> part = engine.Gradient(name);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

inline double Norm(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

inline double RelativeDistance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  std::vector<double> d(a.size());
  for (size_t i = 0; i < a.size(); ++i) d[i] = a[i] - b[i];
  return Norm(d) / Norm(b);
}

}  // namespace rlvr::test
