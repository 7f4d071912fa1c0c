#include "train/train_step.h"

#include <algorithm>
#include <cmath>

namespace rlvr {

namespace {

Tensor I32Row(Ops& ops, Arena& arena, const std::vector<int32_t>& values) {
  const Tensor t = arena.Matrix(DType::kI32, 1, static_cast<int64_t>(values.size()));
  Write(ops.memory(), values, t);
  return t;
}

using TokenValues = std::vector<std::vector<std::vector<float>>>;

TokenValues Shaped(const std::vector<Group>& groups) {
  TokenValues values(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const auto& completion : groups[g].completions) values[g].emplace_back(completion.size());
  }
  return values;
}

float& At(TokenValues& values, const TokenRef& ref) {
  return values[static_cast<size_t>(ref.group)][static_cast<size_t>(ref.completion)][static_cast<size_t>(ref.token)];
}

float At(const TokenValues& values, const TokenRef& ref) { return At(const_cast<TokenValues&>(values), ref); }

// Values of every completion token, when given at all.
void CheckShape(const TokenValues& values, const std::vector<Group>& groups, bool required, const char* name) {
  if (values.empty() && !required) return;
  auto bad = [&](const std::string& text) {
    throw Error(ErrorCode::kBadArgument, Concat("[accumulate] ", name, text));
  };
  if (values.size() != groups.size()) bad(Concat(" has ", values.size(), " groups; expected ", groups.size(), "."));
  for (size_t g = 0; g < groups.size(); ++g) {
    if (values[g].size() != groups[g].completions.size()) {
      bad(Concat(" of group ", g, " has ", values[g].size(), " completions; expected ", groups[g].completions.size(),
                 "."));
    }
    for (size_t c = 0; c < values[g].size(); ++c) {
      if (values[g][c].size() == groups[g].completions[c].size()) continue;
      bad(Concat(" of completion ", c, " of group ", g, " has ", values[g][c].size(), " values; expected one a token, ",
                 groups[g].completions[c].size(), "."));
    }
  }
}

}  // namespace

// --- scoring ---

ScoreStep::ScoreStep(const ScoreRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows,
                     const char* call)
    : request_(request),
      model_(model),
      decoder_(decoder),
      ops_(ops),
      batches_(PackGroups(request.groups, request.prefixes, nullptr, max_rows, model.spec(), call)),
      shape_(ShapeOf(batches_)) {}

ScoreResult ScoreStep::Run(Arena& arena, const CallContext& context) {
  const DType dtype = ops_.ActivationType();
  ScoreResult result;
  result.logprobs = Shaped(request_.groups);
  result.entropies = Shaped(request_.groups);
  int64_t done = 0;
  KvPool pool(model_.spec(), dtype, shape_.pages, model_.spec().layers, arena, ops_);
  for (const GroupBatch& b : batches_) {
    const size_t mark = arena.Mark();
    for (const PageCopy& copy : b.copies) pool.Copy(copy, ops_);
    const Tensor residual = decoder_.Infer(b.spans, pool, arena, request_.adapter, [&] { ThrowIfCancelled(context); });
    result.counters.tokens_computed += b.spans.rows();
    result.counters.prompt_tokens += b.prompt_rows;
    if (!b.targets.empty()) {
      const Tensor rows = I32Row(ops_, arena, b.head_rows), targets = I32Row(ops_, arena, b.targets);
      HeadOutputs out;
      out.logprob = arena.Matrix(ops_.ParameterType(), 1, targets.cols());
      out.entropy = arena.Matrix(ops_.ParameterType(), 1, targets.cols());
      ops_.HeadLogprobs(decoder_.HeadInput(residual, rows, arena), model_.head(), request_.sampling, targets, out);
      const std::vector<float> logprobs = ReadF32(ops_.memory(), out.logprob);
      const std::vector<float> entropies = ReadF32(ops_.memory(), out.entropy);
      for (size_t i = 0; i < b.refs.size(); ++i) {
        At(result.logprobs, b.refs[i]) = logprobs[i];
        At(result.entropies, b.refs[i]) = entropies[i];
      }
    }
    arena.Rewind(mark);
    done += b.groups_done;
    if (context.progress) context.progress(done, static_cast<int64_t>(request_.groups.size()));
  }
  return result;
}

