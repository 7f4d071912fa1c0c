// The runtime API of the emulated card: streams, events, capture, graphs, attributes of kernels.
#include <chrono>
#include <set>

#include "backends/cuda/emulator/device_memory.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/emulator/stream.h"
#include "core/error.h"

namespace emulator = rlvr::cuda::emulator;
using emulator::DeviceLock;
using emulator::GraphNode;
using emulator::Report;
using rlvr::Concat;

struct CUgraph_st {
  std::vector<GraphNode> nodes;
};

struct CUgraphExec_st {
  std::vector<GraphNode> nodes;
};

struct CUstream_st {
  bool capturing = false;
  bool spoiled = false;  // a forbidden call was made; the capture cannot be ended well
  CUgraph_st recorded;
};

struct CUevent_st {
  bool timed = true;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
};

namespace {

// Live handles, so that a stale one is an error and not a crash. They live as long as the process.
template <typename T>
std::set<T*>& Live() {
  static std::set<T*>& live = *new std::set<T*>();
  return live;
}

template <typename T>
cudaError_t Create(T** handle) {
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  *handle = new T();
  Live<T>().insert(*handle);
  return cudaSuccess;
}

template <typename T>
cudaError_t Check(const char* call, T* handle) {
  if (Live<T>().count(handle)) return cudaSuccess;
  return Report(cudaErrorInvalidResourceHandle, Concat(call, ": a handle that was not made or was destroyed"));
}

template <typename T>
cudaError_t Destroy(const char* call, T* handle) {
  if (const cudaError_t error = Check(call, handle)) return error;
  Live<T>().erase(handle);
  delete handle;
  return cudaSuccess;
}

CUstream_st* AnyCapture() {
  for (CUstream_st* stream : Live<CUstream_st>()) {
    if (stream->capturing) return stream;
  }
  return nullptr;
}

cudaError_t CheckStream(const char* call, cudaStream_t stream) {
  return stream == nullptr ? cudaSuccess : Check(call, stream);
}

// For calls that wait for a stream.
cudaError_t RefuseToWait(const char* call, cudaStream_t stream) {
  if (const cudaError_t error = CheckStream(call, stream)) return error;
  if (stream == nullptr) return emulator::RefuseDuringCapture(call);
  if (!stream->capturing) return cudaSuccess;
  stream->spoiled = true;
  return Report(cudaErrorStreamCaptureUnsupported, Concat(call, " on the stream that is captured"));
}

}  // namespace

namespace rlvr::cuda::emulator {

bool IsCapturing(cudaStream_t stream) {
  return stream != nullptr && Live<CUstream_st>().count(stream) && stream->capturing;
}

cudaError_t Submit(cudaStream_t stream, GraphNode node) {
  if (const cudaError_t fault = DeviceFault()) return fault;
  if (const cudaError_t error = CheckStream(node.name.c_str(), stream)) return error;
  if (stream == nullptr && AnyCapture() != nullptr) {
    AnyCapture()->spoiled = true;
    return Report(cudaErrorStreamCaptureImplicit, Concat(node.name, " on the default stream"));
  }
  if (!IsCapturing(stream)) {
    node.run();
    return cudaSuccess;
  }
  if (stream->spoiled) return Report(cudaErrorStreamCaptureInvalidated, node.name);
  stream->recorded.nodes.push_back(std::move(node));
  return cudaSuccess;
}

cudaError_t RefuseDuringCapture(const char* call) {
  CUstream_st* capture = AnyCapture();
  if (capture == nullptr) return cudaSuccess;
  capture->spoiled = true;
  return Report(cudaErrorStreamCaptureUnsupported, Concat(call, " while a stream is captured"));
}

}  // namespace rlvr::cuda::emulator

// --- kernels ---

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int value) {
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  const size_t most = emulator::CurrentSettings().shared_bytes_per_block;
  if (value >= 0 && static_cast<size_t>(value) <= most) return cudaSuccess;
  return Report(cudaErrorInvalidValue, Concat(value, " bytes of shared memory; a block has at most ", most));
}

// --- streams ---

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const DeviceLock lock;
  return Create(stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return cudaStreamCreate(stream); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const DeviceLock lock;
  return Destroy("cudaStreamDestroy", stream);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const DeviceLock lock;
  if (const cudaError_t fault = emulator::DeviceFault()) return fault;
  return RefuseToWait("cudaStreamSynchronize", stream);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const DeviceLock lock;
  return RefuseToWait("cudaStreamQuery", stream);
}

