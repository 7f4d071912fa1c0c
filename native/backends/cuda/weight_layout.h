// How packed weights lie in device memory. Pure host code: plans need the sizes on machines without CUDA.
#pragma once

#include "core/dtype.h"

namespace rlvr::cuda {

// Bytes of a packed matrix [out, in] of this stored type.
size_t PackedBytes(DType dtype, int64_t out, int64_t in);

}  // namespace rlvr::cuda