// --- training ---

struct TrainStep::HeadArrays {
  HeadTargets targets;
  HeadOutputs out;
  Tensor rows;
  std::vector<float> weights, old_logprobs;  // of the targets, on the host
};

TrainStep::TrainStep(const AccumulateRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows)
    : request_(request), model_(model), decoder_(decoder), ops_(ops) {
  if (model.trainable() == Trainable::kNone) {
    throw Error(ErrorCode::kBadArgument,
                "[accumulate] the model was loaded with trainable \"none\"; load it with "
                "\"lora\" or \"full\" to train it.");
  }
  if (request.sampling.greedy()) {
    throw Error(ErrorCode::kBadArgument,
                "[accumulate] temperature is 0; training needs the distribution that was "
                "sampled from, so a temperature above 0.");
  }
  using Kind = TokenLoss::Kind;
  const bool policy = request.loss.kind == Kind::kPolicy;
  CheckShape(request.weights, request.groups, request.loss.kind != Kind::kGiven, "weights");
  CheckShape(request.advantages, request.groups, request.loss.kind != Kind::kSupervised, "advantages");
  CheckShape(request.old_logprobs, request.groups, policy, "oldLogprobs");
  CheckShape(request.ref_logprobs, request.groups, policy && request.loss.beta != 0, "refLogprobs");
  if (!request.prompt_weights.empty() && request.prompt_weights.size() != request.groups.size()) {
    throw Error(ErrorCode::kBadArgument, "[accumulate] promptWeights needs one array for each group.");
  }
  if (!request.prompt_weights.empty() && request.loss.kind != Kind::kSupervised) {
    throw Error(ErrorCode::kBadArgument, "[accumulate] promptWeights is for the supervised loss only.");
  }
  batches_ = PackGroups(request.groups, {}, &request.prompt_weights, max_rows, model.spec(), "accumulate");
  shape_ = ShapeOf(batches_);
}

TrainStep::HeadArrays TrainStep::FillTargets(const GroupBatch& b, Arena& arena) const {
  const auto count = static_cast<int64_t>(b.targets.size());
  auto row = [&] { return arena.Matrix(ops_.ParameterType(), 1, count); };
  HeadArrays a;
  a.rows = I32Row(ops_, arena, b.head_rows);
  a.out = {row(), row(), row(), row(), row()};
  auto value = [](const TokenValues& values, const TokenRef& ref) { return values.empty() ? 0.0f : At(values, ref); };
  std::vector<float> old_logprobs, ref_logprobs, advantages, weights;
  for (const TokenRef& ref : b.refs) {
    const bool in_prompt = ref.completion < 0;
    const auto group = static_cast<size_t>(ref.group), token = static_cast<size_t>(ref.token);
    old_logprobs.push_back(in_prompt ? 0 : value(request_.old_logprobs, ref));
    ref_logprobs.push_back(in_prompt ? 0 : value(request_.ref_logprobs, ref));
    advantages.push_back(in_prompt ? 0 : value(request_.advantages, ref));
    weights.push_back(in_prompt ? request_.prompt_weights[group][token] : value(request_.weights, ref));
  }
  auto filled = [&](const std::vector<float>& values) {
    const Tensor t = row();
    Write(ops_.memory(), values, t);
    return t;
  };
  a.targets = {I32Row(ops_, arena, b.targets), filled(old_logprobs), filled(ref_logprobs), filled(advantages),
               filled(weights)};
  a.weights = std::move(weights);
  a.old_logprobs = std::move(old_logprobs);
  return a;
}

