#include "binding/arguments.h"

#include <cmath>
#include <limits>
#include <utility>

namespace rlvr::binding {

namespace {
constexpr double kMaxSafeInteger = 9007199254740991.0;

std::string Describe(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsTypedArray()) {
    const Napi::Value constructor = value.As<Napi::Object>().Get("constructor");
    if (constructor.IsFunction()) return constructor.As<Napi::Object>().Get("name").ToString().Utf8Value();
  }
  if (value.IsArray()) return "an array";
  if (value.IsObject()) return "an object";
  return Concat("the ", value.IsString() ? "string " : "value ", value.ToString().Utf8Value());
}

[[noreturn]] void WrongType(const Napi::Value& value, const std::string& name, const char* expected) {
  throw Napi::TypeError::New(value.Env(),
                             Concat("[addon] ", name, " is ", Describe(value), "; expected ", expected, "."));
}

Napi::Object Object(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray() || value.IsFunction()) {
    WrongType(value, name, "an object");
  }
  return value.As<Napi::Object>();
}

double Number(const Napi::Value& value, const std::string& name) {
  if (!value.IsNumber()) WrongType(value, name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

bool Boolean(const Napi::Value& value, const std::string& name) {
  if (!value.IsBoolean()) WrongType(value, name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

uint64_t Key(const Napi::Value& value, const std::string& name) {
  if (!value.IsBigInt()) WrongType(value, name, "a bigint");
  bool lossless = false;
  const uint64_t key = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) {
    throw Napi::RangeError::New(value.Env(), Concat("[addon] ", name, " is ", value.ToString().Utf8Value(),
                                                    "; expected an unsigned 64-bit value."));
  }
  return key;
}

size_t Bytes(const Napi::Value& value, const std::string& name) {
  const int64_t bytes = ReadInteger(value, name);
  if (bytes < 0)
    throw Napi::RangeError::New(value.Env(), Concat("[addon] ", name, " is ", bytes, "; expected 0 or more."));
  return static_cast<size_t>(bytes);
}

// A count of things that are planned for: bounded, so that sizes computed from several do not overflow.
int64_t Count(const Napi::Value& value, const std::string& name) {
  const int64_t count = ReadInteger(value, name);
  if (count >= 0 && count <= (int64_t{1} << 24)) return count;
  throw Napi::RangeError::New(value.Env(), Concat("[addon] ", name, " is ", count, "; expected 0 to 2^24."));
}

// The elements of an Int32Array or Float32Array.
template <typename T>
std::vector<T> Elements(const Napi::Value& value, const std::string& name, napi_typedarray_type type,
                        const char* expected) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) WrongType(value, name, expected);
  const auto array = value.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

std::vector<int32_t> Ids(const Napi::Value& value, const std::string& name) {
  return Elements<int32_t>(value, name, napi_int32_array, "an Int32Array");
}

std::vector<float> Floats(const Napi::Value& value, const std::string& name) {
  return Elements<float>(value, name, napi_float32_array, "a Float32Array");
}

// Calls read(element, name of the element) for each element of an array.
template <typename Read>
auto List(const Napi::Value& value, const std::string& name, const Read& read) {
  if (!value.IsArray()) WrongType(value, name, "an array");
  const auto array = value.As<Napi::Array>();
  std::vector<decltype(read(Napi::Value(), name))> list;
  list.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    list.push_back(read(array.Get(i), Concat(name, "[", i, "]")));
  }
  return list;
}

// out = read(object[key]); a missing key leaves out as it is.
template <typename T, typename Read>
void Optional(const Napi::Object& object, const std::string& owner, const char* key, const Read& read, T& out) {
  const Napi::Value value = object.Get(key);
  if (!value.IsUndefined()) out = static_cast<T>(read(value, Concat(owner, ".", key)));
}

// An enumeration written as one of a few strings.
template <typename T>
T OneOf(const Napi::Value& value, const std::string& name, std::initializer_list<std::pair<const char*, T>> known) {
  std::string names;
  for (const auto& [text, meaning] : known) {
    if (value.IsString() && value.As<Napi::String>().Utf8Value() == text) return meaning;
    names += Concat(names.empty() ? "\"" : ", \"", text, "\"");
  }
  WrongType(value, name, Concat("one of ", names).c_str());
}

SamplingParams ReadSampling(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = Object(value, name);
  SamplingParams sampling;
  Optional(object, name, "temperature", Number, sampling.temperature);
  Optional(object, name, "topK", ReadInteger, sampling.top_k);
  Optional(object, name, "topP", Number, sampling.top_p);
  Optional(object, name, "minP", Number, sampling.min_p);
  return sampling;
}

TokenLoss ReadLoss(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = Object(value, name);
  TokenLoss loss;
  using Kind = TokenLoss::Kind;
  loss.kind = OneOf<Kind>(object.Get("kind"), Concat(name, ".kind"),
                          {{"policy", Kind::kPolicy}, {"supervised", Kind::kSupervised}, {"given", Kind::kGiven}});
  Optional(object, name, "epsilonLow", Number, loss.epsilon_low);
  Optional(object, name, "epsilonHigh", Number, loss.epsilon_high);
  Optional(object, name, "delta", Number, loss.delta);
  Optional(object, name, "beta", Number, loss.beta);
  Optional(object, name, "logRatioClamp", Number, loss.log_ratio_clamp);
  const auto kl = [](const Napi::Value& v, const std::string& n) {
    return OneOf<KlEstimator>(v, n, {{"k1", KlEstimator::kK1}, {"k2", KlEstimator::kK2}, {"k3", KlEstimator::kK3}});
  };
  Optional(object, name, "kl", kl, loss.kl);
  return loss;
}

LoraOptions ReadLora(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = Object(value, name);
  const auto strings = [](const Napi::Value& v, const std::string& n) { return List(v, n, ReadString); };
  LoraOptions lora;
  Optional(object, name, "rank", ReadInteger, lora.rank);
  Optional(object, name, "alpha", Number, lora.alpha);
  Optional(object, name, "rslora", Boolean, lora.rslora);
  Optional(object, name, "targets", strings, lora.targets);
  Optional(object, name, "seed", Key, lora.seed);
  return lora;
}

int32_t Index(const Napi::Value& value, const std::string& name) {
  const int64_t index = ReadInteger(value, name);
  if (index < 0 || index > std::numeric_limits<int32_t>::max()) {
    throw Napi::RangeError::New(value.Env(), Concat("[addon] ", name, " is ", index, "; expected an index from 0."));
  }
  return static_cast<int32_t>(index);
}

Prompt ReadPrompt(const Napi::Value& value, const std::string& name) {
  const Napi::Object object = Object(value, name);
  Prompt prompt;
  prompt.ids = Ids(object.Get("ids"), Concat(name, ".ids"));
  prompt.key = Key(object.Get("key"), Concat(name, ".key"));
  Optional(object, name, "prefix", Index, prompt.prefix);
  Optional(object, name, "maxNewTokens", ReadInteger, prompt.max_new_tokens);
  return prompt;
}

// The optional list of prefixes of a request.
void ReadPrefixes(const Napi::Object& request, std::vector<Prefix>& prefixes) {
  const auto prefix = [](const Napi::Value& v, const std::string& n) {
    const Napi::Object object = Object(v, n);
    Prefix out;
    out.ids = Ids(object.Get("ids"), Concat(n, ".ids"));
    Optional(object, n, "parent", Index, out.parent);
    return out;
  };
  const auto list = [&](const Napi::Value& v, const std::string& n) { return List(v, n, prefix); };
  Optional(request, "request", "prefixes", list, prefixes);
}

// A prompt with completions under the given key: "completionIds" or "choices".
Group ReadGroup(const Napi::Value& value, const std::string& name, const char* completions) {
  const Napi::Object object = Object(value, name);
  Group group;
  group.prompt = Ids(object.Get("promptIds"), Concat(name, ".promptIds"));
  group.completions = List(object.Get(completions), Concat(name, ".", completions), Ids);
  Optional(object, name, "prefix", Index, group.prefix);
  return group;
}

// Reads one completion of an accumulate request and appends its parts to the lists of its group.
void ReadCompletion(const Napi::Value& value, const std::string& name, Group& group, AccumulateRequest& request) {
  const Napi::Object object = Object(value, name);
  const auto floats = [&](const char* key) {
    const Napi::Value field = object.Get(key);
    return field.IsUndefined() ? std::vector<float>() : Floats(field, Concat(name, ".", key));
  };
  group.completions.push_back(Ids(object.Get("completionIds"), Concat(name, ".completionIds")));
  request.old_logprobs.back().push_back(floats("oldLogprobs"));
  request.ref_logprobs.back().push_back(floats("refLogprobs"));
  request.advantages.back().push_back(floats("advantages"));
  request.weights.back().push_back(floats("weights"));
}
// A list that no completion brought is an empty list, which the engine takes for "not given".
void ClearIfAbsent(std::vector<std::vector<std::vector<float>>>& lists) {
  for (const auto& group : lists) {
    for (const auto& completion : group) {
      if (!completion.empty()) return;
    }
  }
  lists.clear();
}
}  // namespace

