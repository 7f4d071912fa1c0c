// GGUF files, versions 2 and 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "io/tensor_source.h"

namespace rlvr {

enum class GgufType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

class MappedFile;

// The name of a ggml tensor type id, such as "Q3_K"; "?" when there is none.
const char* GgmlTypeName(uint32_t id);

// One metadata value, in place in the file. The typed getters throw RLVR_BAD_CHECKPOINT naming file and key when the
// type is another one; integers are widened, and a float getter takes integers too.
class GgufValue {
 public:
  GgufType type() const { return type_; }  // of the value, or of an array's elements
  bool is_array() const { return is_array_; }
  int64_t count() const { return count_; }  // 1, or the array's length
  bool is_integer() const;
  bool is_number() const;

  int64_t Int() const;
  double Number() const;
  bool Bool() const;
  std::string String() const;
  std::vector<int64_t> Ints() const;
  std::vector<double> Numbers() const;
  std::vector<std::string_view> Strings() const;

 private:
  friend class GgufParser;
  [[noreturn]] void Mismatch(const char* wanted) const;
  int64_t IntAt(int64_t index) const;
  double NumberAt(int64_t index) const;

  const std::string* file_ = nullptr;
  std::string key_;
  GgufType type_ = GgufType::kUint8;
  bool is_array_ = false;
  int64_t count_ = 1;
  const std::byte* data_ = nullptr;  // of the elements; strings are u64 length + bytes
};

class Gguf : public TensorSource {
 public:
  static std::unique_ptr<Gguf> Open(const std::string& path);
  // Over bytes that the caller keeps alive.
  static std::unique_ptr<Gguf> Parse(const std::byte* data, size_t size, const std::string& file);
  ~Gguf() override;

  const std::string& path() const override { return path_; }
  // Shapes outermost first: the file's order reversed. Throws RLVR_UNSUPPORTED_OP for a type that cannot be read.
  const SourceTensor* Find(const std::string& name) const override;
  std::vector<std::string> Names() const override;

  uint32_t version() const { return version_; }
  size_t alignment() const { return alignment_; }
  // Metadata in file order. Null when absent.
  const GgufValue* Metadata(const std::string& key) const;
  const std::vector<std::string>& MetadataKeys() const { return keys_; }

 private:
  friend class GgufParser;
  static constexpr uint32_t kReadable = ~uint32_t{0};
  Gguf();

  std::string path_;
  std::unique_ptr<MappedFile> file_;
  uint32_t version_ = 0;
  size_t alignment_ = 32;
  std::vector<std::string> keys_;
  std::unordered_map<std::string, GgufValue> metadata_;
  std::vector<SourceTensor> tensors_;
  std::vector<uint32_t> unreadable_type_;  // per tensor: a ggml type id that DType lacks, or kReadable
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace rlvr
