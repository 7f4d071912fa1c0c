#include "engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "backends/backend.h"
#include "generate/generator.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
#include "ops/op_tracer.h"
#include "train/adapter_file.h"
#include "train/train_state.h"
#include "train/train_step.h"

namespace rlvr {

namespace {

// Activations may take this much before layers are recomputed instead, when no memory limit says otherwise.
constexpr size_t kDefaultActivationBytes = size_t{4} << 30;

WorkspaceLimits LimitsOf(const DecoderSpec& spec, const LoraOptions& lora, const LoadOptions& options) {
  WorkspaceLimits limits;
  const int64_t q = spec.heads * spec.head_dim, kv = spec.kv_heads * spec.head_dim;
  limits.max_rows = std::max(options.max_batch_rows, options.max_live);
  limits.max_head_rows = 2 * limits.max_rows;
  limits.max_in = std::max({spec.dim, spec.ffn, q});
  limits.max_out = std::max({spec.dim, 2 * spec.ffn, q + 2 * kv});
  limits.vocab = spec.vocab;
  limits.dim = spec.dim;
  limits.max_rank = lora.rank;
  limits.head_dim = spec.head_dim;
  limits.heads = spec.heads;
  limits.head_chunk_bytes = options.head_chunk_bytes;
  return limits;
}

class EngineImpl : public Engine {
 public:
  EngineImpl(const LoadOptions& options, bool plans_only, const CallContext& context)
      : options_(Validated(options)),
        memory_(options.memory_limit, plans_only),
        pool_(options.threads),
        ops_(std::make_unique<ObservedOps>(MakeBackend(plans_only))),
        arena_(memory_, "rollout KV and activations") {
    memory_.UseDevice(ops_->memory());
    ThrowIfCancelled(context);
    const auto checkpoint = Checkpoint::Open(options.path);
    LoraOptions lora = options.lora;
    const bool has_adapter = !options.adapter.empty();
    if (has_adapter) lora = ReadAdapterOptions(options.adapter);
    const Trainable trainable =
        has_adapter && options.trainable == Trainable::kNone ? Trainable::kLora : options.trainable;
    if (has_adapter && trainable == Trainable::kFull) {
      throw Error(ErrorCode::kBadArgument, "[load] an adapter cannot be loaded for full training.");
    }
    limits_ = LimitsOf(checkpoint->spec(), lora, options);
    ReserveWorkspace();
    if (options.quantize != Quantization::kNone && trainable == Trainable::kFull) {
      throw Error(ErrorCode::kBadArgument,
                  "[load] full training changes the weights, so they cannot be quantised. Leave quantize out, or train "
                  "an adapter.");
    }
    WeightQuantizer quantizer(options.quantize, pool_, options.path);
    model_ = std::make_unique<Model>(*checkpoint, *ops_, memory_, quantizer, trainable, lora);
    if (has_adapter && !plans_only) {
      ReadAdapterWeights(options.adapter, *model_);
      model_->Refresh(*ops_);
    }
    decoder_ = std::make_unique<Decoder>(*model_, *ops_);
  }

  ModelInfo info() const override {
    const DecoderSpec& s = model_->spec();
    ModelInfo info;
    info.family = s.family;
    info.vocab = s.vocab;
    info.dim = s.dim;
    info.layers = s.layers;
    info.heads = s.heads;
    info.kv_heads = s.kv_heads;
    info.head_dim = s.head_dim;
    info.ffn = s.ffn;
    info.context = s.context;
    info.parameters = model_->parameter_count();
    info.trainable_parameters = model_->parameters().elements();
    info.weight_bytes = model_->weight_bytes();
    info.bos = s.bos;
    info.eos = s.eos;
    info.lora_targets = model_->lora_targets();
    if (model_->trainable() == Trainable::kLora) {
      info.lora_rank = model_->lora().rank;
      info.lora_alpha = model_->lora().alpha;
    }
    info.device = options_.device;
    info.isa = ops_->isa();
    info.threads = pool_.threads();
    return info;
  }

