// The dynamic shared memory of the running block. Each carved part is a heap block of its own between red zones, so
// that a write past its end is found: by ASan at once, in other builds at the next barrier. Fresh parts read as NaN.
#pragma once

#include <cstddef>
#include <vector>

#include "backends/cuda/emulator/kernel.h"

namespace rlvr::cuda::emulator {

class SharedMemory {
 public:
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void BeginBlock(size_t declared_bytes);
  // The part that every thread takes as its `index`-th: made for the first that asks. Fails when threads disagree or
  // when the parts pass the declared size.
  void* Take(size_t index, size_t bytes, size_t alignment);
  // Fails unless [address, address + bytes) lies in one part.
  void CheckInside(const void* address, size_t bytes, const char* operation, const Site& site) const;
  // Fails when a red zone was written.
  void CheckRedZones() const;
  void EndBlock();
  // All threads of all blocks have ended.
  void EndLaunch();

 private:
  struct Part {
    char* block;
    char* data;
    size_t bytes;
  };
  std::vector<Part> parts_;
  std::vector<char*> buried_;
  size_t declared_bytes_ = 0;
  size_t taken_bytes_ = 0;
};

}  // namespace rlvr::cuda::emulator
