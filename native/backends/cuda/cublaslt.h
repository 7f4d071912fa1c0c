// cuBLASLt behind a table of its C functions: 542 MB of library are found on the machine, never shipped or linked.
// Names, numbers and layouts are facts of its public documentation; signatures are kept to the types used here.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "backends/cuda/gemm.h"

namespace rlvr::cuda {

// Its constants, under its own names.
namespace cublaslt {
constexpr int CUBLAS_STATUS_SUCCESS = 0;
constexpr int CUBLAS_COMPUTE_32F = 68, CUDA_R_32F = 0, CUDA_R_16BF = 14;
constexpr int32_t CUBLAS_OP_N = 0, CUBLAS_OP_T = 1;
constexpr int CUBLASLT_MATMUL_DESC_TRANSA = 3, CUBLASLT_MATMUL_DESC_TRANSB = 4;
constexpr int CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3;
constexpr int CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6;
constexpr int CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8;
constexpr uint32_t CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2;
}  // namespace cublaslt

struct CublasLtAlgorithm {
  uint64_t data[8];
};

struct CublasLtHeuristicResult {
  CublasLtAlgorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

// Handles and descriptors are opaque pointers; all but Version return a status.
struct CublasLtFunctions {
  int (*create)(void** handle);
  int (*destroy)(void* handle);
  size_t (*version)();
  int (*matmul_desc_create)(void** desc, int compute_type, int scale_type);
  int (*matmul_desc_destroy)(void* desc);
  int (*matmul_desc_set)(void* desc, int attribute, const void* value, size_t bytes);
  int (*layout_create)(void** layout, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*layout_destroy)(void* layout);
  int (*preference_create)(void** preference);
  int (*preference_destroy)(void* preference);
  int (*preference_set)(void* preference, int attribute, const void* value, size_t bytes);
  int (*heuristic)(void* handle, void* desc, void* a, void* b, void* c, void* d, void* preference, int wanted,
                   CublasLtHeuristicResult* results, int* found);
  int (*matmul)(void* handle, void* desc, const void* alpha, const void* a, void* a_layout, const void* b,
                void* b_layout, const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                const CublasLtAlgorithm* algorithm, void* workspace, size_t workspace_bytes, cudaStream_t stream);
};

// The functions of the library at `path`, a file or a name for the loader. Throws RLVR_UNSUPPORTED_OP with the loader's
// words, or the name of the function that is missing. The library stays loaded for the rest of the process.
CublasLtFunctions LoadCublasLt(const std::string& path);

class CublasLt {
 public:
  // Throws RLVR_CUDA when the library cannot start, as without a card.
  CublasLt(const CublasLtFunctions& functions, std::string path);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;
  CublasLt& operator=(const CublasLt&) = delete;

  // Enqueues the product, whose bias is null; false when the library has no algorithm for it
  // or fails.
  bool Multiply(cudaStream_t stream, const GemmCall& call, void* workspace, size_t workspace_bytes);

  std::string version() const;  // "13.1.0"
  const std::string& path() const { return path_; }

 private:
  struct Plan;
  using Key = std::array<int64_t, 9>;
  // The plan of a shape, from the cache or made. Needs mutex_.
  std::shared_ptr<Plan> PlanOf(const GemmCall& call, size_t workspace_bytes);
  bool Describe(const GemmCall& call, size_t workspace_bytes, Plan& plan) const;
  // Asks the library's heuristic for an algorithm.
  bool Choose(size_t workspace_bytes, Plan& plan) const;

  CublasLtFunctions functions_;
  std::string path_;
  void* handle_ = nullptr;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<Plan>> plans_;
};

}  // namespace rlvr::cuda