  MemoryReport memory() const override {
    MemoryReport report;
    report.current_bytes = memory_.current();
    report.peak_bytes = memory_.peak();
    report.limit_bytes = memory_.limit();
    report.weights_bytes = model_->weight_bytes();
    report.trainable_bytes = model_->trainable_bytes();
    report.activation_bytes = arena_.reserved();
    report.workspace_bytes = workspace_.bytes();
    report.peak_logits_bytes = ops_->PeakLogitsBytes();
    report.arena_growths = arena_growths_;
    return report;
  }

  void StartTrace(size_t max_zones) override {
    trace_.Start(max_zones);
    ops_->SetObserver(&tracer_);
  }

  ZoneTrace StopTrace() override {
    ops_->SetObserver(nullptr);
    trace_.Stop();
    return std::exchange(trace_, ZoneTrace());
  }

  MemoryPlan Plan(const Workload& workload) const {
    WorkspaceLimits limits = limits_;
    return PlanOf(workload, limits);
  }

  MemoryPlan Reserve(const Workload& workload) override {
    WorkspaceLimits limits = limits_;
    const MemoryPlan plan = PlanOf(workload, limits);
    CheckFits(plan);
    limits_ = limits;
    if (plan.workspace > workspace_.bytes()) ReserveWorkspace();
    arena_.Reset();
    arena_.Reserve(std::max({plan.rollouts, plan.scoring, plan.training}));
    is_reserved_ = true;
    return plan;
  }

  GenerateResult Generate(const GenerateRequest& request, const CallContext& context) override {
    const ZoneScope zone(trace_, "generate");
    Generator generator(request, *model_, *decoder_, *ops_, {options_.max_batch_rows, options_.max_live});
    Prepare(generator.ArenaBytes(), generator.MaxRows(), generator.MaxHeadRows());
    return generator.Run(arena_, context);
  }

  ScoreResult Score(const ScoreRequest& request, const CallContext& context) override {
    const ZoneScope zone(trace_, "logprobs");
    ScoreStep step(request, *model_, *decoder_, *ops_, options_.max_batch_rows, "logprobs");
    Prepare(ScoreBytes(*model_, *ops_, step.shape()), step.shape().rows, step.shape().head_rows);
    return step.Run(arena_, context);
  }

  ChoicesResult ScoreChoices(const ChoicesRequest& request, const CallContext& context) override {
    const ZoneScope zone(trace_, "scoreChoices");
    for (size_t q = 0; q < request.questions.size(); ++q) {
      if (!request.questions[q].completions.empty()) continue;
      throw Error(ErrorCode::kBadArgument, Concat("[scoreChoices] question ", q, " has no choices."));
    }
    ScoreRequest score;
    score.prefixes = request.prefixes;
    score.groups = request.questions;
    score.adapter = request.adapter;
    ScoreStep step(score, *model_, *decoder_, *ops_, options_.max_batch_rows, "scoreChoices");
    Prepare(ScoreBytes(*model_, *ops_, step.shape()), step.shape().rows, step.shape().head_rows);
    const ScoreResult scored = step.Run(arena_, context);
    ChoicesResult result;
    result.counters = scored.counters;
    for (const auto& question : scored.logprobs) {
      auto& scores = result.scores.emplace_back();
      for (const auto& choice : question) scores.push_back(std::accumulate(choice.begin(), choice.end(), 0.0));
    }
    return result;
  }

  void LoadAdapter(const std::string& folder) override {
    if (model_->trainable() == Trainable::kFull) {
      throw Error(ErrorCode::kBadArgument, "[adapter] a model loaded for full training takes no adapter.");
    }
    if (folder.empty()) {
      model_->RemoveLora();
    } else {
      const LoraOptions lora = ReadAdapterOptions(folder);
      if (lora.rank > limits_.max_rank) {
        limits_.max_rank = lora.rank;
        ReserveWorkspace();
      }
      model_->ReplaceLora(lora, *ops_, [&](const ParameterStore& declared) { CheckAdapterWeights(folder, declared); });
      ReadAdapterWeights(folder, *model_);
      model_->Refresh(*ops_);
    }
    step_ = 0;
    gradients_complete_ = true;
  }

