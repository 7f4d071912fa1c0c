// Files for the reader tests: a temporary folder, and safetensors and GGUF bytes with any mistake one asks for.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace rlvr::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "rlvr-test-XXXXXX").string();
    RLVR_CHECK(mkdtemp(name.data()) != nullptr, "no temporary folder ", name);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path_ + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file.string();
  }
  size_t FileCount() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++count;
    return count;
  }

 private:
  std::string path_;
};

template <typename T>
std::string Raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// 8 bytes of length, the header, the data.
inline std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  return Raw(static_cast<uint64_t>(header.size())) + header + data;
}

// One F32 tensor of zeros in a safetensors file.
inline std::string OneTensor(const std::string& name, int64_t count = 1) {
  const size_t bytes = static_cast<size_t>(count) * 4;
  return SafetensorsBytes("{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string(count) +
                              "],\"data_offsets\":[0," + std::to_string(bytes) + "]}}",
                          std::string(bytes, '\0'));
}

inline std::string GgufString(const std::string& text) { return Raw(static_cast<uint64_t>(text.size())) + text; }

// A GGUF file part by part; the counts follow the parts unless they are set.
struct GgufBytes {
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::optional<uint64_t> tensor_count;
  std::optional<uint64_t> value_count;
  std::vector<std::string> values;
  std::vector<std::string> tensors;
  std::string data;
  size_t alignment = 32;

  static constexpr uint32_t kUint32 = 4, kFloat32 = 6, kBool = 7, kString = 8, kArray = 9, kUint64 = 10;

  GgufBytes& Value(const std::string& key, uint32_t type, const std::string& raw) {
    values.push_back(GgufString(key) + Raw(type) + raw);
    return *this;
  }
  GgufBytes& Uint32(const std::string& key, uint32_t value) { return Value(key, kUint32, Raw(value)); }
  GgufBytes& Float32(const std::string& key, float value) { return Value(key, kFloat32, Raw(value)); }
  GgufBytes& String(const std::string& key, const std::string& value) { return Value(key, kString, GgufString(value)); }

  // dims innermost first, as in the file.
  GgufBytes& Tensor(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    std::string raw = GgufString(name) + Raw(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) raw += Raw(dim);
    tensors.push_back(raw + Raw(type) + Raw(offset));
    return *this;
  }

  // A well-placed tensor with its data.
  GgufBytes& TensorWithData(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                            const std::string& bytes) {
    data.resize((data.size() + alignment - 1) / alignment * alignment, '\0');
    Tensor(name, dims, type, data.size());
    data += bytes;
    return *this;
  }

  std::string Build() const {
    std::string out =
        magic + Raw(version) + Raw(tensor_count.value_or(tensors.size())) + Raw(value_count.value_or(values.size()));
    for (const std::string& value : values) out += value;
    for (const std::string& tensor : tensors) out += tensor;
    if (!data.empty()) out.resize((out.size() + alignment - 1) / alignment * alignment, '\0');
    return out + data;
  }
};

}  // namespace rlvr::test
