// A stand-in for cuBLASLt: the C functions that the backend calls, on the host, in the library's own terms
// (column-major matrices, descriptors set attribute by attribute), so that what the backend asks of it is tested
// without a card.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "backends/cuda/check.h"
#include "backends/cuda/cublaslt.h"
#include "core/dtype.h"

namespace rlvr::test {

// What the twin was asked, and how it answers.
struct CublasLtTwin {
  int products = 0;
  int heuristics = 0;
  int alive = 0;  // handles, descriptors, layouts and preferences not destroyed
  bool has_no_algorithm = false;
  int matmul_status = 0;
  uint64_t workspace_limit = 0;  // of the last heuristic
};

inline CublasLtTwin& TheTwin() {
  static CublasLtTwin twin;
  return twin;
}

namespace cublaslt_twin {

using namespace cuda::cublaslt;

constexpr int kInvalidValue = 7;            // CUBLAS_STATUS_INVALID_VALUE
constexpr uint64_t kAlgorithm = 0x7ee1;     // marks what the heuristic gave
constexpr uint64_t kWorkspaceBytes = 4096;  // that the algorithm wants

struct Handle {};
struct Matmul {
  int32_t first = CUBLAS_OP_N;
  int32_t second = CUBLAS_OP_N;
};
struct Layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
};
struct Preference {
  uint64_t workspace_bytes = 0;
  uint32_t alignments = 0;  // how many of A, B, C, D were set to 16
  uint32_t reduction = 7;
};

template <typename T, typename... Values>
int Make(void** to, Values... values) {
  *to = new T{values...};
  ++TheTwin().alive;
  return CUBLAS_STATUS_SUCCESS;
}
template <typename T>
int Destroy(void* object) {
  delete static_cast<T*>(object);
  --TheTwin().alive;
  return CUBLAS_STATUS_SUCCESS;
}

inline int SetMatmul(void* desc, int attribute, const void* value, size_t bytes) {
  if (bytes != sizeof(int32_t)) return kInvalidValue;
  auto* matmul = static_cast<Matmul*>(desc);
  int32_t* to = attribute == CUBLASLT_MATMUL_DESC_TRANSA   ? &matmul->first
                : attribute == CUBLASLT_MATMUL_DESC_TRANSB ? &matmul->second
                                                           : nullptr;
  if (!to) return kInvalidValue;
  std::memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

inline int SetPreference(void* object, int attribute, const void* value, size_t bytes) {
  auto* preference = static_cast<Preference*>(object);
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && bytes == 8) {
    std::memcpy(&preference->workspace_bytes, value, bytes);
  } else if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK && bytes == 4) {
    std::memcpy(&preference->reduction, value, bytes);
  } else if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
             attribute <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES && bytes == 4) {
    uint32_t alignment;
    std::memcpy(&alignment, value, bytes);
    preference->alignments += alignment == 16;
  } else {
    return kInvalidValue;
  }
  return CUBLAS_STATUS_SUCCESS;
}

// op(first) [m, k] op(second) [k, n] = c [m, n], column-major; 0 when the layouts do not fit together.
inline uint64_t InnerSize(const Matmul& desc, const Layout& first, const Layout& second, const Layout& c) {
  const bool first_t = desc.first == CUBLAS_OP_T, second_t = desc.second == CUBLAS_OP_T;
  const uint64_t m = first_t ? first.cols : first.rows, k = first_t ? first.rows : first.cols;
  const uint64_t n = second_t ? second.rows : second.cols, k2 = second_t ? second.cols : second.rows;
  const auto holds = [](const Layout& x) { return x.ld >= static_cast<int64_t>(x.rows); };
  const bool fits = m == c.rows && n == c.cols && k == k2 && holds(first) && holds(second) && holds(c) &&
                    first.type == CUDA_R_16BF && second.type == CUDA_R_16BF;
  return fits ? k : 0;
}

