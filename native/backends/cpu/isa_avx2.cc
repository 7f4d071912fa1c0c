// The kernels compiled for AVX2 with FMA and F16C.
// The target is opened after the standard headers: what they define is compiled for any processor, so that the linker
// may keep this file's copy of an inline function.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

#include "backends/cpu/kernels.h"
#include "backends/cpu/weight_layout.h"
#include "quant/nf4.h"

#if defined(__x86_64__)
#define RLVR_ISA_NAMESPACE isa_avx2
#define RLVR_ISA_NAME "avx2"
#define RLVR_ISA_AVX2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif
#include "backends/cpu/kernels-inl.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace rlvr::cpu {
const Kernels* Avx2Kernels() { return &isa_avx2::kTable; }
}  // namespace rlvr::cpu
#else
namespace rlvr::cpu {
const Kernels* Avx2Kernels() { return nullptr; }
}  // namespace rlvr::cpu
#endif
