// What is trained, and how a LoRA adapter is made.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace rlvr {

enum class Trainable : uint8_t { kNone, kLora, kFull };

struct LoraOptions {
  int64_t rank = 16;
  double alpha = 16;
  bool rslora = false;               // scale alpha / sqrt(rank) instead of alpha / rank
  std::vector<std::string> targets;  // module names such as "q_proj"; empty: every linear layer but the head
  uint64_t seed = 42;                // A ~ U(-1/sqrt(in), 1/sqrt(in)) as PEFT's Kaiming uniform; B = 0
  double scale() const {
    const double r = static_cast<double>(rank);
    return alpha / (rslora ? std::sqrt(r) : r);
  }
};

}  // namespace rlvr
