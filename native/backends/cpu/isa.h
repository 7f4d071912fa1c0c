// Which instruction set's kernels run here.
#pragma once

#include <string>
#include <vector>

#include "backends/cpu/kernels.h"

namespace rlvr::cpu {

// Tables that this processor and operating system can run, fastest last.
std::vector<const Kernels*> OfferedKernels();
// The fastest, or the one that RLVR_CPU_ISA names; RLVR_BAD_ARGUMENT when it names none of the offered.
const Kernels& ChooseKernels();

}  // namespace rlvr::cpu
