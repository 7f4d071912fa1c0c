// Backends by name.
#include "backends/backend.h"

namespace rlvr {

std::vector<std::string> BackendNames() { return {"cpu", "reference", "reference-f64"}; }

std::unique_ptr<Ops> CreateBackend(const std::string& name, ThreadPool& pool) {
  if (name == "cpu") return CreateCpuBackend(pool);
  if (name == "reference") return CreateReferenceBackend(DType::kF32);
  if (name == "reference-f64") return CreateReferenceBackend(DType::kF64);
  std::string known;
  for (const std::string& candidate : BackendNames()) known += (known.empty() ? "" : ", ") + candidate;
  throw Error(ErrorCode::kUnsupported, Concat("[backend] asked for backend \"", name, "\"; this build has ", known,
                                              ". Choose one of these in engine.backend."));
}

}  // namespace rlvr
