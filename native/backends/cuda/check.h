// RLVR_CUDA_CHECK(cudaMalloc(&p, n)): throws RLVR_CUDA, or RLVR_OUT_OF_MEMORY, with the call, its place and what to do.
#pragma once

#include <cstring>

#include "backends/cuda/runtime.h"
#include "core/error.h"

namespace rlvr::cuda {

inline const char* Remedy(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "Lower the batch or the memory the run asks for, or free the card.";
    case cudaErrorNoDevice: return "Use the cpu backend, or a machine with an NVIDIA GPU.";
    case cudaErrorInsufficientDriver: return "Install a newer NVIDIA driver, or use the cpu backend.";
    default: return "This is a bug in rlvr-node or a fault of the card or its driver; please report it.";
  }
}

[[noreturn]] inline void CheckCallFailed(cudaError_t error, const char* call, const char* file, int line) {
  const char* slash = std::strrchr(file, '/');
  throw Error(error == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kCuda,
              Concat("[cuda] ", call, " at ", slash ? slash + 1 : file, ":", line, " failed: ", cudaGetErrorName(error),
                     ", ", cudaGetErrorString(error), ". ", Remedy(error)));
}

inline void CheckCall(cudaError_t error, const char* call, const char* file, int line) {
  if (error != cudaSuccess) CheckCallFailed(error, call, file, line);
}

}  // namespace rlvr::cuda

#define RLVR_CUDA_CHECK(...) ::rlvr::cuda::CheckCall((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
