// Starts emulated kernels.
#pragma once

#include <functional>
#include <string>

#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/runtime_api.h"

namespace rlvr::cuda::emulator {

struct KernelLaunch {
  std::string name;
  const void* kernel;
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
};

// Runs `body` for each thread of the grid, or records it where the stream is being captured. Throws RLVR_CUDA with the
// kernel's name for what the emulator finds wrong.
void LaunchKernel(KernelLaunch launch, std::function<void()> body, cudaStream_t stream);

// To the table of counters.h.
void AddCounters(const std::string& kernel, const Counters& counters);

}  // namespace rlvr::cuda::emulator
