#include "model/checkpoint.h"

#include <algorithm>
#include <cmath>

#include "io/gguf.h"
#include "io/json_fields.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "model/arch/arch.h"
#include "model/arch/common.h"
#include "quant/codec.h"

namespace rlvr {

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The widest element of a block, as fast kernels load it.
size_t NaturalAlignment(DType dtype) { return Info(dtype).block == 1 ? Info(dtype).block_bytes : sizeof(uint16_t); }

// GGUF metadata as the JSON object that the family readers take: `prefix` comes off the keys; vocabulary-sized arrays,
// which they do not read, stay out.
Json MetadataObject(const Gguf& gguf, const std::string& prefix) {
  constexpr int64_t kLongest = 4096;
  std::vector<Json::Member> members;
  for (const std::string& key : gguf.MetadataKeys()) {
    const GgufValue& value = *gguf.Metadata(key);
    if (value.is_array() && (value.count() > kLongest || !value.is_number())) continue;
    const bool own = key.compare(0, prefix.size(), prefix) == 0;
    Json json;
    if (value.is_array()) {
      std::vector<Json> items;
      for (const double item : value.Numbers())
        items.push_back(value.is_integer() ? Json::Integer(static_cast<int64_t>(item)) : Json::Number(item));
      json = Json::Array(std::move(items));
    } else if (value.type() == GgufType::kString) {
      json = Json::String(value.String());
    } else if (value.type() == GgufType::kBool) {
      json = Json::Bool(value.Bool());
    } else {
      json = value.is_integer() ? Json::Integer(value.Int()) : Json::Number(value.Number());
    }
    members.emplace_back(own ? key.substr(prefix.size()) : key, std::move(json));
  }
  return Json::Object(std::move(members));
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t dim : shape) text += Concat(text.size() > 1 ? ", " : "", dim);
  return text + "]";
}

// Row r of NeoX order comes from this row of the converter's interleaved order: in each head, pair (i, i + half)
// became (2 i, 2 i + 1).
std::vector<int32_t> UninterleaveOrder(int64_t heads, int64_t head_dim) {
  std::vector<int32_t> order;
  for (int64_t h = 0; h < heads; ++h) {
    for (int64_t r = 0; r < head_dim; ++r) {
      const int64_t half = head_dim / 2;
      order.push_back(static_cast<int32_t>(h * head_dim + 2 * (r % half) + r / half));
    }
  }
  return order;
}

}  // namespace

std::unique_ptr<Checkpoint> Checkpoint::Open(const std::string& path) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  if (IsFolder(path)) {
    checkpoint->OpenFolder(path);
  } else if (EndsWith(path, ".gguf")) {
    checkpoint->OpenGguf(path);
  } else if (EndsWith(path, ".safetensors")) {
    throw Error(ErrorCode::kBadArgument, Concat("[model] ", path,
                                                " is a single weight file; a model is the folder that holds it "
                                                "and config.json, or one .gguf file. Give the folder."));
  } else {
    Safetensors::Open(path);  // refuses pickle files with a hint, and says why when the file cannot be opened
    throw Error(ErrorCode::kBadArgument, Concat("[model] ", path,
                                                " is neither a folder with config.json and safetensors nor a "
                                                ".gguf file. Give one of these."));
  }
  return checkpoint;
}

void Checkpoint::OpenFolder(const std::string& path) {
  const std::string file = path + "/config.json";
  const std::string place = "[config] " + file;
  if (!IsRegularFile(file)) {
    throw Error(ErrorCode::kBadCheckpoint, Concat("[model] ", path,
                                                  " has no config.json. Give the folder of a Hugging Face "
                                                  "model, or a .gguf file."));
  }
  const Json json = Json::Parse(ReadTextFile(file, kMaxConfigBytes), place);
  const JsonFields config(json, place);
  const std::string type = config.String("model_type");
  config.Finish();
  spec_ = ArchitectureOfModelType(type, place).from_config(config);
  config.Finish();

  const std::string generation = path + "/generation_config.json";
  if (IsRegularFile(generation)) {
    const std::string generation_place = "[config] " + generation;
    const Json generation_json = Json::Parse(ReadTextFile(generation, kMaxConfigBytes), generation_place);
    const JsonFields fields(generation_json, generation_place);
    AddEos(fields.IntOrInts("eos_token_id", -1, INT32_MAX), spec_);
    fields.Finish();
  }

  source_ = Safetensors::Open(path);
  // Text models, multimodal ones as published and as saved by newer versions, and bare decoders.
  const std::vector<std::string> prefixes = {"model.", "language_model.model.", "model.language_model.", ""};
  const auto found = std::find_if(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    return source_->Find(prefix + "embed_tokens.weight") != nullptr;
  });
  if (found == prefixes.end()) {
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[model] ", path,
                       " has no tensor \"model.embed_tokens.weight\", also not under "
                       "\"language_model.model.\" or \"model.language_model.\". Check that the weights "
                       "belong to this config.json."));
  }
  prefix_ = *found;
  head_ =
      source_->Find("language_model.lm_head.weight") != nullptr ? "language_model.lm_head.weight" : "lm_head.weight";
}

