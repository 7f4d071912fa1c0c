// CUDA's warp intrinsics and barriers on the host.
#pragma once

#include <cstdint>
#include <cstring>

#include "backends/cuda/emulator/kernel.h"

#define threadIdx (*::rlvr::cuda::emulator::thread_index)
#define blockIdx (::rlvr::cuda::emulator::block_index)
#define blockDim (::rlvr::cuda::emulator::block_size)
#define gridDim (::rlvr::cuda::emulator::grid_size)

constexpr int warpSize = 32;

namespace rlvr::cuda::emulator {

// Each lane's value as 8 bytes; receives that of lane `source`. Fails when the source is not in the mask.
uint64_t Shuffle(const char* operation, unsigned mask, uint64_t bits, int source, const Site& site);
unsigned Ballot(const char* operation, unsigned mask, bool predicate, const Site& site);

template <typename T>
T ShuffleValue(const char* operation, unsigned mask, T value, int source, const Site& site) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "CUDA shuffles 4 or 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = Shuffle(operation, mask, bits, source, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// `source` where it lies in the caller's segment of `width` lanes, else the caller itself.
inline int InSegment(int source, int width) {
  const int lane = CurrentLane();
  return source >= 0 && source / width == lane / width ? source : lane;
}

}  // namespace rlvr::cuda::emulator

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  const int first = rlvr::cuda::emulator::CurrentLane() / width * width;
  return rlvr::cuda::emulator::ShuffleValue("__shfl_sync", mask, value, first + (source & (width - 1)), site);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  // A lane of an earlier segment may be read, one of a later segment may not.
  const int lane = rlvr::cuda::emulator::CurrentLane(), source = lane ^ lane_mask;
  const int allowed = source / width <= lane / width ? source : lane;
  return rlvr::cuda::emulator::ShuffleValue("__shfl_xor_sync", mask, value, allowed, site);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  const int source = rlvr::cuda::emulator::CurrentLane() + static_cast<int>(delta);
  return rlvr::cuda::emulator::ShuffleValue("__shfl_down_sync", mask, value,
                                            rlvr::cuda::emulator::InSegment(source, width), site);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                 const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  const int source = rlvr::cuda::emulator::CurrentLane() - static_cast<int>(delta);
  return rlvr::cuda::emulator::ShuffleValue("__shfl_up_sync", mask, value,
                                            rlvr::cuda::emulator::InSegment(source, width), site);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Ballot("__ballot_sync", mask, predicate != 0, site);
}

inline int __any_sync(unsigned mask, int predicate,
                      const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Ballot("__any_sync", mask, predicate != 0, site) != 0;
}

inline int __all_sync(unsigned mask, int predicate,
                      const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Ballot("__all_sync", mask, predicate != 0, site) == mask;
}

inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  rlvr::cuda::emulator::WarpCollective(
      "__syncwarp", mask, nullptr, [](void* const*, unsigned) {}, site);
}

inline void __syncthreads(const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  rlvr::cuda::emulator::Barrier("__syncthreads", false, site);
}

inline int __syncthreads_count(int predicate,
                               const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Barrier("__syncthreads_count", predicate != 0, site);
}

inline int __syncthreads_or(int predicate,
                            const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Barrier("__syncthreads_or", predicate != 0, site) > 0;
}

inline int __syncthreads_and(int predicate,
                             const rlvr::cuda::emulator::Site& site = rlvr::cuda::emulator::Site::current()) {
  return rlvr::cuda::emulator::Barrier("__syncthreads_and", predicate == 0, site) == 0;
}
