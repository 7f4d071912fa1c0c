// A model on disk, understood: its spec, and each decoder slot's tensor, whatever the file format.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/tensor_source.h"
#include "model/decoder_spec.h"

namespace rlvr {

// Slots have Hugging Face names of the text model, with the file's prefix taken off: "model.embed_tokens.weight",
// "model.layers.3.self_attn.q_proj.weight", "model.norm.weight", "lm_head.weight". GGUF names are translated.
class Checkpoint {
 public:
  // A folder with config.json and safetensors, or a .gguf file.
  static std::unique_ptr<Checkpoint> Open(const std::string& path);

  const DecoderSpec& spec() const { return spec_; }
  const std::string& path() const { return source_->path(); }
  // The file behind it; a Gguf (io/gguf.h) when is_gguf().
  const TensorSource& source() const { return *source_; }
  bool is_gguf() const { return is_gguf_; }

  bool Has(const std::string& slot) const;
  // A weight matrix [out, in] in place; another shape or a missing tensor is RLVR_BAD_CHECKPOINT. Valid as long as the
  // checkpoint lives. row_order is set where the file's rows are not in NeoX rope order (GGUF llama q and k).
  WeightSource Matrix(const std::string& slot, int64_t out, int64_t in) const;
  // A norm weight or a bias of n elements as F32.
  std::vector<float> Vector(const std::string& slot, int64_t n) const;
  // After a matrix was packed: lets its file pages leave memory. Its data must not be read through this source again;
  // Matrix() gives it anew.
  void Forget(const WeightSource& weight) const;

 private:
  Checkpoint() = default;
  void OpenFolder(const std::string& path);
  void OpenGguf(const std::string& path);
  const SourceTensor& Require(const std::string& slot, const std::vector<int64_t>& shape) const;
  // The order that undoes the interleaved rope layout, or null when the slot's rows are in NeoX order already.
  const int32_t* RowOrder(const std::string& slot) const;
  std::string FileName(const std::string& slot) const;

  std::unique_ptr<TensorSource> source_;
  bool is_gguf_ = false;
  std::string prefix_ = "model.";  // what stands for "model." in a safetensors file
  std::string head_ = "lm_head.weight";
  DecoderSpec spec_;
  std::vector<int32_t> q_order_, k_order_;
  mutable std::unordered_map<std::string, std::vector<std::byte>> aligned_;  // copies of tensors at odd addresses
};

}  // namespace rlvr
