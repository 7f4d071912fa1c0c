#include "backends/cuda/cublaslt.h"

#include <dlfcn.h>

#include <utility>

#include "core/error.h"

namespace rlvr::cuda {

namespace {

using namespace cublaslt;

// Row counts vary from batch to batch, so shapes never end; a full cache starts anew.
constexpr size_t kMaxPlans = 512;
constexpr uint32_t kAlignmentBytes = 16;  // what MultiplyByLibrary() promises of every matrix; the default is 256

template <typename Function>
void Find(void* library, const std::string& path, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function) {
    throw Error(ErrorCode::kUnsupported, Concat("[cuda] ", path, " has no function ", name,
                                                ": it is not cuBLASLt 12 or 13. Set RLVR_CUBLAS to one, or to off."));
  }
}

}  // namespace

CublasLtFunctions LoadCublasLt(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw Error(ErrorCode::kUnsupported,
                Concat("[cuda] cannot load ", path, ": ", reason ? reason : "no reason given"));
  }
  CublasLtFunctions functions{};
  Find(library, path, "cublasLtCreate", functions.create);
  Find(library, path, "cublasLtDestroy", functions.destroy);
  Find(library, path, "cublasLtGetVersion", functions.version);
  Find(library, path, "cublasLtMatmulDescCreate", functions.matmul_desc_create);
  Find(library, path, "cublasLtMatmulDescDestroy", functions.matmul_desc_destroy);
  Find(library, path, "cublasLtMatmulDescSetAttribute", functions.matmul_desc_set);
  Find(library, path, "cublasLtMatrixLayoutCreate", functions.layout_create);
  Find(library, path, "cublasLtMatrixLayoutDestroy", functions.layout_destroy);
  Find(library, path, "cublasLtMatmulPreferenceCreate", functions.preference_create);
  Find(library, path, "cublasLtMatmulPreferenceDestroy", functions.preference_destroy);
  Find(library, path, "cublasLtMatmulPreferenceSetAttribute", functions.preference_set);
  Find(library, path, "cublasLtMatmulAlgoGetHeuristic", functions.heuristic);
  Find(library, path, "cublasLtMatmul", functions.matmul);
  return functions;
}

// The descriptors of a shape and the algorithm chosen for it.
struct CublasLt::Plan {
  const CublasLtFunctions& functions;
  void* desc = nullptr;
  void* a = nullptr;
  void* b = nullptr;
  void* c = nullptr;
  void* preference = nullptr;
  CublasLtHeuristicResult choice{};
  bool usable = false;

  explicit Plan(const CublasLtFunctions& table) : functions(table) {}
  ~Plan() {
    if (preference) functions.preference_destroy(preference);
    for (void* layout : {a, b, c}) {
      if (layout) functions.layout_destroy(layout);
    }
    if (desc) functions.matmul_desc_destroy(desc);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
};

CublasLt::CublasLt(const CublasLtFunctions& functions, std::string path)
    : functions_(functions), path_(std::move(path)) {
  const int status = functions_.create(&handle_);
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw Error(ErrorCode::kCuda, Concat("[cuda] cublasLtCreate of ", path_, " failed with status ", status,
                                         ": it found no usable card or driver. Update the driver, or set "
                                         "RLVR_CUBLAS=off to compute without the library."));
  }
}

CublasLt::~CublasLt() {
  plans_.clear();
  functions_.destroy(handle_);
}

std::string CublasLt::version() const {
  const size_t number = functions_.version();
  return Concat(number / 10000, ".", number / 100 % 100, ".", number % 100);
}

std::shared_ptr<CublasLt::Plan> CublasLt::PlanOf(const GemmCall& call, size_t workspace_bytes) {
  const Key key{call.m,
                call.n,
                call.k,
                call.lda,
                call.ldb,
                call.ldc,
                call.a_transposed + 2 * call.b_transposed,
                call.c_is_f32 + 2 * call.accumulate,
                static_cast<int64_t>(workspace_bytes)};
  if (const auto known = plans_.find(key); known != plans_.end()) return known->second;

  const auto plan = std::make_shared<Plan>(functions_);
  plan->usable = Describe(call, workspace_bytes, *plan) && Choose(workspace_bytes, *plan);
  if (plans_.size() >= kMaxPlans) plans_.clear();
  return plans_[key] = plan;
}

// The library is column-major, and a row-major matrix is its transpose there. So it computes C^T [n, m] =
// op(B)^T op(A)^T with our B as its first operand: a stored B [k, n] is its [n, k] as it is, a transposed one, stored
// [n, k], is its [k, n] to be transposed; and likewise A.
bool CublasLt::Describe(const GemmCall& call, size_t workspace_bytes, Plan& plan) const {
  const int32_t first = call.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const int32_t second = call.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const auto layout = [&](void** to, int type, int64_t rows, int64_t cols, int64_t ld) {
    return functions_.layout_create(to, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), ld) ==
           CUBLAS_STATUS_SUCCESS;
  };
  const auto prefer = [&](int attribute, const auto& value) {
    return functions_.preference_set(plan.preference, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS;
  };
  return functions_.matmul_desc_create(&plan.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
         functions_.matmul_desc_set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first) ==
             CUBLAS_STATUS_SUCCESS &&
         functions_.matmul_desc_set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second) ==
             CUBLAS_STATUS_SUCCESS &&
         layout(&plan.a, CUDA_R_16BF, call.b_transposed ? call.k : call.n, call.b_transposed ? call.n : call.k,
                call.ldb) &&
         layout(&plan.b, CUDA_R_16BF, call.a_transposed ? call.m : call.k, call.a_transposed ? call.k : call.m,
                call.lda) &&
         layout(&plan.c, call.c_is_f32 ? CUDA_R_32F : CUDA_R_16BF, call.n, call.m, call.ldc) &&
         functions_.preference_create(&plan.preference) == CUBLAS_STATUS_SUCCESS &&
         prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(workspace_bytes)) &&
         // A cut sum is added in F32 and in a fixed order.
         prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) &&
         prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignmentBytes) &&
         prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignmentBytes) &&
         prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignmentBytes) &&
         prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignmentBytes);
}

bool CublasLt::Choose(size_t workspace_bytes, Plan& plan) const {
  int found = 0;
  const int status = functions_.heuristic(handle_, plan.desc, plan.a, plan.b, plan.c, plan.c, plan.preference, 1,
                                          &plan.choice, &found);
  return status == CUBLAS_STATUS_SUCCESS && found > 0 && plan.choice.status == CUBLAS_STATUS_SUCCESS &&
         plan.choice.workspace_bytes <= workspace_bytes;
}

bool CublasLt::Multiply(cudaStream_t stream, const GemmCall& call, void* workspace, size_t workspace_bytes) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<Plan> plan = PlanOf(call, workspace_bytes);
  if (!plan->usable) return false;
  const float alpha = call.alpha, beta = call.accumulate ? 1.0f : 0.0f;
  const int status =
      functions_.matmul(handle_, plan->desc, &alpha, call.b, plan->a, call.a, plan->b, &beta, call.c, plan->c, call.c,
                        plan->c, &plan->choice.algorithm, workspace, plan->choice.workspace_bytes, stream);
  plan->usable = status == CUBLAS_STATUS_SUCCESS;  // a refused shape is not tried again
  return plan->usable;
}

}  // namespace rlvr::cuda
