#include "io/gguf.h"

#include <cstring>

#include "core/error.h"
#include "io/gguf_parser.h"
#include "io/mapped_file.h"

namespace rlvr {

namespace {

template <typename T>
T Load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

const char* TypeName(GgufType type) {
  static const char* const kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                       "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<uint32_t>(type)];
}

}  // namespace

bool GgufValue::is_integer() const { return is_number() && type_ != GgufType::kFloat32 && type_ != GgufType::kFloat64; }

bool GgufValue::is_number() const { return type_ != GgufType::kString && type_ != GgufType::kBool; }

void GgufValue::Mismatch(const char* wanted) const {
  throw Error(ErrorCode::kBadCheckpoint,
              Concat("[gguf] ", *file_, ": metadata \"", key_, "\" is ", is_array_ ? "an array of " : "of type ",
                     TypeName(type_), "; ", wanted, " was expected. Convert the model again."));
}

int64_t GgufValue::IntAt(int64_t index) const {
  switch (type_) {
    case GgufType::kUint8: return Load<uint8_t>(data_ + index);
    case GgufType::kInt8: return Load<int8_t>(data_ + index);
    case GgufType::kUint16: return Load<uint16_t>(data_ + 2 * index);
    case GgufType::kInt16: return Load<int16_t>(data_ + 2 * index);
    case GgufType::kUint32: return Load<uint32_t>(data_ + 4 * index);
    case GgufType::kInt32: return Load<int32_t>(data_ + 4 * index);
    case GgufType::kInt64: return Load<int64_t>(data_ + 8 * index);
    case GgufType::kUint64: {
      const auto value = Load<uint64_t>(data_ + 8 * index);
      if (value > INT64_MAX) Mismatch("a number below 2^63");
      return static_cast<int64_t>(value);
    }
    default: Mismatch("a whole number");
  }
}

double GgufValue::NumberAt(int64_t index) const {
  if (type_ == GgufType::kFloat32) return Load<float>(data_ + 4 * index);
  if (type_ == GgufType::kFloat64) return Load<double>(data_ + 8 * index);
  return static_cast<double>(IntAt(index));
}

int64_t GgufValue::Int() const {
  if (is_array_ || !is_integer()) Mismatch("a whole number");
  return IntAt(0);
}

double GgufValue::Number() const {
  if (is_array_ || !is_number()) Mismatch("a number");
  return NumberAt(0);
}

bool GgufValue::Bool() const {
  if (is_array_ || type_ != GgufType::kBool) Mismatch("a bool");
  return Load<uint8_t>(data_) != 0;
}

std::string GgufValue::String() const {
  if (is_array_ || type_ != GgufType::kString) Mismatch("a string");
  return std::string(reinterpret_cast<const char*>(data_ + 8), Load<uint64_t>(data_));
}

std::vector<int64_t> GgufValue::Ints() const {
  if (!is_array_ || !is_integer()) Mismatch("an array of whole numbers");
  std::vector<int64_t> values(static_cast<size_t>(count_));
  for (int64_t i = 0; i < count_; ++i) values[static_cast<size_t>(i)] = IntAt(i);
  return values;
}

std::vector<double> GgufValue::Numbers() const {
  if (!is_array_ || !is_number()) Mismatch("an array of numbers");
  std::vector<double> values(static_cast<size_t>(count_));
  for (int64_t i = 0; i < count_; ++i) values[static_cast<size_t>(i)] = NumberAt(i);
  return values;
}

std::vector<std::string_view> GgufValue::Strings() const {
  if (!is_array_ || type_ != GgufType::kString) Mismatch("an array of strings");
  std::vector<std::string_view> values;
  values.reserve(static_cast<size_t>(count_));
  const std::byte* at = data_;
  for (int64_t i = 0; i < count_; ++i) {  // lengths were checked when the file was opened
    const auto length = Load<uint64_t>(at);
    values.emplace_back(reinterpret_cast<const char*>(at + 8), length);
    at += 8 + length;
  }
  return values;
}

Gguf::Gguf() = default;
Gguf::~Gguf() = default;

std::unique_ptr<Gguf> Gguf::Parse(const std::byte* data, size_t size, const std::string& file) {
  std::unique_ptr<Gguf> gguf(new Gguf());
  gguf->path_ = file;
  GgufParser(data, size, *gguf).Run();
  return gguf;
}

std::unique_ptr<Gguf> Gguf::Open(const std::string& path) {
  auto file = std::make_unique<MappedFile>(path);
  std::unique_ptr<Gguf> gguf = Parse(file->data(), file->size(), path);
  gguf->file_ = std::move(file);
  return gguf;
}

const SourceTensor* Gguf::Find(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) return nullptr;
  const uint32_t type = unreadable_type_[found->second];
  if (type != kReadable) {
    throw Error(
        ErrorCode::kUnsupported,
        Concat("[gguf] ", path_, ": tensor \"", name, "\" has type ", GgmlTypeName(type), " (", type,
               "); readable types: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K. Convert the file "
               "to one of these, or load the safetensors checkpoint."));
  }
  return &tensors_[found->second];
}

std::vector<std::string> Gguf::Names() const {
  std::vector<std::string> names;
  for (const SourceTensor& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

const GgufValue* Gguf::Metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

}  // namespace rlvr
