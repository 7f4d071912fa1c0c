// The CUDA library as the engine sees it: looked for and loaded at run time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/cuda/library_table.h"
#include "ops/ops.h"

namespace rlvr {

enum class CudaLibrary { kCuda, kEmulated };

struct CudaStatus {
  bool usable = false;
  std::string library;  // its path, empty when there is none
  std::string build;
  std::string cublas;
  std::vector<CudaCard> cards;
  std::string problem;  // what is missing and what to do, empty when usable
};

// Throws RLVR_CUDA when the library is missing, was built for another contract, or finds no usable card.
std::unique_ptr<Ops> CreateCudaBackend(CudaLibrary library, bool fp8_kv);
// Never throws.
CudaStatus InspectCuda(CudaLibrary library);

}  // namespace rlvr