// Work is done when it is submitted, so there is nothing to wait for; joining streams inside a capture is not emulated.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const DeviceLock lock;
  if (const cudaError_t error = CheckStream("cudaStreamWaitEvent", stream)) return error;
  if (const cudaError_t error = Check("cudaStreamWaitEvent", event)) return error;
  return emulator::RefuseDuringCapture("cudaStreamWaitEvent");
}

// --- events ---

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  const DeviceLock lock;
  if (const cudaError_t error = Create(event)) return error;
  (*event)->timed = !(flags & cudaEventDisableTiming);
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const DeviceLock lock;
  return Destroy("cudaEventDestroy", event);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const DeviceLock lock;
  if (const cudaError_t error = Check("cudaEventRecord", event)) return error;
  return emulator::Submit(stream, {GraphNode::Kind::kEvent, nullptr, "cudaEventRecord", [event] {
                                     if (!Live<CUevent_st>().count(event)) return;
                                     event->recorded = true;
                                     event->time = std::chrono::steady_clock::now();
                                   }});
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const DeviceLock lock;
  return Check("cudaEventSynchronize", event);
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  const DeviceLock lock;
  for (const cudaEvent_t event : {start, stop}) {
    if (const cudaError_t error = Check("cudaEventElapsedTime", event)) return error;
    if (!event->timed || !event->recorded) {
      return Report(cudaErrorInvalidResourceHandle, "cudaEventElapsedTime: an event without a time");
    }
  }
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return cudaSuccess;
}

// --- capture and graphs ---

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const DeviceLock lock;
  if (stream == nullptr) {
    return Report(cudaErrorStreamCaptureUnsupported, "cudaStreamBeginCapture: the default stream cannot be captured");
  }
  if (const cudaError_t error = Check("cudaStreamBeginCapture", stream)) return error;
  if (stream->capturing) return Report(cudaErrorInvalidValue, "cudaStreamBeginCapture: the stream is captured already");
  *stream = CUstream_st();
  stream->capturing = true;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const DeviceLock lock;
  *graph = nullptr;
  if (const cudaError_t error = Check("cudaStreamEndCapture", stream)) return error;
  if (!stream->capturing) return Report(cudaErrorInvalidValue, "cudaStreamEndCapture: the stream is not captured");
  const bool spoiled = stream->spoiled;
  CUgraph_st recorded = std::move(stream->recorded);
  *stream = CUstream_st();
  if (spoiled) return Report(cudaErrorStreamCaptureInvalidated, "a call that capture forbids was made");
  if (const cudaError_t error = Create(graph)) return error;
  **graph = std::move(recorded);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const DeviceLock lock;
  *status = cudaStreamCaptureStatusNone;
  if (const cudaError_t error = CheckStream("cudaStreamIsCapturing", stream)) return error;
  if (emulator::IsCapturing(stream)) {
    *status = stream->spoiled ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const DeviceLock lock;
  if (const cudaError_t error = Check("cudaGraphInstantiate", graph)) return error;
  if (const cudaError_t error = Create(executable)) return error;
  (*executable)->nodes = graph->nodes;
  return cudaSuccess;
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph, cudaGraphExecUpdateResultInfo* info) {
  const DeviceLock lock;
  if (const cudaError_t error = Check("cudaGraphExecUpdate", executable)) return error;
  if (const cudaError_t error = Check("cudaGraphExecUpdate", graph)) return error;
  const std::vector<GraphNode>&before = executable->nodes, &after = graph->nodes;
  cudaGraphExecUpdateResult result = cudaGraphExecUpdateSuccess;
  if (before.size() != after.size()) result = cudaGraphExecUpdateErrorTopologyChanged;
  for (size_t i = 0; i < before.size() && result == cudaGraphExecUpdateSuccess; ++i) {
    if (before[i].kind != after[i].kind)
      result = cudaGraphExecUpdateErrorNodeTypeChanged;
    else if (before[i].kernel != after[i].kernel)
      result = cudaGraphExecUpdateErrorFunctionChanged;
  }
  if (info != nullptr) *info = {result};
  if (result != cudaGraphExecUpdateSuccess) {
    return Report(cudaErrorGraphExecUpdateFailure, "the graphs have different nodes or kernels");
  }
  executable->nodes = after;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const DeviceLock lock;
  if (const cudaError_t error = Check("cudaGraphLaunch", executable)) return error;
  if (emulator::IsCapturing(stream)) return Report(cudaErrorNotSupported, "a graph inside a captured stream");
  for (const GraphNode& node : executable->nodes) {
    if (const cudaError_t error = emulator::Submit(stream, node)) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const DeviceLock lock;
  return Destroy("cudaGraphExecDestroy", executable);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const DeviceLock lock;
  return Destroy("cudaGraphDestroy", graph);
}