void TrainStep::RunBatch(const GroupBatch& b, Arena& arena, bool recompute, const CallContext& context,
                         AccumulateResult& result) {
  const DType dtype = ops_.ActivationType();
  const DecoderSpec& s = model_.spec();
  const size_t mark = arena.Mark();
  const auto check = [&] { ThrowIfCancelled(context); };
  KvPool pool(s, dtype, b.pages, recompute ? 1 : s.layers, arena, ops_);
  Decoder::Trace trace = decoder_.Forward(b.spans, pool, arena, recompute, check);
  result.counters.tokens_computed += b.spans.rows();
  result.counters.prompt_tokens += b.prompt_rows;
  if (!b.targets.empty()) {
    const HeadArrays arrays = FillTargets(b, arena);
    Tensor gathered;
    const Tensor hidden = decoder_.HeadInput(trace.residual, arrays.rows, arena, &gathered);
    const Tensor dhidden = arena.Matrix(dtype, hidden.rows(), s.dim),
                 dgathered = arena.Matrix(dtype, hidden.rows(), s.dim);
    ops_.HeadLoss(hidden, model_.head(), request_.sampling, arrays.targets, request_.loss, arrays.out, dhidden,
                  model_.head_gradient());
    ops_.RmsNormBackward(gathered, model_.final_norm().weight, s.rms_eps, s.norm_weight_offset, dhidden, false,
                         dgathered, model_.final_norm().gradient);
    ops_.Zero(trace.dresidual);
    ops_.GatherRowsBackward(dgathered, arrays.rows, trace.dresidual);
    decoder_.Backward(b.spans, pool, trace, check);
    Collect(b, arrays, result);
  }
  arena.Rewind(mark);
}

void TrainStep::Collect(const GroupBatch& b, const HeadArrays& a, AccumulateResult& result) const {
  using Kind = TokenLoss::Kind;
  const Kind kind = request_.loss.kind;
  const bool policy = kind == Kind::kPolicy, has_kl = policy && request_.loss.beta != 0;
  auto read = [&](const Tensor& t, bool wanted) { return wanted ? Read(ops_.memory(), t) : std::vector<double>(); };
  const auto logprobs = read(a.out.logprob, true), entropies = read(a.out.entropy, true);
  const auto losses = read(a.out.loss, kind != Kind::kGiven), kls = read(a.out.kl, has_kl);
  const auto clipped = read(a.out.clipped, policy);
  for (size_t i = 0; i < b.refs.size(); ++i) {
    const TokenRef& ref = b.refs[i];
    if (kind != Kind::kGiven) result.loss += losses[i];
    if (ref.completion >= 0) At(result.logprobs, ref) = static_cast<float>(logprobs[i]);
    const bool counts = kind == Kind::kGiven || a.weights[i] != 0;
    if (!counts || ref.completion < 0) continue;
    ++result.tokens;
    result.entropy += entropies[i];
    if (!policy) continue;
    if (has_kl) result.kl += kls[i];
    result.clip_ratio += clipped[i];
    result.sampler_gap = std::max(result.sampler_gap, std::abs(logprobs[i] - a.old_logprobs[i]));
  }
}

AccumulateResult TrainStep::Run(Arena& arena, bool recompute, const CallContext& context) {
  AccumulateResult result;
  result.logprobs = Shaped(request_.groups);
  int64_t done = 0;
  for (const GroupBatch& b : batches_) {
    RunBatch(b, arena, recompute, context, result);
    done += b.groups_done;
    if (context.progress) context.progress(done, static_cast<int64_t>(request_.groups.size()));
  }
  if (result.tokens > 0) {
    const auto tokens = static_cast<double>(result.tokens);
    result.kl /= tokens;
    result.clip_ratio /= tokens;
    result.entropy /= tokens;
  }
  return result;
}

}  // namespace rlvr
