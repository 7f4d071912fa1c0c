// Streams, capture and graphs. Work runs when it is submitted, on the calling thread; a stream that is being captured
// records it instead.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/cuda/emulator/runtime_api.h"

namespace rlvr::cuda::emulator {

struct GraphNode {
  enum class Kind { kKernel, kCopy, kSet, kEvent };
  Kind kind;
  const void* kernel;  // of kKernel: an update may not put another in its place
  std::string name;
  std::function<void()> run;
};

// Runs the node, or records it. Refuses what a capture in progress forbids.
cudaError_t Submit(cudaStream_t stream, GraphNode node);

// For calls that may not happen while any stream is captured: spoils the captures and says which call it was.
cudaError_t RefuseDuringCapture(const char* call);
bool IsCapturing(cudaStream_t stream);

// What the settings' fault makes of every call; cudaSuccess without one.
cudaError_t DeviceFault();

// Remembers the error for cudaGetLastError, with the detail that cudaGetErrorString adds.
cudaError_t Report(cudaError_t error, const std::string& detail);

}  // namespace rlvr::cuda::emulator