void Checkpoint::OpenGguf(const std::string& path) {
  std::unique_ptr<Gguf> gguf = Gguf::Open(path);
  const std::string place = "[gguf] " + path;
  const GgufValue* name = gguf->Metadata("general.architecture");
  if (name == nullptr) {
    throw Error(ErrorCode::kBadCheckpoint,
                Concat(place, ": metadata \"general.architecture\" is missing. Convert the model again."));
  }
  const GgufValue* parts = gguf->Metadata("split.count");
  if (parts != nullptr && parts->Int() > 1) {
    throw Error(ErrorCode::kUnsupported, Concat(place, " is one of ", parts->Int(),
                                                " parts of a model; one whole file is read. "
                                                "Merge the parts with llama-gguf-split --merge."));
  }
  const Architecture& architecture = ArchitectureOfGguf(name->String(), place);
  const Json json = MetadataObject(*gguf, architecture.gguf_name + ".");
  const JsonFields meta(json, place);
  spec_ = architecture.from_gguf(meta, *gguf);
  meta.Finish();
  is_gguf_ = true;
  if (architecture.interleaved_rope_in_gguf) {
    q_order_ = UninterleaveOrder(spec_.heads, spec_.head_dim);
    k_order_ = UninterleaveOrder(spec_.kv_heads, spec_.head_dim);
  }
  source_ = std::move(gguf);
}

std::string Checkpoint::FileName(const std::string& slot) const {
  if (is_gguf_) return GgufName(slot, spec_);
  if (slot == "lm_head.weight") return head_;
  const std::string model = "model.";
  return slot.compare(0, model.size(), model) == 0 ? prefix_ + slot.substr(model.size()) : slot;
}

bool Checkpoint::Has(const std::string& slot) const { return source_->Find(FileName(slot)) != nullptr; }

const SourceTensor& Checkpoint::Require(const std::string& slot, const std::vector<int64_t>& shape) const {
  const std::string name = FileName(slot);
  const SourceTensor* tensor = source_->Find(name);
  if (tensor == nullptr) {
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[model] ", path(), ": tensor \"", name.empty() ? slot : name, "\" is missing; a ", spec_.family,
                       " model of ", spec_.layers, " layers needs it. Check that the download is complete."));
  }
  if (tensor->shape != shape) {
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[model] ", path(), ": tensor \"", name, "\" has shape ", ShapeText(tensor->shape),
                       "; the config needs ", ShapeText(shape), ". Check that the weights belong to this config."));
  }
  if (tensor->dtype == DType::kI32) {
    throw Error(ErrorCode::kBadCheckpoint, Concat("[model] ", path(), ": tensor \"", name,
                                                  "\" holds integers (I32); weights were "
                                                  "expected. Save the checkpoint as BF16 or F32."));
  }
  return *tensor;
}

const int32_t* Checkpoint::RowOrder(const std::string& slot) const {
  if (EndsWith(slot, ".self_attn.q_proj.weight") && !q_order_.empty()) return q_order_.data();
  if (EndsWith(slot, ".self_attn.k_proj.weight") && !k_order_.empty()) return k_order_.data();
  return nullptr;
}

WeightSource Checkpoint::Matrix(const std::string& slot, int64_t out, int64_t in) const {
  const SourceTensor& tensor = Require(slot, {out, in});
  const void* data = tensor.data;
  if (reinterpret_cast<uintptr_t>(data) % NaturalAlignment(tensor.dtype) != 0) {
    // Legal in both formats, though no common writer does it; kernels need aligned elements.
    std::vector<std::byte>& copy = aligned_[slot];
    const auto* from = static_cast<const std::byte*>(data);
    if (copy.empty()) copy.assign(from, from + tensor.bytes);
    data = copy.data();
  }
  return {tensor.dtype, out, in, data, RowOrder(slot)};
}

std::vector<float> Checkpoint::Vector(const std::string& slot, int64_t n) const {
  const SourceTensor& tensor = Require(slot, {n});
  std::vector<float> values(static_cast<size_t>(n));
  DequantizeRow(tensor.dtype, tensor.data, n, values.data());
  return values;
}

void Checkpoint::Forget(const WeightSource& weight) const {
  const auto copy = std::find_if(aligned_.begin(), aligned_.end(),
                                 [&](const auto& entry) { return entry.second.data() == weight.data; });
  if (copy != aligned_.end()) {  // memory of our own, not a mapped file
    aligned_.erase(copy);
    return;
  }
  DropPages(weight.data, MatrixBytes(weight.dtype, weight.out, weight.in));
}

}  // namespace rlvr
