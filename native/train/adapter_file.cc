#include "train/adapter_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "io/atomic_file.h"
#include "io/json_fields.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "quant/codec.h"

namespace rlvr {

namespace {
constexpr const char* kConfig = "/adapter_config.json";
constexpr const char* kWeights = "/adapter_model.safetensors";
constexpr int64_t kMaxRank = 65536;

Json Strings(const std::vector<std::string>& values) {
  std::vector<Json> items;
  for (const std::string& value : values) items.push_back(Json::String(value));
  return Json::Array(std::move(items));
}
}  // namespace

LoraOptions ReadAdapterOptions(const std::string& folder) {
  const std::string file = folder + kConfig, place = "[adapter] " + file;
  const Json json = Json::Parse(ReadTextFile(file), place);
  const JsonFields fields(json, place);
  LoraOptions options;
  const std::string type = fields.String("peft_type", "LORA");
  if (type != "LORA") fields.Problem("peft_type", "\"" + type + "\"; this engine runs LORA adapters");
  options.rank = fields.Int("r", 1, kMaxRank);
  options.alpha = fields.Number("lora_alpha", -1e9, 1e9);
  options.rslora = fields.Bool("use_rslora", false);
  const Json* targets = fields.Find("target_modules");
  if (targets && targets->is_array()) {
    options.targets = fields.Strings("target_modules");
  } else if (!targets || !targets->is_string() || targets->string() != "all-linear") {
    fields.Problem("target_modules", (targets ? Describe(*targets) : "absent") +
                                         std::string("; expected a list of module names or \"all-linear\""));
  }
  if (fields.Bool("use_dora", false)) fields.Problem("use_dora", "true; DoRA is not supported");
  if (const std::string bias = fields.String("bias", "none"); bias != "none") {
    fields.Problem("bias", "\"" + bias + "\"; only \"none\" is supported");
  }
  for (const char* key : {"rank_pattern", "alpha_pattern"}) {
    const Json* pattern = fields.Find(key);
    if (pattern && pattern->is_object() && !pattern->members().empty()) {
      fields.Problem(key, "per-layer values are not supported");
    }
  }
  const Json* saved = fields.Find("modules_to_save");
  if (saved && saved->is_array() && !saved->items().empty()) {
    fields.Problem("modules_to_save", Describe(*saved) + "; fully trained modules are not supported");
  }
  fields.Finish();
  return options;
}

void CheckAdapterWeights(const std::string& folder, const ParameterStore& declared) {
  const std::string file = folder + kWeights;
  const auto source = Safetensors::Open(file);
  for (const std::string& name : source->Names()) {
    if (declared.Find(name)) continue;
    throw Error(ErrorCode::kBadCheckpoint, Concat("[adapter] ", file, ": tensor \"", name,
                                                  "\" belongs to no linear layer "
                                                  "of this model that the adapter's config targets."));
  }
  for (size_t i = 0; i < declared.count(); ++i) {
    const Parameter& p = declared.at(i);
    const SourceTensor* tensor = source->Find(p.name);
    if (!tensor) {
      throw Error(ErrorCode::kBadCheckpoint, Concat("[adapter] ", file, ": tensor \"", p.name, "\" is missing."));
    }
    if (tensor->shape != std::vector<int64_t>{p.rows, p.cols}) {
      throw Error(ErrorCode::kBadCheckpoint,
                  Concat("[adapter] ", file, ": tensor \"", p.name, "\" does not have shape [", p.rows, ", ", p.cols,
                         "]; the adapter was made for another model."));
    }
  }
}

void ReadAdapterWeights(const std::string& folder, const Model& model) {
  const ParameterStore& parameters = model.parameters();
  CheckAdapterWeights(folder, parameters);
  const auto source = Safetensors::Open(folder + kWeights);
  std::vector<float> row;
  for (size_t i = 0; i < parameters.count(); ++i) {
    const Parameter& p = parameters.at(i);
    const SourceTensor& tensor = *source->Find(p.name);
    row.resize(static_cast<size_t>(p.cols));
    for (int64_t r = 0; r < p.rows; ++r) {
      DequantizeRow(tensor.dtype, static_cast<const std::byte*>(tensor.data) + BytesOf(tensor.dtype, r * p.cols),
                    p.cols, row.data());
      Write(model.device(), row, p.value.Rows(r, 1));
    }
  }
}

void WriteAdapter(const std::string& folder, const Model& model, const std::string& base_model) {
  if (model.trainable() != Trainable::kLora) {
    throw Error(ErrorCode::kBadArgument, "[adapter] this model was loaded without an adapter; there is none to save.");
  }
  if (mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) {
    throw Error(ErrorCode::kIo, Concat("[adapter] cannot create ", folder, ": ", std::strerror(errno), "."));
  }
  const LoraOptions& lora = model.lora();
  std::vector<std::vector<float>> values;
  std::vector<SafetensorsEntry> entries;
  for (size_t i = 0; i < model.parameters().count(); ++i) {
    const Parameter& p = model.parameters().at(i);
    values.push_back(ReadF32(model.device(), p.value));
    SafetensorsEntry entry;
    entry.name = p.name;
    entry.shape = {p.rows, p.cols};
    entries.push_back(std::move(entry));
  }
  for (size_t i = 0; i < entries.size(); ++i) entries[i].data = values[i].data();
  WriteSafetensors(folder + kWeights, entries, {{"format", "pt"}});
  const Json config = Json::Object({
      {"alpha_pattern", Json::Object({})},
      {"base_model_name_or_path", Json::String(base_model)},
      {"bias", Json::String("none")},
      {"fan_in_fan_out", Json::Bool(false)},
      {"inference_mode", Json::Bool(true)},
      {"init_lora_weights", Json::Bool(true)},
      {"lora_alpha", lora.alpha == std::floor(lora.alpha) ? Json::Integer(static_cast<int64_t>(lora.alpha))
                                                          : Json::Number(lora.alpha)},
      {"lora_dropout", Json::Number(0)},
      {"modules_to_save", Json()},
      {"peft_type", Json::String("LORA")},
      {"r", Json::Integer(lora.rank)},
      {"rank_pattern", Json::Object({})},
      {"target_modules", Strings(model.lora_targets())},
      {"task_type", Json::String("CAUSAL_LM")},
      {"use_dora", Json::Bool(false)},
      {"use_rslora", Json::Bool(lora.rslora)},
  });
  WriteTextFile(folder + kConfig, config.Dump() + "\n");
}

}  // namespace rlvr
