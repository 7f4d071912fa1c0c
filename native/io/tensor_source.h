// A checkpoint on disk, whatever its format: named matrices in place, and the model's metadata.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace rlvr {

// A tensor inside a mapped file; valid as long as its source lives. Shape as [out, in] (vectors: [1, n]).
struct SourceTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost first, as in safetensors
  const void* data = nullptr;
  size_t bytes = 0;
};

class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // The file or folder, for messages.
  virtual const std::string& path() const = 0;
  // Null when absent.
  virtual const SourceTensor* Find(const std::string& name) const = 0;
  virtual std::vector<std::string> Names() const = 0;
};

}  // namespace rlvr
