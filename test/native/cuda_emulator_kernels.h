// Kernels for the tests of the emulator: right ones, and ones with one planted bug each. Pointers are device memory.
#pragma once

#include <string>

#include "backends/cuda/device.h"

namespace rlvr::cuda {

// c [rows, cols] F32 = a [rows, depth] b [cols, depth]^T by tensor cores, tiles of 32 x 32 x 32 copied two ahead. Sizes
// are multiples of 32. `padding` elements follow each row of a tile in shared memory: 0 or 8.
void LaunchProduct(const Bf16* a, const Bf16* b, float* c, int rows, int cols, int depth, int padding,
                   cudaStream_t stream = nullptr);

// The name LaunchProduct gives its kernel.
std::string ProductName(int padding);

// d [16, 8] = a [16, 16] b [16, 8] with each lane gathering its fragments element by element.
void LaunchOneProduct(const Bf16* a, const Bf16* b, float* d);

// y [rows, cols] = softmax of the rows of x; 128 threads a row.
void LaunchSoftmax(const float* x, float* y, int rows, int cols, cudaStream_t stream = nullptr);

// Every shuffle and vote once; y [8, 32] by lane, as the test computes it from the lanes' numbers.
void LaunchWarpTour(int* y);

// y[i] = x[i] * factor.
void LaunchScale(const float* x, float* y, float factor, int count, cudaStream_t stream = nullptr);

// codes [3, count]: Bf16 bits, E4M3 code, and the E4M3 code's value rounded to Bf16.
void LaunchConvert(const float* x, uint16_t* codes, int count);

// A bug by name; `x` and `y` are 4096 floats of device memory. Throws std::out_of_range for a name that is not there.
void LaunchBug(const std::string& name, const float* x, float* y);

}  // namespace rlvr::cuda
