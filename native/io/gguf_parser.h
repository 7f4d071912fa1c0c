// Reads a GGUF file's bytes front to back; every length is checked against what is left before it is used.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "io/gguf.h"

namespace rlvr {

class GgufParser {
 public:
  GgufParser(const std::byte* data, size_t size, Gguf& gguf) : data_(data), size_(size), gguf_(gguf) {}
  void Run();

 private:
  [[noreturn]] void Bad(const std::string& what) const;
  size_t Left() const { return size_ - at_; }
  template <typename T>
  T Read(const char* what);
  std::string_view ReadString(const std::string& what, size_t max_bytes);
  uint64_t ReadCount(const char* what, size_t least_bytes);
  void ReadHeader();
  void ReadValue(const std::string& key);
  void SkipElements(GgufValue& value);
  void ReadAlignment();
  void ReadTensor(uint64_t number);
  void PlaceTensors();

  const std::byte* data_;
  size_t size_;
  Gguf& gguf_;
  size_t at_ = 0;
  uint64_t tensor_count_ = 0;
  uint64_t value_count_ = 0;
  std::vector<uint64_t> offsets_;  // per tensor, from the start of the data part
};

}  // namespace rlvr
