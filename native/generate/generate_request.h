// What is asked of a generation and what comes back.
#pragma once

#include <cstdint>
#include <vector>

#include "model/counters.h"
#include "model/prefix_tree.h"
#include "ops/ops.h"

namespace rlvr {

struct Prompt {
  std::vector<int32_t> ids;
  uint64_t key = 0;            // names the question for the random numbers
  int32_t prefix = -1;         // of GenerateRequest::prefixes, what `ids` continues; -1: nothing
  int64_t max_new_tokens = 0;  // of this prompt's rollouts; 0: as the request says
};

struct GenerateRequest {
  std::vector<Prefix> prefixes;
  std::vector<Prompt> prompts;
  int64_t rollouts = 1;  // completions per prompt
  int64_t max_new_tokens = 128;
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;
  uint64_t seed = 42;
  bool adapter = true;  // false: the frozen base
};

enum class FinishReason : uint8_t { kStop, kLength };

struct Rollout {
  std::vector<int32_t> ids;      // the stop token included
  std::vector<float> logprobs;   // under the sampling distribution, nats
  std::vector<float> entropies;  // of the sampling distribution at each token, nats
  FinishReason finish = FinishReason::kLength;
};

struct GenerateResult {
  std::vector<std::vector<Rollout>> groups;  // [prompt][rollout]
  Counters counters;
};

}  // namespace rlvr
