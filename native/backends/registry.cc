// Backends by name.
#include "backends/backend.h"

#include "backends/cuda_library.h"

namespace rlvr {

std::vector<std::string> BackendNames() { return {"cpu", "cuda", "cuda-emulated", "reference", "reference-f64"}; }

std::unique_ptr<Ops> CreateBackend(const std::string& name, ThreadPool& pool, bool fp8_kv) {
  if (name == "cpu") return CreateCpuBackend(pool);
  if (name == "cuda") return CreateCudaBackend(CudaLibrary::kCuda, fp8_kv);
  if (name == "cuda-emulated") return CreateCudaBackend(CudaLibrary::kEmulated, fp8_kv);
  if (name == "reference") return CreateReferenceBackend(DType::kF32);
  if (name == "reference-f64") return CreateReferenceBackend(DType::kF64);
  std::string known;
  for (const std::string& candidate : BackendNames()) known += (known.empty() ? "" : ", ") + candidate;
  throw Error(ErrorCode::kUnsupported, Concat("[backend] asked for backend \"", name, "\"; this build has ", known,
                                              ". Choose one of these in engine.backend."));
}

}  // namespace rlvr
