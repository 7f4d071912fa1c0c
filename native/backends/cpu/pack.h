// Repacks weights from the order of their file into panels (weight_layout.h).
#pragma once

#include "core/thread_pool.h"
#include "ops/ops.h"

namespace rlvr::cpu {

size_t PackedBytes(DType dtype, int64_t out, int64_t in);
void Pack(ThreadPool& pool, const WeightSource& source, PackedWeight& w);

}  // namespace rlvr::cpu
