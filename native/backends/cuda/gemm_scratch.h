// Scratch of the matrix products: the parts of a sum that is cut along k, or the workspace of the matrix library. Only
// one of both is in use at a time.
#pragma once

#include <algorithm>

#include "backends/cuda/carver.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// From this many multiply-adds on a product goes to the library when there is one.
constexpr double kLibraryProducts = 512.0 * 512 * 512;

struct GemmScratch {
  std::byte* workspace = nullptr;
  size_t bytes = 0;

  GemmScratch() = default;
  GemmScratch(Carver& carver, const WorkspaceLimits& limits) : bytes(Bytes(limits)) {
    workspace = carver.Take<std::byte>(static_cast<int64_t>(bytes));
  }

 private:
  // Sums are cut until about two blocks run on each of 128 multiprocessors, and a block's tile has at most 64 x 128
  // elements: see gemm_plan.h.
  static constexpr size_t kPartialBytes = size_t{256} * 64 * 128 * sizeof(float);
  static constexpr size_t kLibraryBytes = size_t{32} << 20;  // what NVIDIA recommends for sm_90

  static size_t Bytes(const WorkspaceLimits& limits) {
    const double largest = static_cast<double>(limits.max_rows) * static_cast<double>(limits.max_in) *
                           static_cast<double>(std::max(limits.max_out, limits.dim));
    return largest >= kLibraryProducts ? kLibraryBytes : kPartialBytes;
  }
};

}  // namespace rlvr::cuda