  AccumulateResult Accumulate(const AccumulateRequest& request, const CallContext& context) override {
    const ZoneScope zone(trace_, "accumulate");
    TrainStep step(request, *model_, *decoder_, *ops_, options_.max_batch_rows);
    const bool recompute = MustRecompute(step.shape());
    Prepare(TrainingBytes(step.shape(), recompute), step.shape().rows, step.shape().head_rows);
    gradients_complete_ = false;  // until Run() returns: an abort leaves half a sum behind
    AccumulateResult result = step.Run(arena_, recompute, context);
    gradients_complete_ = true;
    return result;
  }

  UpdateResult Update(const UpdateRequest& request) override {
    const ZoneScope zone(trace_, "update");
    if (model_->trainable() == Trainable::kNone) {
      throw Error(ErrorCode::kBadArgument, "[update] the model was loaded with trainable \"none\".");
    }
    if (!gradients_complete_) {
      throw Error(ErrorCode::kBadArgument,
                  "[update] the last accumulate was aborted, so the gradients are incomplete. "
                  "Call zeroGradients() and accumulate again.");
    }
    UpdateResult result;
    result.grad_norm = std::sqrt(ops_->SumSquares(model_->parameters().all_gradients()));
    result.skipped = !std::isfinite(result.grad_norm);
    if (!result.skipped) {
      AdamWParams params;
      params.learning_rate = request.learning_rate;
      params.beta1 = request.beta1;
      params.beta2 = request.beta2;
      params.eps = request.eps;
      params.weight_decay = request.weight_decay;
      params.step = ++step_;
      // As torch.nn.utils.clip_grad_norm_: the norm is padded, and the factor never above 1.
      if (request.max_grad_norm > 0) {
        params.gradient_scale = std::min(1.0, request.max_grad_norm / (result.grad_norm + 1e-6));
      }
      model_->parameters().Step(*ops_, params);
      model_->Refresh(*ops_);
    }
    ZeroGradients();
    result.step = step_;
    return result;
  }

  void ZeroGradients() override {
    if (!model_->parameters().empty()) ops_->Zero(model_->parameters().all_gradients());
    gradients_complete_ = true;
  }

  void SaveAdapter(const std::string& folder, const std::string& base_model) override {
    WriteAdapter(folder, *model_, base_model);
  }

  void SaveWeights(const std::string& file, DType dtype) override {
    if (model_->trainable() != Trainable::kFull) {
      throw Error(ErrorCode::kBadArgument, "[save] only a fully trained model can be saved; save the adapter instead.");
    }
    std::vector<SafetensorsEntry> entries;
    for (size_t i = 0; i < model_->parameters().count(); ++i) {
      const Parameter& p = model_->parameters().at(i);
      SafetensorsEntry entry;
      entry.name = p.name;
      entry.dtype = dtype;
      // Norms and biases are vectors in published files.
      entry.shape = p.decays ? std::vector<int64_t>{p.rows, p.cols} : std::vector<int64_t>{p.cols};
      entry.produce = [this, &p, dtype](const std::function<void(const void*, size_t)>& write) {
        std::vector<std::byte> row(BytesOf(dtype, p.cols));
        for (int64_t r = 0; r < p.rows; ++r) {
          Write(HostMemory(), Read(memory_.device(), p.value.Rows(r, 1)), Tensor(row.data(), dtype, 1, p.cols));
          write(row.data(), row.size());
        }
      };
      entries.push_back(std::move(entry));
    }
    WriteSafetensors(file, entries, {{"format", "pt"}});
  }

  void SaveState(const std::string& file) override { WriteTrainState(file, *model_, step_); }

  void LoadState(const std::string& file) override {
    step_ = ReadTrainState(file, *model_);
    model_->Refresh(*ops_);
    gradients_complete_ = true;
  }

  std::vector<std::string> ParameterNames() const override {
    std::vector<std::string> names;
    for (size_t i = 0; i < model_->parameters().count(); ++i) names.push_back(model_->parameters().at(i).name);
    return names;
  }
  std::vector<double> Plane(const std::string& name, Tensor Parameter::*plane) const {
    return Read(memory_.device(), Named(name).*plane);
  }
  std::vector<double> ParameterValues(const std::string& name) const override { return Plane(name, &Parameter::value); }
  std::vector<double> Gradient(const std::string& name) const override { return Plane(name, &Parameter::gradient); }
  void SetParameter(const std::string& name, const std::vector<double>& values) override {
    const Tensor& t = Named(name).value;
    if (static_cast<int64_t>(values.size()) != t.size()) {
      throw Error(ErrorCode::kBadArgument,
                  Concat("[parameter] ", name, " has ", t.size(), " elements; ", values.size(), " were given."));
    }
    Write(memory_.device(), values, t);
    model_->Refresh(*ops_);
  }

