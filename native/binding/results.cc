#include "binding/results.h"

#include <cstring>

namespace rlvr::binding {

namespace {
template <typename T>
Napi::Value TypedArray(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::TypedArrayOf<T>::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
  return array;
}

template <typename T, typename Convert>
Napi::Value List(Napi::Env env, const std::vector<T>& values, const Convert& convert) {
  const Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Napi::HandleScope scope(env);
    array.Set(static_cast<uint32_t>(i), convert(env, values[i]));
  }
  return array;
}

Napi::Value Number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

// [group][completion][token]
Napi::Value TokenFloats(Napi::Env env, const std::vector<std::vector<std::vector<float>>>& values) {
  return List(env, values, [](Napi::Env e, const std::vector<std::vector<float>>& group) {
    return List(e, group, TypedArray<float>);
  });
}

Napi::Value ToJs(Napi::Env env, const Counters& counters) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("tokensComputed", Number(env, static_cast<double>(counters.tokens_computed)));
  object.Set("promptTokens", Number(env, static_cast<double>(counters.prompt_tokens)));
  return object;
}

Napi::Value ToJs(Napi::Env env, const Rollout& rollout) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("completionIds", TypedArray(env, rollout.ids));
  object.Set("logprobs", TypedArray(env, rollout.logprobs));
  object.Set("entropies", TypedArray(env, rollout.entropies));
  object.Set("finishReason", rollout.finish == FinishReason::kStop ? "stop" : "length");
  return object;
}
}  // namespace

Napi::Value ToJs(Napi::Env env, const std::vector<std::string>& strings) {
  return List(env, strings, [](Napi::Env e, const std::string& text) { return Napi::String::New(e, text); });
}

Napi::Value ToJs(Napi::Env env, const std::vector<double>& values) { return TypedArray(env, values); }

Napi::Value ToJs(Napi::Env env, const ModelInfo& info) {
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* key, double value) { object.Set(key, Number(env, value)); };
  object.Set("family", info.family);
  set("vocabularySize", static_cast<double>(info.vocab));
  set("dim", static_cast<double>(info.dim));
  set("layers", static_cast<double>(info.layers));
  set("heads", static_cast<double>(info.heads));
  set("kvHeads", static_cast<double>(info.kv_heads));
  set("headDim", static_cast<double>(info.head_dim));
  set("ffnDim", static_cast<double>(info.ffn));
  set("contextLength", static_cast<double>(info.context));
  set("parameters", static_cast<double>(info.parameters));
  set("trainableParameters", static_cast<double>(info.trainable_parameters));
  set("weightBytes", static_cast<double>(info.weight_bytes));
  if (info.bos >= 0) set("bosId", info.bos);
  object.Set("eosIds", List(env, info.eos, [](Napi::Env e, int32_t id) { return Number(e, id); }));
  object.Set("loraTargets", ToJs(env, info.lora_targets));
  set("loraRank", static_cast<double>(info.lora_rank));
  set("loraAlpha", info.lora_alpha);
  object.Set("device", info.device);
  object.Set("isa", info.isa);
  set("threads", info.threads);
  return object;
}

Napi::Value ToJs(Napi::Env env, const CudaStatus& status) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("usable", Napi::Boolean::New(env, status.usable));
  object.Set("library", status.library);
  object.Set("build", status.build);
  object.Set("cublas", status.cublas);
  object.Set("problem", status.problem);
  object.Set("cards", List(env, status.cards, [](Napi::Env e, const CudaCard& card) {
               const Napi::Object entry = Napi::Object::New(e);
               entry.Set("name", card.name);
               entry.Set("capability", Concat(card.major, ".", card.minor));
               entry.Set("totalBytes", Number(e, static_cast<double>(card.total_bytes)));
               entry.Set("freeBytes", Number(e, static_cast<double>(card.free_bytes)));
               return entry;
             }));
  return object;
}

Napi::Value ToJs(Napi::Env env, const MemoryReport& memory) {
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* key, size_t value) { object.Set(key, Number(env, static_cast<double>(value))); };
  set("currentBytes", memory.current_bytes);
  set("peakBytes", memory.peak_bytes);
  set("limitBytes", memory.limit_bytes);
  set("weightsBytes", memory.weights_bytes);
  set("trainableBytes", memory.trainable_bytes);
  set("activationBytes", memory.activation_bytes);
  set("workspaceBytes", memory.workspace_bytes);
  set("peakLogitsBytes", memory.peak_logits_bytes);
  set("arenaGrowths", memory.arena_growths);
  return object;
}

