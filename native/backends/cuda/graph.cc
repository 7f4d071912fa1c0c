#include "backends/cuda/graph.h"

#include "backends/cuda/check.h"

namespace rlvr::cuda {

RecordedPass::~RecordedPass() {
  if (executable_ != nullptr) cudaGraphExecDestroy(executable_);
}

void RecordedPass::Begin(cudaStream_t stream) {
  RLVR_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  is_recording_ = true;
}

void RecordedPass::Run(cudaStream_t stream) {
  is_recording_ = false;
  cudaGraph_t graph = nullptr;
  RLVR_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  if (executable_ != nullptr) {
    cudaGraphExecUpdateResultInfo info = {};
    if (cudaGraphExecUpdate(executable_, graph, &info) != cudaSuccess) {
      cudaGetLastError();  // other nodes than last time: instantiated anew
      cudaGraphExecDestroy(executable_);
      executable_ = nullptr;
    }
  }
  const cudaError_t made = executable_ == nullptr ? cudaGraphInstantiate(&executable_, graph, 0) : cudaSuccess;
  cudaGraphDestroy(graph);
  RLVR_CUDA_CHECK(made);
  RLVR_CUDA_CHECK(cudaGraphLaunch(executable_, stream));
}

void RecordedPass::Discard(cudaStream_t stream) {
  is_recording_ = false;
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream, &graph) == cudaSuccess && graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
}

}  // namespace rlvr::cuda
