// Backends by name. They never include one another.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace rlvr {

// name: "cpu" (fast, F32), "reference" (plain definition: F32 storage, sums in double) or "reference-f64" (all double).
// "cuda" and "cuda-emulated" (the same kernels on the host) are loaded at run time: RLVR_CUDA says what is missing.
// Throws RLVR_UNSUPPORTED_OP with the known names for any other. fp8_kv: keys and values of rollouts in FP8, cuda only.
std::unique_ptr<Ops> CreateBackend(const std::string& name, ThreadPool& pool, bool fp8_kv = false);
std::vector<std::string> BackendNames();
// The types and sizes of "cuda" without a library or a card, for memory that is only planned; no op runs.
std::unique_ptr<Ops> CreateCudaPlan(bool fp8_kv);

std::unique_ptr<Ops> CreateReferenceBackend(DType activation);
std::unique_ptr<Ops> CreateCpuBackend(ThreadPool& pool);
// Instruction sets of the cpu backend that this machine runs, fastest last; RLVR_CPU_ISA forces one of them.
std::vector<std::string> CpuIsas();

}  // namespace rlvr
