#include "model/parameters.h"

namespace rlvr {

size_t ParameterStore::Declare(std::string name, int64_t rows, int64_t cols, bool decays) {
  RLVR_CHECK(buffer_.data() == nullptr, "parameters are declared before they are allocated");
  Parameter parameter;
  parameter.name = std::move(name);
  parameter.rows = rows;
  parameter.cols = cols;
  parameter.decays = decays;
  parameters_.push_back(std::move(parameter));
  elements_ += rows * cols;
  return parameters_.size() - 1;
}

void ParameterStore::Allocate(MemoryCounter& memory, DType dtype) {
  dtype_ = dtype;
  if (elements_ == 0) return;
  buffer_ = Buffer(memory, BytesOf(dtype, 4 * elements_), "trainable parameters, gradients and AdamW state");
  int64_t first = 0;
  for (Parameter& p : parameters_) {
    const int64_t size = p.rows * p.cols;
    Tensor* views[] = {&p.value, &p.gradient, &p.m, &p.v};
    for (int64_t plane = 0; plane < 4; ++plane) *views[plane] = Flat(plane, first, size).Reshape(p.rows, p.cols);
    first += size;
  }
}

Tensor ParameterStore::Flat(int64_t plane, int64_t first, int64_t count) const {
  return Tensor(buffer_.data() + BytesOf(dtype_, plane * elements_ + first), dtype_, 1, count);
}

const Parameter* ParameterStore::Find(const std::string& name) const {
  for (const Parameter& p : parameters_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

void ParameterStore::Step(Ops& ops, AdamWParams params) const {
  const double decay = params.weight_decay;
  // Neighbours of one kind are stepped in one call: few launches, the same numbers.
  int64_t first = 0;
  for (size_t i = 0; i < parameters_.size();) {
    int64_t size = 0;
    const bool decays = parameters_[i].decays;
    for (; i < parameters_.size() && parameters_[i].decays == decays; ++i) {
      size += parameters_[i].rows * parameters_[i].cols;
    }
    params.weight_decay = decays ? decay : 0;
    ops.AdamW(params, Flat(0, first, size), Flat(1, first, size), Flat(2, first, size), Flat(3, first, size));
    first += size;
  }
}

}  // namespace rlvr
