// The engine as one object: load a model, sample rollouts, score them, accumulate gradients, update, save.
// Calls are coarse and blocking; one call at a time. The binding runs them on the engine's own thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/call_context.h"
#include "core/dtype.h"
#include "core/trace.h"
#include "generate/generate_request.h"
#include "model/lora_options.h"
#include "model/quantization.h"
#include "train/train_request.h"

namespace rlvr {

struct LoadOptions {
  std::string path;                             // a safetensors folder or a .gguf file
  std::string device = "cpu";                   // "cpu", "cuda", "cuda-emulated", "reference", "reference-f64"
  bool fp8_kv = false;                          // cuda: keys and values of rollouts as FP8 E4M3
  int threads = 0;                              // 0: the cores this process may use
  size_t memory_limit = 0;                      // bytes; 0: none
  Quantization quantize = Quantization::kNone;  // of linear layers, while they are loaded
  Trainable trainable = Trainable::kNone;
  LoraOptions lora;
  std::string adapter;            // a PEFT folder to start from (its rank, alpha and targets win); empty: none
  int64_t max_batch_rows = 1024;  // packed rows of one forward that longer work is split into
  int64_t max_live = 32;          // most rollouts decoded at a time
  size_t head_chunk_bytes = 16u << 20;
};

struct ModelInfo {
  std::string family;
  int64_t vocab = 0, dim = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, context = 0;
  int64_t parameters = 0;
  int64_t trainable_parameters = 0;
  size_t weight_bytes = 0;
  int32_t bos = -1;
  std::vector<int32_t> eos;
  std::vector<std::string> lora_targets;
  int64_t lora_rank = 0;
  double lora_alpha = 0;
  std::string device, isa;
  int threads = 1;
};

struct MemoryReport {
  size_t current_bytes = 0, peak_bytes = 0, limit_bytes = 0;
  size_t weights_bytes = 0, trainable_bytes = 0, activation_bytes = 0, workspace_bytes = 0;
  size_t peak_logits_bytes = 0;
  size_t arena_growths = 0;  // times a call grew the arena or the workspace
};

// The largest calls of a run, for which memory is set aside before it begins.
struct Workload {
  struct Sampling {
    int64_t prompts = 0;
    int64_t rollouts = 1;
  };
  struct Groups {
    int64_t groups = 0;
    int64_t completions = 0;
  };
  int64_t prompt_tokens = 0;       // of the longest prompt, prefixes included
  int64_t completion_tokens = 0;   // sampled behind it at most
  std::vector<Sampling> generate;  // one for each kind of call
  Groups score, accumulate;        // of one call; no groups: no such call
};

struct MemoryPlan {
  size_t weights = 0;                              // norms and biases included
  size_t trainable = 0;                            // values, gradients, AdamW moments, transposes
  size_t rollouts = 0, scoring = 0, training = 0;  // never alive together: the largest counts
  size_t workspace = 0;
  size_t total = 0;
  bool recompute = false;  // layers are computed again in the backward, because keeping them is too large
};

struct PlanResult {
  MemoryPlan memory;
  ModelInfo info;
};

class Engine {
 public:
  static std::unique_ptr<Engine> Load(const LoadOptions& options, const CallContext& context);
  // What Load() and Reserve() would take, by the same code; no weight is read, and the limit is not applied.
  static PlanResult Plan(const LoadOptions& options, const Workload& workload);
  virtual ~Engine() = default;
  virtual ModelInfo info() const = 0;
  virtual MemoryReport memory() const = 0;
  // Records the zones of the calls that follow, at most max_zones of them, until StopTrace(), which gives them.
  virtual void StartTrace(size_t max_zones) = 0;
  virtual ZoneTrace StopTrace() = 0;
  // Takes the memory of the largest calls at once: nothing grows until a call is larger. RLVR_OUT_OF_MEMORY that says
  // what to lower when the limit is too small; nothing is taken then.
  virtual MemoryPlan Reserve(const Workload& workload) = 0;
  virtual GenerateResult Generate(const GenerateRequest& request, const CallContext& context) = 0;
  virtual ScoreResult Score(const ScoreRequest& request, const CallContext& context) = 0;
  // Log-likelihoods of answer options; each question is computed in one forward with others.
  virtual ChoicesResult ScoreChoices(const ChoicesRequest& request, const CallContext& context) = 0;
  // Replaces the adapter by that of a PEFT folder, or by none when empty; optimizer state and pending gradients go with
  // the old one. A folder that does not fit this model changes nothing.
  virtual void LoadAdapter(const std::string& folder) = 0;
  virtual AccumulateResult Accumulate(const AccumulateRequest& request, const CallContext& context) = 0;
  virtual UpdateResult Update(const UpdateRequest& request) = 0;
  virtual void ZeroGradients() = 0;
  // PEFT folder: adapter_config.json, adapter_model.safetensors. base_model names the base in the config.
  virtual void SaveAdapter(const std::string& folder, const std::string& base_model) = 0;
  // model.safetensors of all parameters (full training); dtype F32 or BF16.
  virtual void SaveWeights(const std::string& file, DType dtype) = 0;
  // Trainable parameters, AdamW moments, pending gradients and the step, bit-exact, as one safetensors file.
  virtual void SaveState(const std::string& file) = 0;
  virtual void LoadState(const std::string& file) = 0;
  // Named trainable parameters and gradients, for tests: [name, values].
  virtual std::vector<std::string> ParameterNames() const = 0;
  virtual std::vector<double> ParameterValues(const std::string& name) const = 0;
  virtual void SetParameter(const std::string& name, const std::vector<double>& values) = 0;
  virtual std::vector<double> Gradient(const std::string& name) const = 0;
};

}  // namespace rlvr
