// The tensor-core instructions: the 16x8x16 product and the matrix loads that feed it. Fragment layouts are those of
// the PTX manual (mma.m16n8k16, ldmatrix); device_ptx.h repeats them.
#pragma once

#include <cstdint>

#include "backends/cuda/emulator/kernel.h"

namespace rlvr::cuda::emulator {

void Mma(float* d, const uint32_t* a, const uint32_t* b, const Site& site);
// `matrices` is 2 or 4.
void LoadMatrices(uint32_t* r, const void* shared_row, int matrices, bool transposed, const Site& site);

}  // namespace rlvr::cuda::emulator
