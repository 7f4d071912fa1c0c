// Hands out parts of a reserved block of device memory; without memory it only counts, so that a plan and the run that
// follows it agree to the byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rlvr::cuda {

class Carver {
 public:
  explicit Carver(std::byte* memory = nullptr) : memory_(memory) {}
  // `count` elements at a 256-byte boundary, as cudaMalloc gives; null when only counting.
  template <typename T>
  T* Take(int64_t count) {
    std::byte* part = memory_ ? memory_ + used_ : nullptr;
    used_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return reinterpret_cast<T*>(part);
  }
  size_t used() const { return used_; }

 private:
  static constexpr size_t kAlignment = 256;
  std::byte* memory_;
  size_t used_ = 0;
};

}  // namespace rlvr::cuda