inline int Heuristic(void*, void* desc, void* a, void* b, void* c, void*, void* preference, int,
                     cuda::CublasLtHeuristicResult* result, int* found) {
  const auto& wishes = *static_cast<Preference*>(preference);
  ++TheTwin().heuristics;
  TheTwin().workspace_limit = wishes.workspace_bytes;
  *found = 0;
  if (wishes.alignments != 4 || wishes.reduction != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) return kInvalidValue;
  if (InnerSize(*static_cast<Matmul*>(desc), *static_cast<Layout*>(a), *static_cast<Layout*>(b),
                *static_cast<Layout*>(c)) == 0) {
    return kInvalidValue;
  }
  if (TheTwin().has_no_algorithm || wishes.workspace_bytes < kWorkspaceBytes) return CUBLAS_STATUS_SUCCESS;
  *result = {};
  result->algorithm.data[0] = kAlgorithm;
  result->workspace_bytes = kWorkspaceBytes;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

// A matrix of the card, brought to the host; columns lie one after the other.
struct HostMatrix {
  HostMatrix(const void* device, const Layout& layout) : layout_(layout) {
    const uint64_t elements = static_cast<uint64_t>(layout.ld) * (layout.cols - 1) + layout.rows;
    bytes_.resize(elements * Width());
    RLVR_CUDA_CHECK(cudaMemcpy(bytes_.data(), device, bytes_.size(), cudaMemcpyDeviceToHost));
  }
  void Return(void* device) const {
    RLVR_CUDA_CHECK(cudaMemcpy(device, bytes_.data(), bytes_.size(), cudaMemcpyHostToDevice));
  }
  float Get(uint64_t row, uint64_t col) const {
    float value;
    if (layout_.type == CUDA_R_32F) {
      std::memcpy(&value, Place(row, col), sizeof value);
    } else {
      uint16_t bits;
      std::memcpy(&bits, Place(row, col), sizeof bits);
      value = Bf16ToF32(bits);
    }
    return value;
  }
  void Set(uint64_t row, uint64_t col, double value) {
    const auto single = static_cast<float>(value);
    const uint16_t bits = F32ToBf16(single);
    std::byte* to = const_cast<std::byte*>(Place(row, col));
    if (layout_.type == CUDA_R_32F) {
      std::memcpy(to, &single, sizeof single);
    } else {
      std::memcpy(to, &bits, sizeof bits);
    }
  }

 private:
  size_t Width() const { return layout_.type == CUDA_R_32F ? sizeof(float) : sizeof(uint16_t); }
  const std::byte* Place(uint64_t row, uint64_t col) const {
    return bytes_.data() + (col * static_cast<uint64_t>(layout_.ld) + row) * Width();
  }
  Layout layout_;
  std::vector<std::byte> bytes_;
};

inline int Multiply(void*, void* desc, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout,
                    const void* beta, const void* c, void* c_layout, void* d, void* d_layout,
                    const cuda::CublasLtAlgorithm* algorithm, void* workspace, size_t workspace_bytes, cudaStream_t) {
  if (TheTwin().matmul_status != CUBLAS_STATUS_SUCCESS) return TheTwin().matmul_status;
  const auto& matmul = *static_cast<Matmul*>(desc);
  const Layout &first = *static_cast<Layout*>(a_layout), &second = *static_cast<Layout*>(b_layout);
  const Layout& result = *static_cast<Layout*>(c_layout);
  const uint64_t inner = InnerSize(matmul, first, second, result);
  if (inner == 0 || c != d || c_layout != d_layout || algorithm->data[0] != kAlgorithm || !workspace ||
      workspace_bytes < kWorkspaceBytes) {
    return kInvalidValue;
  }
  const HostMatrix left(a, first), right(b, second);
  HostMatrix out(c, result);
  const float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  const bool left_t = matmul.first == CUBLAS_OP_T, right_t = matmul.second == CUBLAS_OP_T;
  for (uint64_t col = 0; col < result.cols; ++col) {
    for (uint64_t row = 0; row < result.rows; ++row) {
      double sum = 0;
      for (uint64_t k = 0; k < inner; ++k) {
        sum += double{left_t ? left.Get(k, row) : left.Get(row, k)} * (right_t ? right.Get(col, k) : right.Get(k, col));
      }
      out.Set(row, col, scale * sum + (keep != 0 ? keep * double{out.Get(row, col)} : 0.0));
    }
  }
  out.Return(d);
  ++TheTwin().products;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace cublaslt_twin

inline cuda::CublasLtFunctions TwinFunctions() {
  namespace twin = cublaslt_twin;
  cuda::CublasLtFunctions functions{};
  functions.create = [](void** handle) { return twin::Make<twin::Handle>(handle); };
  functions.destroy = twin::Destroy<twin::Handle>;
  functions.version = []() -> size_t { return 130203; };
  functions.matmul_desc_create = [](void** desc, int compute, int scale) {
    const bool known = compute == twin::CUBLAS_COMPUTE_32F && scale == twin::CUDA_R_32F;
    return known ? twin::Make<twin::Matmul>(desc) : twin::kInvalidValue;
  };
  functions.matmul_desc_destroy = twin::Destroy<twin::Matmul>;
  functions.matmul_desc_set = twin::SetMatmul;
  functions.layout_create = [](void** layout, int type, uint64_t rows, uint64_t cols, int64_t ld) {
    return twin::Make<twin::Layout>(layout, type, rows, cols, ld);
  };
  functions.layout_destroy = twin::Destroy<twin::Layout>;
  functions.preference_create = [](void** preference) { return twin::Make<twin::Preference>(preference); };
  functions.preference_destroy = twin::Destroy<twin::Preference>;
  functions.preference_set = twin::SetPreference;
  functions.heuristic = twin::Heuristic;
  functions.matmul = twin::Multiply;
  return functions;
}

}  // namespace rlvr::test
