// What training changes: named matrices in one flat buffer, beside their gradients and AdamW moments.
#pragma once

#include <string>
#include <vector>

#include "core/buffer.h"
#include "ops/ops.h"

namespace rlvr {

struct Parameter {
  std::string name;  // as in the file it is saved to (PEFT or Hugging Face)
  int64_t rows = 0;
  int64_t cols = 0;
  bool decays = true;            // false for norms and biases: no weight decay, as in the usual trainers
  Tensor value, gradient, m, v;  // [rows, cols], parameter type
};

class ParameterStore {
 public:
  // Two phases, so that views stay valid: Declare() everything, then Allocate() once.
  size_t Declare(std::string name, int64_t rows, int64_t cols, bool decays);
  void Allocate(MemoryCounter& memory, DType dtype);

  bool empty() const { return parameters_.empty(); }
  size_t count() const { return parameters_.size(); }
  const Parameter& at(size_t index) const { return parameters_[index]; }
  const Parameter* Find(const std::string& name) const;
  int64_t elements() const { return elements_; }
  size_t bytes() const { return buffer_.bytes(); }
  Tensor all_gradients() const { return Flat(1, 0, elements_); }

  // One AdamW step over all parameters; `params` states everything but the weight decay of what does not decay.
  void Step(Ops& ops, AdamWParams params) const;

 private:
  Tensor Flat(int64_t plane, int64_t first, int64_t count) const;  // planes: value, gradient, m, v

  std::vector<Parameter> parameters_;
  int64_t elements_ = 0;
  DType dtype_ = DType::kF32;
  Buffer buffer_;
};

}  // namespace rlvr
