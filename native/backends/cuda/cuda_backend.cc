#include "backends/cuda/cuda_backend.h"

#include "backends/cuda/check.h"

namespace rlvr::cuda {

namespace {
constexpr int64_t kRecordedRows = 64;  // larger passes are long kernels, for which a launch each is nothing
}  // namespace

CudaBackend::CudaBackend(const CudaOptions& options) : options_(options) {
  RLVR_CUDA_CHECK(cudaSetDevice(options.device));
  cudaDeviceProp properties;
  RLVR_CUDA_CHECK(cudaGetDeviceProperties(&properties, options.device));
  if (properties.major < 8) {
    throw Error(ErrorCode::kCuda,
                Concat("[cuda] ", properties.name, " has compute capability ", properties.major, ".", properties.minor,
                       "; BF16 tensor cores need 8.0 or newer. Use the cpu backend, or another "
                       "card."));
  }
  card_ = properties.name;
  RLVR_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  memory_ = std::make_unique<CudaMemory>(stream_);
}

CudaBackend::~CudaBackend() {
  memory_.reset();
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

const char* CudaBackend::name() const {
#if defined(RLVR_CUDA_EMULATED)
  return "cuda-emulated";
#else
  return "cuda";
#endif
}

void CudaBackend::SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) {
  RLVR_CHECK(bytes >= WorkspaceBytes(limits), bytes, " bytes of workspace; needed are ", WorkspaceBytes(limits));
  Carver carver(memory);
  scratch_ = CudaScratch(carver, limits);
  limits_ = limits;
}

void CudaBackend::RunPass(const std::function<void()>& pass) {
  in_pass_ = true;
  try {
    pass();
  } catch (...) {
    in_pass_ = false;
    if (recorded_.is_recording()) {
      memory_->EndRecording();
      recorded_.Discard(stream_);
    }
    throw;
  }
  in_pass_ = false;
  if (!recorded_.is_recording()) return;
  memory_->EndRecording();
  recorded_.Run(stream_);
}

// The first op of a pass: its size decides whether the pass is recorded.
void CudaBackend::BeginBatch(const SpanView& batch) {
  if (in_pass_ && !recorded_.is_recording() && batch.rows > 0 && batch.rows <= kRecordedRows) {
    memory_->BeginRecording();
    recorded_.Begin(stream_);
  }
  UploadBatch(batch);
}

}  // namespace rlvr::cuda
