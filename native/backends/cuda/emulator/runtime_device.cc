// The runtime API of the emulated card: devices, errors, versions.
#include <cstdio>
#include <string>

#include "backends/cuda/emulator/device_memory.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/emulator/stream.h"
#include "core/error.h"

namespace emulator = rlvr::cuda::emulator;

namespace {

constexpr int kVersion = 13000;    // CUDA 13.0, of the runtime and of its driver
constexpr int kOldDriver = 11040;  // of the fault "old-driver"

struct LastError {
  cudaError_t error = cudaSuccess;
  std::string detail;  // of the last failure, kept after the error is fetched
  cudaError_t detailed = cudaSuccess;
};

thread_local LastError last_error;

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorGraphExecUpdateFailure, "cudaErrorGraphExecUpdateFailure", "the graph update was not performed"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

const ErrorText& Find(cudaError_t error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return entry;
  }
  return Find(cudaErrorUnknown);
}

}  // namespace

namespace rlvr::cuda::emulator {

cudaError_t Report(cudaError_t error, const std::string& detail) {
  last_error.error = error;
  last_error.detailed = error;
  last_error.detail = detail.empty() ? Find(error).text : Concat(Find(error).text, " (", detail, ")");
  return error;
}

cudaError_t DeviceFault() {
  switch (CurrentSettings().fault) {
    case Fault::kNone: return cudaSuccess;
    case Fault::kNoDevice: return Report(cudaErrorNoDevice, "");
    case Fault::kOldDriver: return Report(cudaErrorInsufficientDriver, "");
  }
  return cudaSuccess;
}

}  // namespace rlvr::cuda::emulator

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error.error;
  last_error.error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return last_error.error; }

const char* cudaGetErrorName(cudaError_t error) { return Find(error).name; }

// With what the emulator knows of the last such error.
const char* cudaGetErrorString(cudaError_t error) {
  return error != cudaSuccess && error == last_error.detailed ? last_error.detail.c_str() : Find(error).text;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const cudaError_t fault = emulator::DeviceFault();
  *count = fault == cudaSuccess ? 1 : 0;
  return fault;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return emulator::DeviceFault();
}

cudaError_t cudaSetDevice(int device) {
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  if (device != 0) return emulator::Report(cudaErrorInvalidDevice, rlvr::Concat("device ", device, " of 1"));
  return cudaSuccess;
}

// The numbers of a GeForce RTX 4090, so that choices made by them are the ones made there.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = cudaSetDevice(device)) return error;
  const emulator::Settings& settings = emulator::CurrentSettings();
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated");
  properties->totalGlobalMem = settings.memory_bytes;
  properties->sharedMemPerBlock = size_t{48} << 10;
  properties->sharedMemPerBlockOptin = settings.shared_bytes_per_block;
  properties->sharedMemPerMultiprocessor = settings.shared_bytes_per_block + (size_t{1} << 10);
  properties->major = 8;
  properties->minor = 9;
  properties->multiProcessorCount = 128;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 1536;
  properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
  properties->l2CacheSize = 72 << 20;
  properties->memoryBusWidth = 384;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device)) return error;
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = static_cast<int>(properties.sharedMemPerBlock); break;
    case cudaDevAttrMultiProcessorCount: *value = properties.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = properties.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = properties.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = static_cast<int>(properties.sharedMemPerBlockOptin); break;
  }
  return cudaSuccess;
}

// As on a real machine, the driver's version is 0 without a driver; here it tells old from missing.
cudaError_t cudaDriverGetVersion(int* version) {
  const emulator::Fault fault = emulator::CurrentSettings().fault;
  *version = fault == emulator::Fault::kOldDriver ? kOldDriver : kVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  return emulator::RefuseDuringCapture("cudaDeviceSynchronize");
}
