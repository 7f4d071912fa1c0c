// What both sides of the device layer (device.h) share: qualifiers, Bf16, the size of shared memory, the shape of a
// launch.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/cuda/check.h"
#include "backends/cuda/runtime.h"

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define HOST_DEVICE __host__ __device__ __forceinline__
#define KERNEL(threads) __global__ void __launch_bounds__(threads)
#else
#define DEVICE inline
#define HOST_DEVICE inline
#define KERNEL(threads) void
#endif

namespace rlvr::cuda {

// A bfloat16 by its bits: the same struct on both sides, so that buffers and kernels' parameters agree.
struct Bf16 {
  uint16_t bits;
};

constexpr int kWarpSize = 32;
constexpr unsigned kFullMask = 0xffffffffu;

// Each carved part starts at a multiple of this.
constexpr size_t kSharedAlignment = 16;

HOST_DEVICE constexpr size_t RoundedShared(size_t bytes) {
  return (bytes + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment;
}

// The dynamic shared memory of a kernel, by the same sequence of parts that its SharedCarver takes:
//   SharedSize().Add<Bf16>(rows * stride).Add<float>(32).bytes()
class SharedSize {
 public:
  template <typename T>
  constexpr SharedSize& Add(int count) {
    bytes_ += RoundedShared(sizeof(T) * static_cast<size_t>(count));
    return *this;
  }
  constexpr size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

struct LaunchShape {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
};

HOST_DEVICE float FloatOfBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// A bfloat16 is the upper half of a float; a packed pair has the first in the low half.
HOST_DEVICE float LowBf16(uint32_t pair) { return FloatOfBits(pair << 16); }
HOST_DEVICE float HighBf16(uint32_t pair) { return FloatOfBits(pair & 0xffff0000u); }
HOST_DEVICE float ToFloat(Bf16 value) { return LowBf16(value.bits); }

}  // namespace rlvr::cuda
