// Groups to score or to train on, and what comes back.
#pragma once

#include <cstdint>
#include <vector>

#include "model/counters.h"
#include "model/prefix_tree.h"
#include "ops/ops.h"

namespace rlvr {

// A prompt and its completions, scored or trained together: the prompt is computed once.
struct Group {
  std::vector<int32_t> prompt;
  std::vector<std::vector<int32_t>> completions;
  int32_t prefix = -1;  // of ScoreRequest::prefixes, what the prompt continues; -1: nothing
};

struct ScoreRequest {
  std::vector<Prefix> prefixes;
  std::vector<Group> groups;
  SamplingParams sampling;
  bool adapter = true;
};

struct ScoreResult {
  std::vector<std::vector<std::vector<float>>> logprobs;   // [group][completion][token]
  std::vector<std::vector<std::vector<float>>> entropies;  // likewise
  Counters counters;
};

// Questions with answer options as completions: how likely each option is as the continuation of its question.
struct ChoicesRequest {
  std::vector<Prefix> prefixes;
  std::vector<Group> questions;
  bool adapter = true;
};

struct ChoicesResult {
  std::vector<std::vector<double>> scores;  // [question][choice]: sum of token logprobs, temperature 1, untruncated
  Counters counters;
};

struct AccumulateRequest {
  std::vector<Group> groups;
  SamplingParams sampling;
  TokenLoss loss;
  // [group][completion][token]; old_logprobs and ref_logprobs may be empty when the loss does not read them.
  std::vector<std::vector<std::vector<float>>> old_logprobs, ref_logprobs, advantages, weights;
  std::vector<std::vector<float>> prompt_weights;  // [group][token] for kSupervised on prompts; empty: 0
};

struct AccumulateResult {
  double loss = 0;         // sum of weighted token losses
  double kl = 0;           // mean over tokens with weight
  double clip_ratio = 0;   // share of tokens with weight whose clip was active
  double entropy = 0;      // mean over tokens with weight
  double sampler_gap = 0;  // largest |logprob - old_logprob| over tokens with weight
  int64_t tokens = 0;      // tokens with weight
  std::vector<std::vector<std::vector<float>>> logprobs;
  Counters counters;
};

struct UpdateRequest {
  double learning_rate = 0;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  double max_grad_norm = 0;  // 0: no clipping
};

struct UpdateResult {
  double grad_norm = 0;  // before clipping
  bool skipped = false;  // a non-finite gradient: nothing was changed but the gradient, which is cleared
  int64_t step = 0;      // optimizer steps so far
};

}  // namespace rlvr
