#include "model/model.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/rng.h"
#include "quant/codec.h"

namespace rlvr {

namespace {

std::string LayerPath(int64_t layer) { return Concat("model.layers.", layer, "."); }

// The last part of a module path: "q_proj" of "model.layers.0.self_attn.q_proj".
std::string LastPart(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// Modules that can carry an adapter, and the shapes of a layer's matrices.
struct MatrixShape {
  const char* module;
  int64_t out;
};

std::vector<MatrixShape> QkvShapes(const DecoderSpec& s) {
  const int64_t q = s.heads * s.head_dim, kv = s.kv_heads * s.head_dim;
  if (s.fused_qkv) return {{"self_attn.qkv_proj", q + 2 * kv}};
  return {{"self_attn.q_proj", q}, {"self_attn.k_proj", kv}, {"self_attn.v_proj", kv}};
}

std::vector<MatrixShape> GateUpShapes(const DecoderSpec& s) {
  if (s.fused_gate_up) return {{"mlp.gate_up_proj", 2 * s.ffn}};
  return {{"mlp.gate_proj", s.ffn}, {"mlp.up_proj", s.ffn}};
}

}  // namespace

Model::Model(const Checkpoint& checkpoint, Ops& ops, MemoryCounter& memory, WeightQuantizer& quantizer,
             Trainable trainable, const LoraOptions& lora)
    : spec_(checkpoint.spec()), memory_(memory), trainable_(trainable), lora_(lora) {
  LoadWeights(checkpoint, ops, quantizer);
  if (trainable == Trainable::kLora) ReplaceLora(lora, ops, [](const ParameterStore&) {});
  if (trainable == Trainable::kFull) DeclareFull(ops);
  if (memory.plans_only()) return;  // values would make the memory resident
  if (trainable == Trainable::kLora) InitLora();
  if (trainable == Trainable::kFull) LoadMasters(checkpoint);
  Refresh(ops);
}

PackedWeight Model::PackMatrix(const Checkpoint& checkpoint, const std::string& slot, int64_t out, int64_t in, Ops& ops,
                               WeightQuantizer* quantizer) {
  const WeightSource source = checkpoint.Matrix(slot, out, in);
  const DType stored = quantizer != nullptr ? quantizer->TypeOf(source, slot) : source.dtype;
  // A trained matrix is packed from its activation-typed master again and again, so its layout is that of the master.
  const DType dtype = trainable_ == Trainable::kFull ? ops.ActivationType() : stored;
  PackedWeight weight;
  weight.dtype = dtype;
  weight.out = out;
  weight.in = in;
  weight.bytes = ops.PackedBytes(dtype, out, in);
  buffers_.emplace_back(memory_, weight.bytes, "weights");
  weight.data = buffers_.back().data();
  if (trainable_ != Trainable::kFull) {
    if (!memory_.plans_only()) ops.Pack(quantizer != nullptr ? quantizer->Quantize(source, slot) : source, weight);
    checkpoint.Forget(source);
  }
  parameter_count_ += out * in;
  weight_bytes_ += weight.bytes;
  return weight;
}

Tensor Model::LoadVector(const Checkpoint& checkpoint, const std::string& slot, int64_t n, DType dtype) {
  const std::vector<float> values = checkpoint.Vector(slot, n);
  buffers_.emplace_back(memory_, BytesOf(dtype, n), "norms and biases");
  const Tensor vector(buffers_.back().data(), dtype, 1, n);
  Write(memory_.device(), values, vector);
  parameter_count_ += n;
  return vector;
}

void Model::LoadWeights(const Checkpoint& checkpoint, Ops& ops, WeightQuantizer& quantizer) {
  const DecoderSpec& s = spec_;
  const DType type = ops.ParameterType();
  auto norm = [&](const std::string& slot, int64_t n) { return Norm{LoadVector(checkpoint, slot, n, type), {}}; };
  auto linear = [&](const std::string& path, int64_t out, int64_t in, bool bias) {
    LinearLayer layer;
    layer.name = path;
    layer.weight = PackMatrix(checkpoint, path + ".weight", out, in, ops, &quantizer);
    if (bias) layer.bias = LoadVector(checkpoint, path + ".bias", out, type);
    return layer;
  };
  embedding_ = PackMatrix(checkpoint, "model.embed_tokens.weight", s.vocab, s.dim, ops, nullptr);
  head_ = s.tied_head ? embedding_ : PackMatrix(checkpoint, "lm_head.weight", s.vocab, s.dim, ops, nullptr);
  final_norm_ = norm("model.norm.weight", s.dim);
  for (int64_t l = 0; l < s.layers; ++l) {
    const std::string path = LayerPath(l);
    DecoderLayer layer;
    layer.input_norm = norm(path + "input_layernorm.weight", s.dim);
    // Llama's "post_attention_layernorm" is the norm before the feed-forward; Gemma-3 has four norms under other names.
    if (s.post_norms) {
      layer.post_attention_norm = norm(path + "post_attention_layernorm.weight", s.dim);
      layer.pre_ffn_norm = norm(path + "pre_feedforward_layernorm.weight", s.dim);
      layer.post_ffn_norm = norm(path + "post_feedforward_layernorm.weight", s.dim);
    } else {
      layer.pre_ffn_norm = norm(path + "post_attention_layernorm.weight", s.dim);
    }
    if (s.qk_norm) {
      layer.q_norm = norm(path + "self_attn.q_norm.weight", s.head_dim);
      layer.k_norm = norm(path + "self_attn.k_norm.weight", s.head_dim);
    }
    for (const MatrixShape& m : QkvShapes(s)) layer.qkv.push_back(linear(path + m.module, m.out, s.dim, s.qkv_bias));
    layer.o = linear(path + "self_attn.o_proj", s.dim, s.heads * s.head_dim, false);
    for (const MatrixShape& m : GateUpShapes(s)) layer.gate_up.push_back(linear(path + m.module, m.out, s.dim, false));
    layer.down = linear(path + "mlp.down_proj", s.dim, s.ffn, false);
    layers_.push_back(std::move(layer));
  }
}

void Model::ForEachLinear(const std::function<void(LinearLayer&)>& visit) {
  for (DecoderLayer& layer : layers_) {
    for (LinearLayer& linear : layer.qkv) visit(linear);
    visit(layer.o);
    for (LinearLayer& linear : layer.gate_up) visit(linear);
    visit(layer.down);
  }
}

void Model::RemoveLora() {
  ForEachLinear([](LinearLayer& linear) {
    linear.lora = {};
    linear.trained_a = linear.trained_b = linear.da = linear.db = Tensor();
  });
  parameters_ = {};
  lora_copies_.Release();
  lora_targets_.clear();
  trainable_ = Trainable::kNone;
}

void Model::ReplaceLora(const LoraOptions& lora, const Ops& ops,
                        const std::function<void(const ParameterStore&)>& accept) {
  if (lora.rank < 1 || lora.rank > spec_.dim * 4) {
    throw Error(ErrorCode::kBadArgument, Concat("[lora] rank is ", lora.rank, "; expected 1 to ", spec_.dim * 4, "."));
  }
  std::set<std::string> known;
  ForEachLinear([&](LinearLayer& linear) { known.insert(LastPart(linear.name)); });
  const std::vector<std::string> all(known.begin(), known.end());
  const std::vector<std::string> targets = lora.targets.empty() ? all : lora.targets;
  std::set<std::string> unmatched(targets.begin(), targets.end());
  // As in PEFT: a target names the modules whose path it is or ends.
  auto is_target = [&](const std::string& path) {
    bool found = false;
    for (const std::string& target : targets) {
      if (path != target && !path.ends_with("." + target)) continue;
      unmatched.erase(target);
      found = true;
    }
    return found;
  };

  ParameterStore declared;
  std::vector<std::pair<LinearLayer*, size_t>> adapted;
  int64_t elements = 0;
  ForEachLinear([&](LinearLayer& linear) {
    if (!is_target(linear.name)) return;
    const std::string prefix = "base_model.model." + linear.name;
    adapted.emplace_back(&linear, declared.Declare(prefix + ".lora_A.weight", lora.rank, linear.in(), true));
    declared.Declare(prefix + ".lora_B.weight", linear.out(), lora.rank, true);
    elements += lora.rank * (linear.in() + linear.out());
  });
  if (!unmatched.empty()) {
    std::string names;
    for (const std::string& name : all) names += (names.empty() ? "" : ", ") + name;
    throw Error(ErrorCode::kBadArgument,
                Concat("[lora] target \"", *unmatched.begin(), "\" is not a linear layer of this ", spec_.family,
                       " model; it has ", names, "."));
  }
  accept(declared);

  RemoveLora();  // first, so that two adapters are never in memory together
  const DType dtype = ops.ActivationType(), trained = ops.ParameterType();
  const int copies = dtype == trained ? 1 : 2;  // the transpose; and the matrix itself where kernels read another type
  declared.Allocate(memory_, trained);
  lora_copies_ = Buffer(memory_, BytesOf(dtype, copies * elements), "LoRA copies for the kernels");
  parameters_ = std::move(declared);
  lora_ = lora;
  lora_targets_ = targets;
  trainable_ = Trainable::kLora;
  std::byte* next = lora_copies_.data();
  auto take = [&](int64_t rows, int64_t cols) {
    const Tensor copy(next, dtype, rows, cols);
    next += BytesOf(dtype, rows * cols);
    return copy;
  };
  for (auto& [linear, index] : adapted) {
    const Parameter &a = parameters_.at(index), &b = parameters_.at(index + 1);
    linear->trained_a = a.value;
    linear->trained_b = b.value;
    linear->da = a.gradient;
    linear->db = b.gradient;
    linear->lora.scale = lora_.scale();
    linear->lora.a_t = take(a.cols, a.rows);
    linear->lora.b_t = take(b.cols, b.rows);
    linear->lora.a = copies == 1 ? a.value : take(a.rows, a.cols);
    linear->lora.b = copies == 1 ? b.value : take(b.rows, b.cols);
  }
}

void Model::InitLora() {
  for (size_t i = 0; i < parameters_.count(); i += 2) {
    const Parameter& a = parameters_.at(i);  // B stays zero
    const double bound = 1.0 / std::sqrt(static_cast<double>(a.cols));
    std::vector<double> values;
    values.reserve(static_cast<size_t>(a.rows * a.cols));
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.cols; ++c) {
        const double u =
            UniformFor(lora_.seed, static_cast<uint64_t>(i), static_cast<uint32_t>(r), static_cast<uint32_t>(c));
        values.push_back(bound * (2 * u - 1));
      }
    }
    Write(memory_.device(), values, a.value);
  }
}