 private:
  std::unique_ptr<Ops> MakeBackend(bool plans_only) {
    const bool is_cuda = options_.device == "cuda" || options_.device == "cuda-emulated";
    if (options_.fp8_kv && !is_cuda) {
      throw Error(ErrorCode::kBadArgument,
                  Concat("[load] kvCache is \"fp8\" on device ", options_.device, "; only cuda has it."));
    }
    if (plans_only && is_cuda) return CreateCudaPlan(options_.fp8_kv);
    return CreateBackend(options_.device, pool_, options_.fp8_kv);
  }

  static const LoadOptions& Validated(const LoadOptions& o) {
    auto bad = [](const std::string& text) { throw Error(ErrorCode::kBadArgument, "[load] " + text); };
    if (o.threads < 0 || o.threads > 1024) bad(Concat("threads is ", o.threads, "; expected 0 (all) to 1024."));
    if (o.max_batch_rows < 1) bad(Concat("maxBatchRows is ", o.max_batch_rows, "; expected at least 1."));
    if (o.max_live < 1) bad(Concat("maxLive is ", o.max_live, "; expected at least 1."));
    return o;
  }

  const Parameter& Named(const std::string& name) const {
    const Parameter* parameter = model_->parameters().Find(name);
    if (!parameter) throw Error(ErrorCode::kBadArgument, Concat("[parameter] there is no parameter \"", name, "\"."));
    return *parameter;
  }

  size_t TrainingBytes(const BatchShape& shape, bool recompute) const {
    return TrainBytes(*model_, *ops_, shape, recompute);
  }

  // What activations may take beside `others`.
  size_t ActivationBudget(size_t others) const {
    if (memory_.limit() == 0) return kDefaultActivationBytes;
    return memory_.limit() > others ? memory_.limit() - others : 0;
  }

  // Whether a training call keeps only the layers' inputs: when all of it has no room, in what was reserved if that is
  // enough either way.
  bool MustRecompute(const BatchShape& shape) const {
    const size_t whole = TrainingBytes(shape, false);
    if (whole <= arena_.reserved()) return false;
    if (is_reserved_ && TrainingBytes(shape, true) <= arena_.reserved()) return true;
    return whole > ActivationBudget(memory_.current() - arena_.reserved());
  }

  // The memory of the largest calls; `limits` grows to those of their kernels.
  MemoryPlan PlanOf(const Workload& w, WorkspaceLimits& limits) const {
    const DecoderSpec& s = model_->spec();
    if (w.prompt_tokens < 1 || w.completion_tokens < 1 || w.prompt_tokens + w.completion_tokens > s.context) {
      throw Error(ErrorCode::kBadArgument,
                  Concat("[memory] prompts of ", w.prompt_tokens, " tokens with completions of ", w.completion_tokens,
                         "; expected at least 1 each and at most ", s.context, " together, the model's context."));
    }
    auto grow = [&](int64_t rows, int64_t head_rows) {
      limits.max_rows = std::max(limits.max_rows, rows);
      limits.max_head_rows = std::max(limits.max_head_rows, head_rows);
    };
    MemoryPlan plan;
    for (const Workload::Sampling& call : w.generate) {
      GenerateRequest request;  // the longest prompts are the most demanding ones
      Prompt longest;
      longest.ids.assign(static_cast<size_t>(w.prompt_tokens), 0);
      request.prompts.assign(static_cast<size_t>(call.prompts), longest);
      request.rollouts = call.rollouts;
      request.max_new_tokens = w.completion_tokens;
      const Generator generator(request, *model_, *decoder_, *ops_, {options_.max_batch_rows, options_.max_live});
      plan.rollouts = std::max(plan.rollouts, generator.ArenaBytes());
      grow(generator.MaxRows(), generator.MaxHeadRows());
    }
    auto bound = [&](const Workload::Groups& call) {
      const BatchShape shape =
          BoundOf({call.groups, call.completions, w.prompt_tokens, w.completion_tokens}, options_.max_batch_rows);
      grow(shape.rows, shape.head_rows);
      return shape;
    };
    if (w.score.groups > 0) plan.scoring = ScoreBytes(*model_, *ops_, bound(w.score));
    const BatchShape training = w.accumulate.groups > 0 ? bound(w.accumulate) : BatchShape();
    plan.workspace = std::max(ops_->WorkspaceBytes(limits), workspace_.bytes());
    plan.trainable = model_->trainable_bytes();
    plan.weights = memory_.current() - plan.trainable - workspace_.bytes() - arena_.reserved();
    const size_t fixed = plan.weights + plan.trainable + plan.workspace;
    if (w.accumulate.groups > 0) {
      plan.recompute = TrainingBytes(training, false) > ActivationBudget(fixed);
      plan.training = TrainingBytes(training, plan.recompute);
    }
    plan.total = fixed + std::max({plan.rollouts, plan.scoring, plan.training, arena_.reserved()});
    return plan;
  }

