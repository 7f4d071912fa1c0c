#include "engine.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/backend.h"
#include "generate/generator.h"
#include "io/safetensors.h"
#include "model/checkpoint.h"
#include "model/decoder.h"
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
  EngineImpl(const LoadOptions& options, const CallContext& context)
      : options_(Validated(options)),
        memory_(options.memory_limit),
        pool_(options.threads),
        ops_(CreateBackend(options.device, pool_)),
        arena_(memory_, "rollout KV and activations") {
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
    model_ = std::make_unique<Model>(*checkpoint, *ops_, memory_, trainable, lora);
    if (has_adapter) {
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
    report.trainable_bytes = model_->parameters().bytes();
    report.activation_bytes = arena_.reserved();
    report.workspace_bytes = workspace_.bytes();
    report.peak_logits_bytes = ops_->PeakLogitsBytes();
    report.arena_growths = arena_growths_;
    return report;
  }

  GenerateResult Generate(const GenerateRequest& request, const CallContext& context) override {
    Generator generator(request, *model_, *decoder_, *ops_, {options_.max_batch_rows, options_.max_live});
    Prepare(generator.ArenaBytes(), generator.MaxRows(), generator.MaxHeadRows());
    return generator.Run(arena_, context);
  }

  ScoreResult Score(const ScoreRequest& request, const CallContext& context) override {
    ScoreStep step(request, *model_, *decoder_, *ops_, options_.max_batch_rows, "logprobs");
    Prepare(step.ArenaBytes(), step.MaxRows(), step.MaxHeadRows());
    return step.Run(arena_, context);
  }

  ChoicesResult ScoreChoices(const ChoicesRequest& request, const CallContext& context) override {
    for (size_t q = 0; q < request.questions.size(); ++q) {
      if (!request.questions[q].completions.empty()) continue;
      throw Error(ErrorCode::kBadArgument, Concat("[scoreChoices] question ", q, " has no choices."));
    }
    ScoreRequest score;
    score.prefixes = request.prefixes;
    score.groups = request.questions;
    score.adapter = request.adapter;
    ScoreStep step(score, *model_, *decoder_, *ops_, options_.max_batch_rows, "scoreChoices");
    Prepare(step.ArenaBytes(), step.MaxRows(), step.MaxHeadRows());
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
      model_->ReplaceLora(lora, [&](const ParameterStore& declared) { CheckAdapterWeights(folder, declared); });
      ReadAdapterWeights(folder, *model_);
      model_->Refresh(*ops_);
    }
    step_ = 0;
    gradients_complete_ = true;
  }

  AccumulateResult Accumulate(const AccumulateRequest& request, const CallContext& context) override {
    TrainStep step(request, *model_, *decoder_, *ops_, options_.max_batch_rows);
    const bool recompute = step.ArenaBytes(false) > ActivationBudget();
    Prepare(step.ArenaBytes(recompute), step.MaxRows(), step.MaxHeadRows());
    gradients_complete_ = false;  // until Run() returns: an abort leaves half a sum behind
    AccumulateResult result = step.Run(arena_, recompute, context);
    gradients_complete_ = true;
    return result;
  }

  UpdateResult Update(const UpdateRequest& request) override {
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
      entry.produce = [&p, dtype](const std::function<void(const void*, size_t)>& write) {
        std::vector<std::byte> row(BytesOf(dtype, p.cols));
        for (int64_t r = 0; r < p.rows; ++r) {
          const Tensor out(row.data(), dtype, 1, p.cols);
          for (int64_t c = 0; c < p.cols; ++c) out.Set(0, c, p.value.At(r, c));
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
    const Tensor& t = Named(name).*plane;
    std::vector<double> values;
    for (int64_t r = 0; r < t.rows(); ++r) {
      for (int64_t c = 0; c < t.cols(); ++c) values.push_back(t.At(r, c));
    }
    return values;
  }
  std::vector<double> ParameterValues(const std::string& name) const override { return Plane(name, &Parameter::value); }
  std::vector<double> Gradient(const std::string& name) const override { return Plane(name, &Parameter::gradient); }
  void SetParameter(const std::string& name, const std::vector<double>& values) override {
    const Tensor& t = Named(name).value;
    if (static_cast<int64_t>(values.size()) != t.size()) {
      throw Error(ErrorCode::kBadArgument,
                  Concat("[parameter] ", name, " has ", t.size(), " elements; ", values.size(), " were given."));
    }
    for (int64_t i = 0; i < t.size(); ++i) t.Set(i / t.cols(), i % t.cols(), values[static_cast<size_t>(i)]);
    model_->Refresh(*ops_);
  }

 private:
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

  size_t ActivationBudget() const {
    if (memory_.limit() == 0) return kDefaultActivationBytes;
    const size_t others = memory_.current() - arena_.reserved();
    return memory_.limit() > others ? memory_.limit() - others : 0;
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
  std::unique_ptr<Ops> ops_;
  WorkspaceLimits limits_;
  Buffer workspace_;
  Arena arena_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Decoder> decoder_;
  int64_t step_ = 0;
  bool gradients_complete_ = true;
  size_t arena_growths_ = 0;
};

}  // namespace

std::unique_ptr<Engine> Engine::Load(const LoadOptions& options, const CallContext& context) {
  return std::make_unique<EngineImpl>(options, context);
}

}  // namespace rlvr