void Model::DeclareFull(Ops& ops) {
  struct Target {
    size_t index;
    Tensor *value, *gradient;
  };
  std::vector<Target> targets;
  auto declare = [&](const std::string& name, int64_t rows, int64_t cols, bool decays, Tensor* value,
                     Tensor* gradient) {
    targets.push_back({parameters_.Declare(name, rows, cols, decays), value, gradient});
  };
  declare("model.embed_tokens.weight", spec_.vocab, spec_.dim, true, &embedding_master_, &embedding_gradient_);
  if (!spec_.tied_head) declare("lm_head.weight", spec_.vocab, spec_.dim, true, &head_master_, &head_gradient_);
  ForEachLinear([&](LinearLayer& linear) {
    declare(linear.name + ".weight", linear.out(), linear.in(), true, &linear.master, &linear.dweight);
  });
  auto declare_vector = [&](const std::string& name, Tensor* value, Tensor* gradient) {
    if (value->defined()) declare(name, 1, value->cols(), false, value, gradient);
  };
  ForEachLinear([&](LinearLayer& linear) { declare_vector(linear.name + ".bias", &linear.bias, &linear.dbias); });
  for (size_t l = 0; l < layers_.size(); ++l) {
    DecoderLayer& layer = layers_[l];
    const std::string path = LayerPath(static_cast<int64_t>(l));
    auto declare_norm = [&](const char* name, Norm& norm) {
      declare_vector(path + name, &norm.weight, &norm.gradient);
    };
    declare_norm("input_layernorm.weight", layer.input_norm);
    declare_norm("post_attention_layernorm.weight", spec_.post_norms ? layer.post_attention_norm : layer.pre_ffn_norm);
    if (spec_.post_norms) {
      declare_norm("pre_feedforward_layernorm.weight", layer.pre_ffn_norm);
      declare_norm("post_feedforward_layernorm.weight", layer.post_ffn_norm);
    }
    declare_norm("self_attn.q_norm.weight", layer.q_norm);
    declare_norm("self_attn.k_norm.weight", layer.k_norm);
  }
  declare_vector("model.norm.weight", &final_norm_.weight, &final_norm_.gradient);

  parameters_.Allocate(memory_, final_norm_.weight.dtype());
  for (const Target& target : targets) {
    const Parameter& parameter = parameters_.at(target.index);
    // Norms and biases were loaded already: move them into the flat buffer.
    if (target.value->defined() && !memory_.plans_only()) ops.Copy(*target.value, parameter.value);
    *target.value = parameter.value;
    *target.gradient = parameter.gradient;
  }
  if (spec_.tied_head) head_gradient_ = embedding_gradient_;
}

