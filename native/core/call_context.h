// What a long call looks at while it runs: a request to stop, and who wants to know how far it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "core/error.h"

namespace rlvr {

// done of total, in units that the call names (tokens or groups). Called on the engine's thread.
using Progress = std::function<void(int64_t done, int64_t total)>;
struct CallContext {
  std::atomic<bool>* cancelled = nullptr;  // checked once a token or a layer; then RLVR_ABORTED
  Progress progress;
};

inline void ThrowIfCancelled(const CallContext& context) {
  if (context.cancelled && context.cancelled->load(std::memory_order_relaxed)) {
    throw Error(ErrorCode::kAborted, "[engine] the call was aborted.");
  }
}

}  // namespace rlvr
