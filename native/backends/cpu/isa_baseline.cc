// The kernels compiled for whatever the build targets: any processor.
#include <cstddef>
#include <cstdint>

#include "backends/cpu/kernels.h"
#include "backends/cpu/weight_layout.h"
#include "quant/nf4.h"

#define RLVR_ISA_NAMESPACE isa_baseline
#define RLVR_ISA_NAME "baseline"
#include "backends/cpu/kernels-inl.h"

namespace rlvr::cpu {
const Kernels* BaselineKernels() { return &isa_baseline::kTable; }
}  // namespace rlvr::cpu
