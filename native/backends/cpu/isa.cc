// Which instruction set's kernels run here, by CPUID.
#include "backends/cpu/isa.h"

#include <cstdlib>

#include "backends/backend.h"
#include "core/error.h"

namespace rlvr {

namespace cpu {

std::vector<const Kernels*> OfferedKernels() {
  std::vector<const Kernels*> offered = {BaselineKernels()};
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2) offered.push_back(Avx2Kernels());
  if (avx512) offered.push_back(Avx512Kernels());
#endif
  return offered;
}

const Kernels& ChooseKernels() {
  const std::vector<const Kernels*> offered = OfferedKernels();
  const char* wanted = std::getenv("RLVR_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return *offered.back();
  std::string names;
  for (const Kernels* kernels : offered) {
    if (std::string(kernels->name) == wanted) return *kernels;
    names += names.empty() ? "" : ", ";
    names += kernels->name;
  }
  throw Error(ErrorCode::kBadArgument, Concat("[cpu] RLVR_CPU_ISA is \"", wanted, "\"; this machine offers: ", names,
                                              ". Unset it to take the fastest."));
}

}  // namespace cpu

std::vector<std::string> CpuIsas() {
  std::vector<std::string> names;
  for (const cpu::Kernels* kernels : cpu::OfferedKernels()) names.push_back(kernels->name);
  return names;
}

}  // namespace rlvr
