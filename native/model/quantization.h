// What the matrices of linear layers become while a model is loaded. Embedding, head, norms and biases keep their type.
#pragma once

#include <cstdint>

namespace rlvr {

enum class Quantization : uint8_t {
  kNone,
  kNf4,   // NF4 with double quantisation, 4.1 bits a weight: the base of QLoRA
  kInt8,  // Q8_0, 8.5 bits a weight: an F16 scale for each 32 elements of a row
};

}  // namespace rlvr
