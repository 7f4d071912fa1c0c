// The weights of a decoder in the layout of a backend, with what is trained on top of them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "model/checkpoint.h"
#include "model/decoder_spec.h"
#include "model/linear.h"
#include "model/lora_options.h"
#include "model/weight_quantizer.h"

namespace rlvr {

struct Norm {
  Tensor weight;    // [1, n]
  Tensor gradient;  // undefined unless trained
};

struct DecoderLayer {
  Norm input_norm, post_attention_norm, pre_ffn_norm, post_ffn_norm;  // the post norms only where spec.post_norms
  Norm q_norm, k_norm;                                                // only where spec.qk_norm
  std::vector<LinearLayer> qkv;                                       // q, k, v; or one fused
  LinearLayer o;
  std::vector<LinearLayer> gate_up;  // gate, up; or one fused
  LinearLayer down;
};

class Model {
 public:
  // Reads and packs every weight, those of linear layers through the quantizer, then makes the trainable parameters.
  // `lora` is used with Trainable::kLora. With memory that only plans, weights are not read: the model has shapes and
  // sizes and cannot be run.
  Model(const Checkpoint& checkpoint, Ops& ops, MemoryCounter& memory, WeightQuantizer& quantizer, Trainable trainable,
        const LoraOptions& lora);

  const DecoderSpec& spec() const { return spec_; }
  const LoraOptions& lora() const { return lora_; }
  Trainable trainable() const { return trainable_; }
  const std::vector<DecoderLayer>& layers() const { return layers_; }
  const PackedWeight& embedding() const { return embedding_; }
  const Tensor& embedding_gradient() const { return embedding_gradient_; }
  HeadParams head() const { return {head_, spec_.final_softcap}; }
  const Tensor& head_gradient() const { return head_gradient_; }
  const Norm& final_norm() const { return final_norm_; }
  const ParameterStore& parameters() const { return parameters_; }
  int64_t parameter_count() const { return parameter_count_; }
  size_t weight_bytes() const { return weight_bytes_; }
  // Trained values, their gradients and moments, and the adapter's copies for the kernels.
  size_t trainable_bytes() const { return parameters_.bytes() + lora_copies_.bytes(); }
  DeviceMemory& device() const { return memory_.device(); }
  const std::vector<std::string>& lora_targets() const { return lora_targets_; }

  // Removes the adapter, if any: the base alone, nothing trainable.
  void RemoveLora();
  // Makes another adapter, zeroed, in place of the one there is. Unknown targets, and whatever accept(declared
  // parameters, not yet allocated) throws, leave the model as it was.
  void ReplaceLora(const LoraOptions& lora, const Ops& ops, const std::function<void(const ParameterStore&)>& accept);

  // Call after parameter values changed: repacks trained matrices, refreshes the copies of LoRA.
  void Refresh(Ops& ops);

  // Every linear layer but the head, in order.
  void ForEachLinear(const std::function<void(LinearLayer&)>& visit);

 private:
  PackedWeight PackMatrix(const Checkpoint& checkpoint, const std::string& slot, int64_t out, int64_t in, Ops& ops,
                          WeightQuantizer* quantizer);
  Tensor LoadVector(const Checkpoint& checkpoint, const std::string& slot, int64_t n, DType dtype);
  void LoadWeights(const Checkpoint& checkpoint, Ops& ops, WeightQuantizer& quantizer);
  void DeclareFull(Ops& ops);
  void InitLora();
  void LoadMasters(const Checkpoint& checkpoint);

  DecoderSpec spec_;
  MemoryCounter& memory_;
  Trainable trainable_;
  LoraOptions lora_;
  std::vector<std::string> lora_targets_;
  std::vector<DecoderLayer> layers_;
  PackedWeight embedding_, head_;
  Tensor embedding_master_, embedding_gradient_, head_master_, head_gradient_;
  Norm final_norm_;
  ParameterStore parameters_;
  std::vector<Buffer> buffers_;
  Buffer lora_copies_;
  int64_t parameter_count_ = 0;
  size_t weight_bytes_ = 0;
};

}  // namespace rlvr
