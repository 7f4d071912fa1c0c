// The runtime API of the emulated card: allocation and copies.
#include <cstring>
#include <string>

#include "backends/cuda/emulator/device_memory.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/emulator/stream.h"
#include "core/error.h"

namespace emulator = rlvr::cuda::emulator;
using emulator::DeviceLock;
using emulator::Report;
using rlvr::Concat;

namespace {

// What is wrong with one end of a copy, or "".
std::string WrongEnd(const char* end, const void* address, size_t bytes, bool on_device) {
  const emulator::DeviceMemoryRange& range = emulator::DeviceRange();
  if (on_device && !range.Owns(address)) return Concat(end, " ", address, " is not device memory");
  if (!on_device && range.Owns(address)) return Concat(end, " ", address, " is device memory, not the host's");
  if (on_device && !range.Holds(address, bytes)) {
    return Concat(bytes, " bytes at ", end, " ", address, " pass the end of their allocation");
  }
  return "";
}

cudaError_t CheckCopy(const char* call, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) {
    to_device = emulator::DeviceRange().Owns(to);
    from_device = emulator::DeviceRange().Owns(from);
  }
  for (const std::string& wrong :
       {WrongEnd("the destination", to, bytes, to_device), WrongEnd("the source", from, bytes, from_device)}) {
    if (!wrong.empty()) return Report(cudaErrorInvalidValue, Concat(call, ": ", wrong));
  }
  return cudaSuccess;
}

// The host's end of a recorded copy is read when the graph runs, so it has to be page-locked.
cudaError_t CheckPinned(const void* to, const void* from, size_t bytes) {
  for (const void* end : {to, from}) {
    if (emulator::DeviceRange().Owns(end) || emulator::Pinned().Holds(end, bytes)) continue;
    return emulator::RefuseDuringCapture("a copy of host memory that is not page-locked (cudaMallocHost)");
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  const size_t used = emulator::DeviceRange().used_bytes();
  *total_bytes = emulator::CurrentSettings().memory_bytes;
  *free_bytes = *total_bytes > used ? *total_bytes - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (const cudaError_t error = emulator::RefuseDuringCapture("cudaMalloc")) return error;
  *memory = bytes == 0 ? nullptr : emulator::DeviceRange().Allocate(bytes);
  if (bytes != 0 && *memory == nullptr) {
    return Report(cudaErrorMemoryAllocation, Concat(bytes, " bytes asked, ", emulator::DeviceRange().used_bytes(),
                                                    " of ", emulator::CurrentSettings().memory_bytes, " in use"));
  }
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  const DeviceLock lock;
  if (memory == nullptr) return cudaSuccess;
  if (const cudaError_t error = emulator::RefuseDuringCapture("cudaFree")) return error;
  if (emulator::DeviceRange().Free(memory)) return cudaSuccess;
  return Report(cudaErrorInvalidValue, Concat("cudaFree: ", memory, " is not an allocation of cudaMalloc"));
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (const cudaError_t error = emulator::RefuseDuringCapture("cudaMallocHost")) return error;
  *memory = emulator::Pinned().Allocate(bytes);
  return *memory ? cudaSuccess : Report(cudaErrorMemoryAllocation, Concat(bytes, " bytes of page-locked memory"));
}

cudaError_t cudaMallocHost(void** memory, size_t bytes, unsigned flags) { return cudaHostAlloc(memory, bytes, flags); }

cudaError_t cudaFreeHost(void* memory) {
  const DeviceLock lock;
  if (memory == nullptr || emulator::Pinned().Free(memory)) return cudaSuccess;
  return Report(cudaErrorInvalidValue, Concat("cudaFreeHost: ", memory, " is not an allocation of cudaMallocHost"));
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = CheckCopy("cudaMemcpyAsync", to, from, bytes, kind)) return error;
  if (emulator::IsCapturing(stream)) {
    if (const cudaError_t error = CheckPinned(to, from, bytes)) return error;
  }
  return emulator::Submit(stream, {emulator::GraphNode::Kind::kCopy, nullptr, "cudaMemcpyAsync", [=] {
                                     const emulator::OpenDeviceMemory open;
                                     std::memmove(to, from, bytes);
                                   }});
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (const cudaError_t error = emulator::RefuseDuringCapture("cudaMemcpy")) return error;
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = CheckCopy("cudaMemcpy", to, from, bytes, kind)) return error;
  const emulator::OpenDeviceMemory open;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (bytes == 0) return cudaSuccess;
  const std::string wrong = WrongEnd("the destination", memory, bytes, true);
  if (!wrong.empty()) return Report(cudaErrorInvalidValue, Concat("cudaMemset: ", wrong));
  return emulator::Submit(stream, {emulator::GraphNode::Kind::kSet, nullptr, "cudaMemsetAsync", [=] {
                                     const emulator::OpenDeviceMemory open;
                                     std::memset(memory, value, bytes);
                                   }});
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  const DeviceLock lock;
  if (const cudaError_t error = emulator::RefuseDuringCapture("cudaMemset")) return error;
  return cudaMemsetAsync(memory, value, bytes, nullptr);
}
