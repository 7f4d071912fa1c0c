#include "io/gguf_parser.h"

#include <cstdint>

#include "core/error.h"
#include "io/json.h"

namespace rlvr {

namespace {

constexpr size_t kMaxNameBytes = 65535;     // of a key, by the specification
constexpr size_t kMaxTensorNameBytes = 64;  // GGML_MAX_NAME
constexpr size_t kMaxAlignment = size_t{1} << 20;
constexpr int kMaxDims = 4;
// Far above any published file; they bound what a hostile header can make us allocate.
constexpr uint64_t kMaxTensors = 100000;
constexpr uint64_t kMaxValues = 65536;

// Every ggml type that exists, with its block; the sizes of those that cannot be read here are needed to check offsets.
struct GgmlType {
  uint32_t id;
  const char* name;
  int64_t block;
  size_t block_bytes;
  bool readable;
  DType dtype;
};

const GgmlType* FindGgmlType(uint32_t id) {
  constexpr DType none = DType::kF32;
  static const GgmlType kTypes[] = {
      {0, "F32", 1, 4, true, DType::kF32},
      {1, "F16", 1, 2, true, DType::kF16},
      {2, "Q4_0", 32, 18, true, DType::kQ4_0},
      {3, "Q4_1", 32, 20, true, DType::kQ4_1},
      {6, "Q5_0", 32, 22, true, DType::kQ5_0},
      {7, "Q5_1", 32, 24, true, DType::kQ5_1},
      {8, "Q8_0", 32, 34, true, DType::kQ8_0},
      {9, "Q8_1", 32, 36, false, none},
      {10, "Q2_K", 256, 84, false, none},
      {11, "Q3_K", 256, 110, false, none},
      {12, "Q4_K", 256, 144, true, DType::kQ4_K},
      {13, "Q5_K", 256, 176, true, DType::kQ5_K},
      {14, "Q6_K", 256, 210, true, DType::kQ6_K},
      {15, "Q8_K", 256, 292, false, none},
      {16, "IQ2_XXS", 256, 66, false, none},
      {17, "IQ2_XS", 256, 74, false, none},
      {18, "IQ3_XXS", 256, 98, false, none},
      {19, "IQ1_S", 256, 50, false, none},
      {20, "IQ4_NL", 32, 18, false, none},
      {21, "IQ3_S", 256, 110, false, none},
      {22, "IQ2_S", 256, 82, false, none},
      {23, "IQ4_XS", 256, 136, false, none},
      {24, "I8", 1, 1, false, none},
      {25, "I16", 1, 2, false, none},
      {26, "I32", 1, 4, true, DType::kI32},
      {27, "I64", 1, 8, false, none},
      {28, "F64", 1, 8, true, DType::kF64},
      {29, "IQ1_M", 256, 56, false, none},
      {30, "BF16", 1, 2, true, DType::kBF16},
      {34, "TQ1_0", 256, 54, false, none},
      {35, "TQ2_0", 256, 66, false, none},
      {39, "MXFP4", 32, 17, false, none},
      {40, "NVFP4", 64, 36, false, none},
      {41, "Q1_0", 128, 18, false, none},
  };
  for (const GgmlType& type : kTypes) {
    if (type.id == id) return &type;
  }
  return nullptr;
}

size_t ElementBytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool: return 1;
    case GgufType::kUint16:
    case GgufType::kInt16: return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32: return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64:
    case GgufType::kString: return 8;
    case GgufType::kArray: return 12;
  }
  return 0;
}

size_t RoundUp(size_t value, size_t step) { return (value + step - 1) / step * step; }

}  // namespace

const char* GgmlTypeName(uint32_t id) {
  const GgmlType* type = FindGgmlType(id);
  return type == nullptr ? "?" : type->name;
}

void GgufParser::Bad(const std::string& what) const {
  throw Error(ErrorCode::kBadCheckpoint, Concat("[gguf] ", gguf_.path_, " at byte ", at_, ": ", what,
                                                ". The file is damaged or incomplete; download or convert it again."));
}

template <typename T>
T GgufParser::Read(const char* what) {
  if (Left() < sizeof(T)) Bad(Concat("the file ends inside ", what));
  T value;
  std::memcpy(&value, data_ + at_, sizeof value);
  at_ += sizeof value;
  return value;
}