std::string ReadString(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) WrongType(value, name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::string ReadPathOrNull(const Napi::Value& value, const std::string& name) {
  return value.IsNull() ? "" : ReadString(value, name);
}

int64_t ReadInteger(const Napi::Value& value, const std::string& name) {
  const double number = Number(value, name);
  if (!(std::abs(number) <= kMaxSafeInteger) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), Concat("[addon] ", name, " is ", number, "; expected a whole number."));
  }
  return static_cast<int64_t>(number);
}

int64_t ReadJobId(const Napi::Value& value) {
  const int64_t id = ReadInteger(value, "jobId");
  if (id < 0) throw Napi::RangeError::New(value.Env(), Concat("[addon] jobId is ", id, "; expected 0 or more."));
  return id;
}

std::vector<double> ReadDoubles(const Napi::Value& value, const std::string& name) {
  return Elements<double>(value, name, napi_float64_array, "a Float64Array");
}

DType ReadFloatType(const Napi::Value& value, const std::string& name) {
  return OneOf<DType>(value, name, {{"F32", DType::kF32}, {"BF16", DType::kBF16}});
}

Napi::Function ReadCallback(const Napi::Value& value, const std::string& name) {
  if (value.IsUndefined()) return Napi::Function();
  if (!value.IsFunction()) WrongType(value, name, "a function");
  return value.As<Napi::Function>();
}

