// Safetensors files: https://github.com/huggingface/safetensors (format section of its README).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/tensor_source.h"

namespace rlvr {

struct SafetensorsHeader {
  std::vector<SourceTensor> tensors;         // in file order; data points into the bytes that were parsed
  std::vector<std::string> unreadable_type;  // per tensor: "" or the name of a valid type that DType lacks, as "I64"
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Checks everything the format promises: header length, JSON, types, shapes, sizes, offsets that cover the data
// exactly. Throws RLVR_BAD_CHECKPOINT naming `file` and the tensor.
SafetensorsHeader ParseSafetensors(const std::byte* data, size_t size, const std::string& file);

class Safetensors : public TensorSource {
 public:
  // A .safetensors file, or a folder with model.safetensors or with model.safetensors.index.json and its shards.
  static std::unique_ptr<Safetensors> Open(const std::string& path);
  // The "__metadata__" of the (first) file.
  virtual const std::vector<std::pair<std::string, std::string>>& metadata() const = 0;
};

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;  // plain types only
  std::vector<int64_t> shape;
  const void* data = nullptr;
  // Instead of data, for tensors that are converted while they are written: calls write(bytes, count) until the
  // tensor's bytes are complete.
  std::function<void(const std::function<void(const void*, size_t)>& write)> produce;
};

// Writes through AtomicFile. Tensors are laid out by element size, then name, so each is aligned.
void WriteSafetensors(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                      const std::vector<std::pair<std::string, std::string>>& metadata = {});

}  // namespace rlvr
