// Records the launches of a pass and submits them at once: decoding is a thousand small kernels a token.
#pragma once

#include <functional>

#include "backends/cuda/runtime.h"

namespace rlvr::cuda {

class RecordedPass {
 public:
  RecordedPass() = default;
  ~RecordedPass();
  RecordedPass(const RecordedPass&) = delete;
  RecordedPass& operator=(const RecordedPass&) = delete;

  void Begin(cudaStream_t stream);
  // Ends the recording and runs it. The graph of the pass before is updated when it has the same nodes.
  void Run(cudaStream_t stream);
  // Ends the recording and forgets it; never throws.
  void Discard(cudaStream_t stream);
  bool is_recording() const { return is_recording_; }

 private:
  cudaGraphExec_t executable_ = nullptr;
  bool is_recording_ = false;
};

}  // namespace rlvr::cuda
