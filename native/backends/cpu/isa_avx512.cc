// The kernels compiled for AVX-512 F, BW, DQ and VL.
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
#define RLVR_ISA_NAMESPACE isa_avx512
#define RLVR_ISA_NAME "avx512"
#define RLVR_ISA_AVX512
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns of its own undefined vectors
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#include "backends/cpu/kernels-inl.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace rlvr::cpu {
const Kernels* Avx512Kernels() { return &isa_avx512::kTable; }
}  // namespace rlvr::cpu
#else
namespace rlvr::cpu {
const Kernels* Avx512Kernels() { return nullptr; }
}  // namespace rlvr::cpu
#endif