// The matrices' values, widened to the parameter type.
void Model::LoadMasters(const Checkpoint& checkpoint) {
  for (size_t i = 0; i < parameters_.count(); ++i) {
    const Parameter& p = parameters_.at(i);
    if (!p.decays) continue;
    const WeightSource source = checkpoint.Matrix(p.name, p.rows, p.cols);
    std::vector<float> row(static_cast<size_t>(p.cols));
    const size_t row_bytes = BytesOf(source.dtype, p.cols);
    for (int64_t r = 0; r < p.rows; ++r) {
      const int64_t from = source.row_order ? source.row_order[r] : r;
      DequantizeRow(source.dtype, static_cast<const std::byte*>(source.data) + static_cast<size_t>(from) * row_bytes,
                    p.cols, row.data());
      Write(memory_.device(), row, p.value.Rows(r, 1));
    }
  }
}

void Model::Refresh(Ops& ops) {
  if (trainable_ == Trainable::kLora) {
    ForEachLinear([&](LinearLayer& linear) {
      if (!linear.lora.a.defined()) return;
      ops.Transpose(linear.trained_a, linear.lora.a_t);
      ops.Transpose(linear.trained_b, linear.lora.b_t);
      if (linear.lora.a.dtype() == linear.trained_a.dtype()) return;
      ops.Copy(linear.trained_a, linear.lora.a);
      ops.Copy(linear.trained_b, linear.lora.b);
    });
  }
  if (trainable_ == Trainable::kFull) {
    ops.PackMaster(embedding_master_, embedding_);
    if (spec_.tied_head) {
      head_ = embedding_;
    } else {
      ops.PackMaster(head_master_, head_);
    }
    ForEachLinear([&](LinearLayer& linear) { ops.PackMaster(linear.master, linear.weight); });
  }
}

}  // namespace rlvr