LoadOptions ReadLoadOptions(const Napi::Value& value) {
  const std::string name = "options";
  const Napi::Object object = Object(value, name);
  const auto trainable = [](const Napi::Value& v, const std::string& n) {
    return OneOf<Trainable>(v, n, {{"none", Trainable::kNone}, {"lora", Trainable::kLora}, {"full", Trainable::kFull}});
  };
  const auto kv_cache = [](const Napi::Value& v, const std::string& n) {
    return OneOf<bool>(v, n, {{"auto", false}, {"fp8", true}});
  };
  const auto quantization = [](const Napi::Value& v, const std::string& n) {
    return OneOf<Quantization>(
        v, n, {{"none", Quantization::kNone}, {"nf4", Quantization::kNf4}, {"int8", Quantization::kInt8}});
  };
  LoadOptions options;
  options.path = ReadString(object.Get("model"), "options.model");
  Optional(object, name, "device", ReadString, options.device);
  Optional(object, name, "kvCache", kv_cache, options.fp8_kv);
  Optional(object, name, "threads", ReadInteger, options.threads);
  Optional(object, name, "memoryLimitBytes", Bytes, options.memory_limit);
  Optional(object, name, "quantize", quantization, options.quantize);
  Optional(object, name, "trainable", trainable, options.trainable);
  Optional(object, name, "lora", ReadLora, options.lora);
  Optional(object, name, "adapter", ReadString, options.adapter);
  Optional(object, name, "maxBatchRows", ReadInteger, options.max_batch_rows);
  Optional(object, name, "maxLive", ReadInteger, options.max_live);
  Optional(object, name, "headChunkBytes", Bytes, options.head_chunk_bytes);
  return options;
}

Workload ReadWorkload(const Napi::Value& value) {
  const std::string name = "workload";
  const Napi::Object object = Object(value, name);
  const auto sampling = [](const Napi::Value& v, const std::string& n) {
    const Napi::Object call = Object(v, n);
    return Workload::Sampling{Count(call.Get("prompts"), Concat(n, ".prompts")),
                              Count(call.Get("rollouts"), Concat(n, ".rollouts"))};
  };
  const auto groups = [](const Napi::Value& v, const std::string& n) {
    const Napi::Object call = Object(v, n);
    return Workload::Groups{Count(call.Get("groups"), Concat(n, ".groups")),
                            Count(call.Get("completions"), Concat(n, ".completions"))};
  };
  const auto list = [&](const Napi::Value& v, const std::string& n) { return List(v, n, sampling); };
  Workload workload;
  workload.prompt_tokens = Count(object.Get("promptTokens"), "workload.promptTokens");
  workload.completion_tokens = Count(object.Get("completionTokens"), "workload.completionTokens");
  Optional(object, name, "generate", list, workload.generate);
  Optional(object, name, "logprobs", groups, workload.score);
  Optional(object, name, "accumulate", groups, workload.accumulate);
  return workload;
}

