// Memory of the device that a backend computes on, and the way between it and the host. For the CPU backends it is the
// host's own memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"

namespace rlvr {

class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  // Zero-filled, aligned to 64 bytes at least; null when the device has no room. planned: never touched, and need not
  // be there.
  virtual std::byte* Allocate(size_t bytes, bool planned) = 0;
  virtual void Free(std::byte* data, size_t bytes) = 0;
  // In the order of the ops around them. The host's bytes are free again at return.
  virtual void Upload(const void* host, std::byte* device, size_t bytes) = 0;
  virtual void Download(const std::byte* device, void* host, size_t bytes) = 0;
};

DeviceMemory& HostMemory();

// Fills `to`, a contiguous tensor of the device, with values of the host, converted to its type.
void Write(DeviceMemory& device, std::span<const int32_t> values, const Tensor& to);
void Write(DeviceMemory& device, std::span<const float> values, const Tensor& to);
void Write(DeviceMemory& device, std::span<const double> values, const Tensor& to);
// The elements of a contiguous tensor of the device, row by row.
std::vector<double> Read(DeviceMemory& device, const Tensor& from);
std::vector<float> ReadF32(DeviceMemory& device, const Tensor& from);

}  // namespace rlvr
