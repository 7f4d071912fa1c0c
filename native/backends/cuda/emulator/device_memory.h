// The memory of the emulated card: one reserved range of addresses that is closed to the host except while a kernel or
// a copy runs, so that host code that touches it crashes at once.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

namespace rlvr::cuda::emulator {

// One call of the runtime or one kernel at a time, from whichever thread.
class DeviceLock {
 public:
  DeviceLock();

 private:
  std::lock_guard<std::recursive_mutex> guard_;
};

class DeviceMemoryRange {
 public:
  DeviceMemoryRange();

  // Null when the card is full. The memory reads as NaN.
  void* Allocate(size_t bytes);
  bool Free(void* address);
  size_t used_bytes() const { return used_bytes_; }

  // Whether the address belongs to the card, allocated or not.
  bool Owns(const void* address) const;
  // Whether [address, address + bytes) lies in one allocation.
  bool Holds(const void* address, size_t bytes) const;

  void Open();
  void Close();

 private:
  void Protect(bool open);

  char* base_;
  std::map<char*, size_t> allocations_;
  size_t used_bytes_ = 0;
  char* high_water_;
  int opened_ = 0;
  mutable char* last_first_ = nullptr;  // the allocation found last
  mutable size_t last_bytes_ = 0;
};

DeviceMemoryRange& DeviceRange();

class OpenDeviceMemory {
 public:
  OpenDeviceMemory() { DeviceRange().Open(); }
  ~OpenDeviceMemory() { DeviceRange().Close(); }
  OpenDeviceMemory(const OpenDeviceMemory&) = delete;
  OpenDeviceMemory& operator=(const OpenDeviceMemory&) = delete;
};

// Page-locked host memory, which kernels may touch as well.
class PinnedMemory {
 public:
  void* Allocate(size_t bytes);
  bool Free(void* address);
  bool Holds(const void* address, size_t bytes) const;

 private:
  std::map<const char*, size_t> allocations_;
};

PinnedMemory& Pinned();

}  // namespace rlvr::cuda::emulator