// Columns, one entry a zone; `name` indexes the totals. Times in milliseconds of the monotonic clock.
Napi::Value ToJs(Napi::Env env, const ZoneTrace& trace) {
  const size_t count = trace.zones().size();
  std::vector<int32_t> name(count), layer(count), rows(count);
  std::vector<double> start(count), length(count), flops(count), bytes(count);
  for (size_t i = 0; i < count; ++i) {
    const Zone& zone = trace.zones()[i];
    while (std::strcmp(trace.totals()[static_cast<size_t>(name[i])].name, zone.name) != 0) ++name[i];
    layer[i] = zone.layer;
    rows[i] = static_cast<int32_t>(zone.rows);
    start[i] = static_cast<double>(zone.start_ns) / 1e6;
    length[i] = static_cast<double>(zone.length_ns) / 1e6;
    flops[i] = zone.flops;
    bytes[i] = zone.bytes;
  }
  const Napi::Object object = Napi::Object::New(env);
  object.Set("name", TypedArray(env, name));
  object.Set("layer", TypedArray(env, layer));
  object.Set("rows", TypedArray(env, rows));
  object.Set("startMs", TypedArray(env, start));
  object.Set("lengthMs", TypedArray(env, length));
  object.Set("flops", TypedArray(env, flops));
  object.Set("bytes", TypedArray(env, bytes));
  object.Set("totals", List(env, trace.totals(), [](Napi::Env e, const ZoneTotal& total) {
               const Napi::Object entry = Napi::Object::New(e);
               entry.Set("name", total.name);
               entry.Set("calls", Number(e, static_cast<double>(total.calls)));
               entry.Set("lengthMs", Number(e, static_cast<double>(total.length_ns) / 1e6));
               entry.Set("flops", Number(e, total.flops));
               entry.Set("bytes", Number(e, total.bytes));
               return entry;
             }));
  object.Set("dropped", Number(env, static_cast<double>(trace.dropped())));
  return object;
}

Napi::Value ToJs(Napi::Env env, const MemoryPlan& plan) {
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* key, size_t value) { object.Set(key, Number(env, static_cast<double>(value))); };
  set("weightsBytes", plan.weights);
  set("trainableBytes", plan.trainable);
  set("rolloutBytes", plan.rollouts);
  set("scoringBytes", plan.scoring);
  set("trainingBytes", plan.training);
  set("workspaceBytes", plan.workspace);
  set("totalBytes", plan.total);
  object.Set("recompute", Napi::Boolean::New(env, plan.recompute));
  return object;
}

Napi::Value ToJs(Napi::Env env, const PlanResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("memory", ToJs(env, result.memory));
  object.Set("info", ToJs(env, result.info));
  return object;
}

Napi::Value ToJs(Napi::Env env, const GenerateResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("groups", List(env, result.groups, [](Napi::Env e, const std::vector<Rollout>& group) {
               return List(e, group, [](Napi::Env inner, const Rollout& rollout) { return ToJs(inner, rollout); });
             }));
  object.Set("counters", ToJs(env, result.counters));
  return object;
}

Napi::Value ToJs(Napi::Env env, const ScoreResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("logprobs", TokenFloats(env, result.logprobs));
  object.Set("entropies", TokenFloats(env, result.entropies));
  object.Set("counters", ToJs(env, result.counters));
  return object;
}

Napi::Value ToJs(Napi::Env env, const ChoicesResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("scores", List(env, result.scores, TypedArray<double>));
  object.Set("counters", ToJs(env, result.counters));
  return object;
}

Napi::Value ToJs(Napi::Env env, const AccumulateResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("loss", Number(env, result.loss));
  object.Set("kl", Number(env, result.kl));
  object.Set("clipRatio", Number(env, result.clip_ratio));
  object.Set("entropy", Number(env, result.entropy));
  object.Set("samplerGap", Number(env, result.sampler_gap));
  object.Set("tokens", Number(env, static_cast<double>(result.tokens)));
  object.Set("logprobs", TokenFloats(env, result.logprobs));
  object.Set("counters", ToJs(env, result.counters));
  return object;
}

Napi::Value ToJs(Napi::Env env, const UpdateResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("gradNorm", Number(env, result.grad_norm));
  object.Set("skipped", Napi::Boolean::New(env, result.skipped));
  object.Set("step", Number(env, static_cast<double>(result.step)));
  return object;
}

}  // namespace rlvr::binding
