// Backends by name. They never include one another.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace rlvr {

// name: "cpu" (fast, F32), "reference" (plain definition: F32 storage, sums in double) or "reference-f64" (all double).
// Throws RLVR_UNSUPPORTED_OP with the known names for any other.
std::unique_ptr<Ops> CreateBackend(const std::string& name, ThreadPool& pool);
std::vector<std::string> BackendNames();

std::unique_ptr<Ops> CreateReferenceBackend(DType activation);
std::unique_ptr<Ops> CreateCpuBackend(ThreadPool& pool);
// Instruction sets of the cpu backend that this machine runs, fastest last; RLVR_CPU_ISA forces one of them.
std::vector<std::string> CpuIsas();

}  // namespace rlvr