std::string_view GgufParser::ReadString(const std::string& what, size_t max_bytes) {
  const auto length = Read<uint64_t>("a string length");
  if (length > Left()) Bad(Concat(what, " claims ", length, " bytes, but only ", Left(), " follow"));
  if (length > max_bytes) Bad(Concat(what, " has ", length, " bytes; at most ", max_bytes, " are allowed"));
  const std::string_view text(reinterpret_cast<const char*>(data_ + at_), length);
  at_ += length;
  return text;
}

// A count of things that take at least `least_bytes` each.
uint64_t GgufParser::ReadCount(const char* what, size_t least_bytes) {
  const auto count = Read<uint64_t>(what);
  if (count > size_ / least_bytes) Bad(Concat(what, " is ", count, ", more than a file of ", size_, " bytes can hold"));
  return count;
}

void GgufParser::ReadHeader() {
  if (size_ < 4 || std::memcmp(data_, "GGUF", 4) != 0) {
    at_ = 0;
    Bad("the file does not begin with \"GGUF\"");
  }
  at_ = 4;
  const auto version = Read<uint32_t>("the version");
  if (version != 0 && (version & 0xFFFF) == 0) {
    throw Error(ErrorCode::kUnsupported, Concat("[gguf] ", gguf_.path_,
                                                " is a big-endian file; little-endian files can be "
                                                "read. Convert it again on or for a little-endian machine."));
  }
  if (version == 1) {
    throw Error(ErrorCode::kUnsupported, Concat("[gguf] ", gguf_.path_,
                                                " has GGUF version 1; versions 2 and 3 can be read. "
                                                "Convert the model again with a current converter."));
  }
  if (version != 2 && version != 3) Bad(Concat("the version is ", version, "; 2 or 3 was expected"));
  gguf_.version_ = version;
  tensor_count_ = ReadCount("the number of tensors", 8 + 4 + 4 + 8);
  value_count_ = ReadCount("the number of metadata values", 8 + 4 + 1);
  if (tensor_count_ > kMaxTensors || value_count_ > kMaxValues) {
    Bad(Concat("it claims ", tensor_count_, " tensors and ", value_count_, " metadata values; at most ", kMaxTensors,
               " and ", kMaxValues, " are allowed"));
  }
}

void GgufParser::SkipElements(GgufValue& value) {
  const size_t bytes = ElementBytes(value.type_);
  const auto count = static_cast<uint64_t>(value.count_);
  if (count > Left() / bytes) {
    Bad(Concat("metadata \"", Excerpt(value.key_), "\" claims ", count, " elements, but only ", Left(),
               " bytes follow"));
  }
  value.data_ = data_ + at_;
  if (value.type_ == GgufType::kString) {
    const std::string what = Concat("a string of metadata \"", Excerpt(value.key_), "\"");
    for (uint64_t i = 0; i < count; ++i) ReadString(what, size_);
    return;
  }
  if (value.type_ == GgufType::kBool) {
    for (uint64_t i = 0; i < count; ++i) {
      if (std::to_integer<int>(data_[at_ + i]) > 1)
        Bad(Concat("metadata \"", Excerpt(value.key_), "\" has a bool that is not 0 or 1"));
    }
  }
  at_ += count * bytes;
}

void GgufParser::ReadValue(const std::string& key) {
  GgufValue value;
  value.file_ = &gguf_.path_;
  value.key_ = key;
  auto type = Read<uint32_t>("a metadata type");
  if (type == static_cast<uint32_t>(GgufType::kArray)) {
    value.is_array_ = true;
    type = Read<uint32_t>("an array type");
    if (type == static_cast<uint32_t>(GgufType::kArray))
      Bad(Concat("metadata \"", Excerpt(key), "\" is an array of arrays"));
  }
  if (type > static_cast<uint32_t>(GgufType::kFloat64)) {
    Bad(Concat("metadata \"", Excerpt(key), "\" has type ", type, "; 0 to 12 were expected"));
  }
  value.type_ = static_cast<GgufType>(type);
  if (value.is_array_) value.count_ = static_cast<int64_t>(ReadCount("an array length", ElementBytes(value.type_)));
  SkipElements(value);
  gguf_.keys_.push_back(key);
  gguf_.metadata_.emplace(key, std::move(value));
}

void GgufParser::ReadAlignment() {
  const GgufValue* value = gguf_.Metadata("general.alignment");
  if (value == nullptr) return;
  if (value->is_array() || value->type() != GgufType::kUint32)
    Bad("general.alignment is not an unsigned 32-bit number");
  const int64_t alignment = value->Int();
  if (alignment < 1 || alignment > static_cast<int64_t>(kMaxAlignment) || (alignment & (alignment - 1)) != 0) {
    Bad(Concat("general.alignment is ", alignment, "; a power of two from 1 to ", kMaxAlignment, " was expected"));
  }
  gguf_.alignment_ = static_cast<size_t>(alignment);
}

