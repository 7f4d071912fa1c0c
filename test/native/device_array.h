// Memory of the emulated card for tests of single kernels.
#pragma once

#include <vector>

#include "backends/cuda/check.h"
#include "backends/cuda/runtime.h"

namespace rlvr::test {

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : size_(values.size()) {
    RLVR_CUDA_CHECK(cudaMalloc(&data_, std::max<size_t>(size_, 1) * sizeof(T)));
    Set(values);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  void Set(const std::vector<T>& values) {
    RLVR_CUDA_CHECK(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> Get() const {
    std::vector<T> values(size_);
    RLVR_CUDA_CHECK(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  size_t size_;
  T* data_ = nullptr;
};

}  // namespace rlvr::test