  void CheckFits(const MemoryPlan& plan) const {
    if (memory_.limit() == 0 || plan.total <= memory_.limit()) return;
    auto mib = [](size_t bytes) { return Concat((bytes + (1 << 20) - 1) >> 20, " MiB"); };
    const size_t fixed = plan.weights + plan.trainable + plan.workspace;
    std::string advice = "shorter completions (max_new_tokens), shorter prompts, or fewer rollouts at a time (maxLive)";
    if (plan.training > plan.rollouts) {
      advice = "shorter completions (max_new_tokens), shorter prompts, or fewer rows of a forward (maxBatchRows)";
    }
    if (fixed >= memory_.limit()) advice = "a smaller model, one of fewer bits, or a lower rank of the adapter";
    throw Error(ErrorCode::kOutOfMemory,
                Concat("[memory] the longest case needs ", mib(plan.total), ", but the limit is ", mib(memory_.limit()),
                       ": weights ", mib(plan.weights), ", trained parameters and optimizer ", mib(plan.trainable),
                       ", kernels ", mib(plan.workspace), ", and the largest of rollouts ", mib(plan.rollouts),
                       ", scoring ", mib(plan.scoring), " and training ", mib(plan.training),
                       ". Raise memory.limit, or choose ", advice, "."));
  }

  void ReserveWorkspace() {
    workspace_.Release();
    workspace_ = Buffer(memory_, ops_->WorkspaceBytes(limits_), "kernel workspace");
    ops_->SetWorkspace(limits_, workspace_.data(), workspace_.bytes());
  }

  // Makes room for a call. Nothing grows again until a call is larger than all before it.
  void Prepare(size_t arena_bytes, int64_t rows, int64_t head_rows) {
    if (rows > limits_.max_rows || head_rows > limits_.max_head_rows) {
      limits_.max_rows = std::max(limits_.max_rows, rows);
      limits_.max_head_rows = std::max(limits_.max_head_rows, head_rows);
      ReserveWorkspace();
      if (is_reserved_) ++arena_growths_;
    }
    arena_.Reset();
    if (arena_bytes > arena_.reserved()) {
      arena_.Reserve(arena_bytes);
      ++arena_growths_;
    }
  }

  LoadOptions options_;
  MemoryCounter memory_;
  ThreadPool pool_;
  ZoneTrace trace_;
  OpTracer tracer_{trace_};
  std::unique_ptr<ObservedOps> ops_;
  WorkspaceLimits limits_;
  Buffer workspace_;
  Arena arena_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Decoder> decoder_;
  int64_t step_ = 0;
  bool gradients_complete_ = true;
  bool is_reserved_ = false;
  size_t arena_growths_ = 0;
};

}  // namespace

std::unique_ptr<Engine> Engine::Load(const LoadOptions& options, const CallContext& context) {
  return std::make_unique<EngineImpl>(options, false, context);
}

PlanResult Engine::Plan(const LoadOptions& options, const Workload& workload) {
  EngineImpl engine(options, true, {});
  return {engine.Plan(workload), engine.info()};
}

}  // namespace rlvr