void GgufParser::ReadTensor(uint64_t number) {
  SourceTensor tensor;
  const std::string_view name = ReadString(Concat("the name of tensor ", number), kMaxTensorNameBytes);
  if (name.empty() || !IsUtf8(name)) Bad(Concat("the name of tensor ", number, " is empty or not UTF-8"));
  tensor.name = name;
  if (gguf_.index_.contains(tensor.name)) Bad(Concat("tensor \"", name, "\" stands twice"));
  const auto dims = Read<uint32_t>("a number of dimensions");
  if (dims < 1 || dims > kMaxDims) {
    Bad(Concat("tensor \"", name, "\" has ", dims, " dimensions; 1 to ", kMaxDims, " were expected"));
  }
  int64_t count = 1;
  tensor.shape.resize(dims);
  for (uint32_t i = 0; i < dims; ++i) {  // innermost first in the file
    const auto dim = Read<uint64_t>("a dimension");
    if (dim == 0 || dim > INT64_MAX || __builtin_mul_overflow(count, static_cast<int64_t>(dim), &count)) {
      Bad(Concat("tensor \"", name, "\" has a dimension of ", dim, ", which is 0 or makes its size overflow 64 bits"));
    }
    tensor.shape[dims - 1 - i] = static_cast<int64_t>(dim);
  }
  const auto type_id = Read<uint32_t>("a tensor type");
  const GgmlType* type = FindGgmlType(type_id);
  if (type == nullptr) Bad(Concat("tensor \"", name, "\" has type ", type_id, ", which no ggml version defines"));
  const int64_t row = tensor.shape[dims - 1];
  if (row % type->block != 0) {
    Bad(Concat("tensor \"", name, "\" has rows of ", row, " elements; ", type->name, " needs a multiple of ",
               type->block));
  }
  if (__builtin_mul_overflow(static_cast<size_t>(count / type->block), type->block_bytes, &tensor.bytes)) {
    Bad(Concat("tensor \"", name, "\" has a size that overflows 64 bits"));
  }
  tensor.dtype = type->dtype;
  offsets_.push_back(Read<uint64_t>("a tensor offset"));
  gguf_.index_.emplace(tensor.name, gguf_.tensors_.size());
  gguf_.unreadable_type_.push_back(type->readable ? Gguf::kReadable : type_id);
  gguf_.tensors_.push_back(std::move(tensor));
}

// Tensor data follows the header, each tensor at the next multiple of the alignment, and fills the rest of the file.
void GgufParser::PlaceTensors() {
  const size_t alignment = gguf_.alignment_;
  const size_t start = RoundUp(at_, alignment);
  uint64_t expected = 0;
  size_t end = at_;
  for (size_t i = 0; i < gguf_.tensors_.size(); ++i) {
    SourceTensor& tensor = gguf_.tensors_[i];
    if (offsets_[i] != expected) {
      Bad(Concat("tensor \"", tensor.name, "\" has data offset ", offsets_[i], "; ", expected, " was expected"));
    }
    if (start > size_ || expected > size_ - start || tensor.bytes > size_ - start - expected) {
      Bad(Concat("tensor \"", tensor.name, "\" needs ", tensor.bytes, " bytes of data at byte ", start + expected,
                 ", but the file has ", size_, " bytes"));
    }
    tensor.data = data_ + start + expected;
    end = start + expected + tensor.bytes;
    expected = RoundUp(expected + tensor.bytes, alignment);
  }
  const size_t most = RoundUp(end, alignment);
  if (size_ > most) Bad(Concat(size_ - most, " bytes follow the last tensor, at byte ", most));
}

void GgufParser::Run() {
  ReadHeader();
  for (uint64_t i = 0; i < value_count_; ++i) {
    const std::string_view key = ReadString(Concat("the key of metadata value ", i), kMaxNameBytes);
    if (key.empty() || !IsUtf8(key)) Bad(Concat("the key of metadata value ", i, " is empty or not UTF-8"));
    if (gguf_.metadata_.contains(std::string(key))) Bad(Concat("metadata \"", Excerpt(key), "\" stands twice"));
    ReadValue(std::string(key));
  }
  ReadAlignment();
  for (uint64_t i = 0; i < tensor_count_; ++i) ReadTensor(i);
  PlaceTensors();
}

}  // namespace rlvr
