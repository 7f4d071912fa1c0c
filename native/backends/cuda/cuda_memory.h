// Memory of a card. Uploads go through pinned staging, so that they are asynchronous and can be recorded in a graph.
#pragma once

#include <array>

#include "backends/cuda/runtime.h"
#include "core/device_memory.h"

namespace rlvr::cuda {

class CudaMemory final : public DeviceMemory {
 public:
  explicit CudaMemory(cudaStream_t stream);
  ~CudaMemory() override;

  std::byte* Allocate(size_t bytes, bool planned) override;
  void Free(std::byte* data, size_t bytes) override;
  void Upload(const void* host, std::byte* device, size_t bytes) override;
  void Download(const std::byte* device, void* host, size_t bytes) override;

  // Makes room for a pass that is recorded: while recording, nothing can wait for staging to become free.
  void BeginRecording();
  void EndRecording() { is_recording_ = false; }

 private:
  // Two halves: one is filled while the copies out of the other may still run.
  static constexpr size_t kHalfBytes = size_t{4} << 20;
  static constexpr size_t kRecordedBytes = size_t{1} << 20;

  void NextHalf();

  cudaStream_t stream_;
  std::byte* staging_ = nullptr;
  std::array<cudaEvent_t, 2> copied_ = {};
  int half_ = 0;
  size_t used_ = 0;  // of the half
  bool is_recording_ = false;
};

}  // namespace rlvr::cuda