GenerateRequest ReadGenerateRequest(const Napi::Value& value) {
  const std::string name = "request";
  const Napi::Object object = Object(value, name);
  GenerateRequest request;
  ReadPrefixes(object, request.prefixes);
  request.prompts = List(object.Get("prompts"), "request.prompts", ReadPrompt);
  Optional(object, name, "rollouts", ReadInteger, request.rollouts);
  Optional(object, name, "maxNewTokens", ReadInteger, request.max_new_tokens);
  Optional(object, name, "sampling", ReadSampling, request.sampling);
  Optional(object, name, "seed", Key, request.seed);
  Optional(object, name, "adapter", Boolean, request.adapter);
  const auto ids = [](const Napi::Value& v, const std::string& n) { return List(v, n, ReadInteger); };
  std::vector<int64_t> stop_ids;
  Optional(object, name, "stopIds", ids, stop_ids);
  for (const int64_t id : stop_ids) {
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
      throw Napi::RangeError::New(value.Env(), Concat("[addon] request.stopIds has ", id, "; expected token ids."));
    }
    request.stop_ids.push_back(static_cast<int32_t>(id));
  }
  return request;
}

ScoreRequest ReadScoreRequest(const Napi::Value& value) {
  const std::string name = "request";
  const Napi::Object object = Object(value, name);
  const auto group = [](const Napi::Value& v, const std::string& n) { return ReadGroup(v, n, "completionIds"); };
  ScoreRequest request;
  ReadPrefixes(object, request.prefixes);
  request.groups = List(object.Get("groups"), "request.groups", group);
  Optional(object, name, "sampling", ReadSampling, request.sampling);
  Optional(object, name, "adapter", Boolean, request.adapter);
  return request;
}

ChoicesRequest ReadChoicesRequest(const Napi::Value& value) {
  const std::string name = "request";
  const Napi::Object object = Object(value, name);
  const auto question = [](const Napi::Value& v, const std::string& n) { return ReadGroup(v, n, "choices"); };
  ChoicesRequest request;
  ReadPrefixes(object, request.prefixes);
  request.questions = List(object.Get("questions"), "request.questions", question);
  Optional(object, name, "adapter", Boolean, request.adapter);
  return request;
}

AccumulateRequest ReadAccumulateRequest(const Napi::Value& value) {
  const std::string name = "request";
  const Napi::Object object = Object(value, name);
  AccumulateRequest request;
  bool has_prompt_weights = false;
  const auto group = [&](const Napi::Value& v, const std::string& n) -> Group {
    const Napi::Object g = Object(v, n);
    Group out;
    out.prompt = Ids(g.Get("promptIds"), Concat(n, ".promptIds"));
    request.prompt_weights.emplace_back(out.prompt.size(), 0.0f);
    if (const Napi::Value weights = g.Get("promptWeights"); !weights.IsUndefined()) {
      request.prompt_weights.back() = Floats(weights, Concat(n, ".promptWeights"));
      has_prompt_weights = true;
    }
    for (auto* lists : {&request.old_logprobs, &request.ref_logprobs, &request.advantages, &request.weights}) {
      lists->emplace_back();
    }
    List(g.Get("completions"), Concat(n, ".completions"), [&](const Napi::Value& completion, const std::string& label) {
      ReadCompletion(completion, label, out, request);
      return 0;
    });
    return out;
  };
  request.groups = List(object.Get("groups"), "request.groups", group);
  if (!has_prompt_weights) request.prompt_weights.clear();
  for (auto* lists : {&request.old_logprobs, &request.ref_logprobs, &request.advantages}) ClearIfAbsent(*lists);
  Optional(object, name, "sampling", ReadSampling, request.sampling);
  request.loss = ReadLoss(object.Get("loss"), "request.loss");
  return request;
}

UpdateRequest ReadUpdateRequest(const Napi::Value& value) {
  const std::string name = "request";
  const Napi::Object object = Object(value, name);
  UpdateRequest request;
  request.learning_rate = Number(object.Get("learningRate"), "request.learningRate");
  Optional(object, name, "beta1", Number, request.beta1);
  Optional(object, name, "beta2", Number, request.beta2);
  Optional(object, name, "eps", Number, request.eps);
  Optional(object, name, "weightDecay", Number, request.weight_decay);
  Optional(object, name, "maxGradNorm", Number, request.max_grad_norm);
  return request;
}

}  // namespace rlvr::binding
