// The golden files of the tiny models, and requests made of them.
#pragma once

#include "engine_fixture.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace rlvr::test {

inline Json LoadJson(const std::string& name) {
  const std::string file = SourcePath("test/golden/data/" + name);
  return Json::Parse(ReadTextFile(file), "[golden] " + file);
}

inline const Json& Field(const Json& object, const std::string& key) {
  const Json* value = object.Find(key);
  RLVR_CHECK(value, "golden file has no ", key);
  return *value;
}

template <typename T>
std::vector<T> Numbers(const Json& array) {
  std::vector<T> values;
  for (const Json& item : array.items()) values.push_back(static_cast<T>(item.number()));
  return values;
}

inline std::vector<Group> GroupsOf(const Json& groups) {
  std::vector<Group> out;
  for (const Json& g : groups.items()) {
    Group group{Numbers<int32_t>(Field(g, "prompt")), {}};
    for (const Json& c : Field(g, "completions").items()) group.completions.push_back(Numbers<int32_t>(c));
    out.push_back(std::move(group));
  }
  return out;
}

// Per token where the file has an array a completion; a number a completion is spread over its tokens.
inline TokenValues Values(const Json& values, const std::vector<Group>& groups) {
  TokenValues out;
  for (size_t g = 0; g < groups.size(); ++g) {
    auto& group = out.emplace_back();
    for (size_t c = 0; c < groups[g].completions.size(); ++c) {
      const Json& value = values.items()[g].items()[c];
      group.push_back(value.is_array()
                          ? Numbers<float>(value)
                          : std::vector<float>(groups[g].completions[c].size(), static_cast<float>(value.number())));
    }
  }
  return out;
}

inline LoadOptions GoldenOptions(const std::string& family, const std::string& device = "cpu") {
  LoadOptions options = Options(family, device);
  options.adapter = options.path + "/adapter";
  return options;
}

inline AccumulateRequest PolicyOf(const Json& golden, const std::string& aggregation, double beta) {
  AccumulateRequest request;
  request.groups = GroupsOf(Field(golden, "groups"));
  request.sampling.temperature = Field(golden, "temperature").number();
  request.loss.epsilon_low = request.loss.epsilon_high = Field(golden, "epsilon").number();
  request.loss.beta = beta;
  request.old_logprobs = Values(Field(golden, "old_logprobs"), request.groups);
  request.ref_logprobs = Values(Field(golden, "ref_logprobs"), request.groups);
  request.advantages = Values(Field(golden, "advantages"), request.groups);
  request.weights = Values(Field(Field(golden, "weights"), aggregation), request.groups);
  return request;
}

inline AccumulateRequest CrossEntropyOf(std::vector<Group> groups) {
  AccumulateRequest request;
  request.groups = std::move(groups);
  request.loss.kind = TokenLoss::Kind::kSupervised;
  size_t tokens = 0;
  for (const Group& group : request.groups) {
    for (const auto& ids : group.completions) tokens += ids.size();
  }
  for (const Group& group : request.groups) {
    auto& weights = request.weights.emplace_back();
    for (const auto& ids : group.completions) weights.emplace_back(ids.size(), 1.0f / static_cast<float>(tokens));
  }
  return request;
}

// The request of one step of a training curve (curves.json); kind: "supervised" or "grpo".
inline AccumulateRequest CurveRequest(const Json& curves, const Json& curve, const std::string& kind,
                                      const std::vector<Group>& groups, size_t step) {
  AccumulateRequest request = CrossEntropyOf(groups);
  if (kind == "supervised") return request;
  const std::vector<Json>& numbers = Field(curve, "batches").items();
  const Json& given = numbers[step % numbers.size()];
  request.loss.kind = TokenLoss::Kind::kPolicy;
  request.sampling.temperature = Field(curves, "temperature").number();
  request.loss.beta = Field(curves, "beta").number();
  request.old_logprobs = Values(Field(given, "old_logprobs"), groups);
  request.ref_logprobs = Values(Field(given, "ref_logprobs"), groups);
  request.advantages = Values(Field(given, "advantages"), groups);
  size_t sequences = 0;
  for (const Group& group : groups) sequences += group.completions.size();
  for (auto& group : request.weights) {
    for (auto& weights : group) {
      const float share = 1.0f / (static_cast<float>(sequences) * static_cast<float>(weights.size()));
      weights.assign(weights.size(), share);
    }
  }
  return request;
}

// And of its update.
inline UpdateRequest CurveUpdate(const Json& curves, double learning_rate) {
  UpdateRequest update;
  update.learning_rate = learning_rate;
  update.weight_decay = Field(Field(curves, "adamw"), "weight_decay").number();
  update.max_grad_norm = Field(curves, "max_grad_norm").number();
  return update;
}

}  // namespace rlvr::test
