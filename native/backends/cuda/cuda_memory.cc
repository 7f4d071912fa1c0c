#include "backends/cuda/cuda_memory.h"

#include <algorithm>
#include <cstring>

#include "backends/cuda/check.h"

namespace rlvr::cuda {

namespace {
constexpr size_t kAlignment = 256;
}  // namespace

CudaMemory::CudaMemory(cudaStream_t stream) : stream_(stream) {
  void* staging = nullptr;
  RLVR_CUDA_CHECK(cudaMallocHost(&staging, 2 * kHalfBytes));
  staging_ = static_cast<std::byte*>(staging);
  for (cudaEvent_t& event : copied_) RLVR_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
}

CudaMemory::~CudaMemory() {
  for (cudaEvent_t event : copied_) cudaEventDestroy(event);
  cudaFreeHost(staging_);
}

std::byte* CudaMemory::Allocate(size_t bytes, bool) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the next call is not to report it again
    return nullptr;
  }
  RLVR_CUDA_CHECK(error);
  RLVR_CUDA_CHECK(cudaMemsetAsync(memory, 0, bytes, stream_));
  return static_cast<std::byte*>(memory);
}

void CudaMemory::Free(std::byte* data, size_t) {
  cudaStreamSynchronize(stream_);
  cudaFree(data);
}

void CudaMemory::NextHalf() {
  RLVR_CHECK(!is_recording_, "a recorded pass uploads more than ", kRecordedBytes, " bytes");
  RLVR_CUDA_CHECK(cudaEventRecord(copied_[static_cast<size_t>(half_)], stream_));
  half_ = 1 - half_;
  used_ = 0;
  RLVR_CUDA_CHECK(cudaEventSynchronize(copied_[static_cast<size_t>(half_)]));
}

void CudaMemory::BeginRecording() {
  if (used_ + kRecordedBytes > kHalfBytes) NextHalf();
  is_recording_ = true;
}

void CudaMemory::Upload(const void* host, std::byte* device, size_t bytes) {
  const auto* from = static_cast<const std::byte*>(host);
  while (bytes > 0) {
    if (used_ == kHalfBytes) NextHalf();
    const size_t part = std::min(bytes, kHalfBytes - used_);
    std::byte* staged = staging_ + static_cast<size_t>(half_) * kHalfBytes + used_;
    std::memcpy(staged, from, part);
    RLVR_CUDA_CHECK(cudaMemcpyAsync(device, staged, part, cudaMemcpyHostToDevice, stream_));
    used_ = std::min(kHalfBytes, (used_ + part + kAlignment - 1) / kAlignment * kAlignment);
    from += part;
    device += part;
    bytes -= part;
  }
}

void CudaMemory::Download(const std::byte* device, void* host, size_t bytes) {
  if (bytes == 0) return;
  RLVR_CUDA_CHECK(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_));
  RLVR_CUDA_CHECK(cudaStreamSynchronize(stream_));
}

}  // namespace rlvr::cuda
