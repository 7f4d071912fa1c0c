// The one symbol that the CUDA library exports.
#include <algorithm>
#include <cstring>

#include "backends/cuda/check.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/library_table.h"
#include "backends/cuda/matmul_library.h"

namespace rlvr::cuda {

namespace {

void CopyText(const char* from, char* to, size_t bytes) {
  if (bytes == 0) return;
  std::strncpy(to, from, bytes - 1);
  to[bytes - 1] = '\0';
}

int Cards(CudaCard* cards, int limit, char* message, size_t message_bytes) {
  try {
    int count = 0;
    RLVR_CUDA_CHECK(cudaGetDeviceCount(&count));
    for (int i = 0; i < std::min(count, limit); ++i) {
      cudaDeviceProp properties;
      RLVR_CUDA_CHECK(cudaGetDeviceProperties(&properties, i));
      size_t free_bytes = 0, total_bytes = 0;
      RLVR_CUDA_CHECK(cudaSetDevice(i));
      RLVR_CUDA_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
      CopyText(properties.name, cards[i].name, sizeof cards[i].name);
      cards[i].major = properties.major;
      cards[i].minor = properties.minor;
      cards[i].total_bytes = total_bytes;
      cards[i].free_bytes = free_bytes;
    }
    return count;
  } catch (const std::exception& error) {
    CopyText(error.what(), message, message_bytes);
    return -1;
  }
}

void Cublas(char* text, size_t text_bytes) { CopyText(MatmulLibraryReport().c_str(), text, text_bytes); }

Ops* Create(int card, bool fp8_kv, char* message, size_t message_bytes) {
  try {
    return new CudaBackend({card, fp8_kv ? DType::kF8E4M3 : DType::kBF16});
  } catch (const std::exception& error) {
    CopyText(error.what(), message, message_bytes);
    return nullptr;
  }
}

#if defined(RLVR_CUDA_EMULATED)
constexpr const char* kBuild = "emulated";
#else
constexpr const char* kBuild = RLVR_CUDA_BUILD;  // from CMakeLists.txt: compiler and architectures
#endif

constexpr CudaLibraryTable kTable = {kCudaContract, kBuild, Cards, Cublas, Create};

}  // namespace

}  // namespace rlvr::cuda

extern "C" __attribute__((visibility("default"))) const rlvr::CudaLibraryTable* rlvr_cuda_library() {
  return &rlvr::cuda::kTable;
}
