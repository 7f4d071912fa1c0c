// Owned memory: every byte of the engine is counted against one limit.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "core/device_memory.h"
#include "core/tensor.h"

namespace rlvr {

// Bytes in use, their peak, and a hard limit (0: none). Shared by all buffers of an engine.
class MemoryCounter {
 public:
  // plans_only: everything is counted as if it were used, nothing is refused, and no buffer becomes resident. What an
  // engine takes is thus found by building one.
  explicit MemoryCounter(size_t limit = 0, bool plans_only = false) : limit_(limit), plans_only_(plans_only) {}
  // Where buffers lie: the host's memory until told otherwise, before the first buffer.
  void UseDevice(DeviceMemory& device) { device_ = &device; }
  DeviceMemory& device() const { return *device_; }
  // Throws RLVR_OUT_OF_MEMORY with the purpose and the numbers when the limit would be passed.
  void Add(size_t bytes, const std::string& purpose);
  void Remove(size_t bytes) { current_ -= bytes; }
  size_t current() const { return current_; }
  size_t peak() const { return peak_; }
  size_t limit() const { return limit_; }
  bool plans_only() const { return plans_only_; }

 private:
  std::atomic<size_t> current_{0};
  std::atomic<size_t> peak_{0};
  size_t limit_;
  bool plans_only_;
  DeviceMemory* device_ = &HostMemory();
};

// Zero-filled memory of the device, aligned to 64 bytes at least.
class Buffer {
 public:
  Buffer() = default;
  Buffer(MemoryCounter& counter, size_t bytes, const std::string& purpose);
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer() { Release(); }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  void Release();

 private:
  MemoryCounter* counter_ = nullptr;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Bump allocation inside one buffer for what lives as long as a step. Reset() frees all of it at once; memory is
// kept, so a run whose largest step came first never grows.
class Arena {
 public:
  Arena(MemoryCounter& counter, std::string purpose) : counter_(&counter), purpose_(std::move(purpose)) {}
  // Grows the buffer to at least `bytes`; only between steps, when nothing is allocated.
  void Reserve(size_t bytes);
  void Reset() { used_ = 0; }
  // A 64-byte aligned matrix. Contents are undefined. Throws RLVR_INTERNAL when the reservation was too small.
  Tensor Matrix(DType dtype, int64_t rows, int64_t cols);
  static size_t MatrixBytes(DType dtype, int64_t rows, int64_t cols);
  // Stack discipline inside a step: Mark() before, Rewind(mark) after.
  size_t Mark() const { return used_; }
  void Rewind(size_t mark) { used_ = mark; }
  size_t used() const { return used_; }
  size_t peak() const { return peak_; }
  size_t reserved() const { return buffer_.bytes(); }

 private:
  MemoryCounter* counter_;
  std::string purpose_;
  Buffer buffer_;
  size_t used_ = 0;
  size_t peak_ = 0;
};

}  // namespace rlvr
