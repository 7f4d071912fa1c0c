// The device layer on the host: the names of device_ptx.h, each checked, counted and performed by the emulator. The
// last parameter of each, its place in the kernel, is left to its default.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>

#include "backends/cuda/device_types.h"
#include "backends/cuda/emulator/convert.h"
#include "backends/cuda/emulator/kernel.h"
#include "backends/cuda/emulator/launch.h"
#include "backends/cuda/emulator/tensor_core.h"
#include "backends/cuda/emulator/warp.h"

inline float rsqrtf(float value) { return 1.0f / std::sqrt(value); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) { return rlvr::cuda::FloatOfBits(bits); }

namespace rlvr::cuda {

class SharedCarver {
 public:
  template <typename T>
  T* Take(int count) {
    return static_cast<T*>(emulator::TakeShared(next_++, sizeof(T) * static_cast<size_t>(count), alignof(T)));
  }

 private:
  int next_ = 0;
};

inline void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                    const emulator::Site& site = emulator::Site::current()) {
  emulator::Mma(d, a, b, site);
}

inline void LdMatrixX4(uint32_t (&r)[4], const void* shared_row,
                       const emulator::Site& site = emulator::Site::current()) {
  emulator::LoadMatrices(r, shared_row, 4, false, site);
}

inline void LdMatrixX2(uint32_t (&r)[2], const void* shared_row,
                       const emulator::Site& site = emulator::Site::current()) {
  emulator::LoadMatrices(r, shared_row, 2, false, site);
}

inline void LdMatrixX4Trans(uint32_t (&r)[4], const void* shared_row,
                            const emulator::Site& site = emulator::Site::current()) {
  emulator::LoadMatrices(r, shared_row, 4, true, site);
}

inline void LdMatrixX2Trans(uint32_t (&r)[2], const void* shared_row,
                            const emulator::Site& site = emulator::Site::current()) {
  emulator::LoadMatrices(r, shared_row, 2, true, site);
}

inline void CpAsync16(void* shared, const void* global, bool valid = true,
                      const emulator::Site& site = emulator::Site::current()) {
  emulator::AsyncCopy16(shared, global, valid, site);
}

inline void CpAsyncCommit() { emulator::AsyncCommit(); }

template <int kPending>
void CpAsyncWait() {
  static_assert(kPending >= 0);
  emulator::AsyncWait(kPending);
}

template <typename T>
T LoadGlobal(const T* p, const emulator::Site& site = emulator::Site::current()) {
  static_assert(sizeof(T) <= 16 && (sizeof(T) & (sizeof(T) - 1)) == 0, "a global access has 1, 2, 4, 8 or 16 bytes");
  emulator::CheckLoad(p, sizeof(T), site);
  return *p;
}

template <typename T>
void StoreGlobal(T* p, T value, const emulator::Site& site = emulator::Site::current()) {
  static_assert(sizeof(T) <= 16 && (sizeof(T) & (sizeof(T) - 1)) == 0, "a global access has 1, 2, 4, 8 or 16 bytes");
  emulator::CheckStore(p, sizeof(T), site);
  *p = value;
}

// Arguments are copied now, as kernel parameters are.
template <typename... P, typename... A>
void Launch(const char* name, void (*kernel)(P...), const LaunchShape& shape, cudaStream_t stream, A... args) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  emulator::LaunchKernel(
      {name, reinterpret_cast<const void*>(kernel), shape.grid, shape.block, shape.shared_bytes},
      [kernel, values = std::tuple<P...>(static_cast<P>(args)...)] { std::apply(kernel, values); }, stream);
}

}  // namespace rlvr::cuda
