#include "core/error.h"

#include <cstring>

namespace rlvr {

const char* CodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadArgument: return "RLVR_BAD_ARGUMENT";
    case ErrorCode::kBadCheckpoint: return "RLVR_BAD_CHECKPOINT";
    case ErrorCode::kBadState: return "RLVR_BAD_STATE";
    case ErrorCode::kUnsupported: return "RLVR_UNSUPPORTED_OP";
    case ErrorCode::kOutOfMemory: return "RLVR_OUT_OF_MEMORY";
    case ErrorCode::kIo: return "RLVR_IO";
    case ErrorCode::kCuda: return "RLVR_CUDA";
    case ErrorCode::kAborted: return "RLVR_ABORTED";
    case ErrorCode::kDisposed: return "RLVR_DISPOSED";
    case ErrorCode::kBusy: return "RLVR_BUSY";
    case ErrorCode::kInternal: return "RLVR_INTERNAL";
  }
  return "RLVR_INTERNAL";
}

void CheckFailed(const char* condition, const char* file, int line, const std::string& message) {
  const char* slash = std::strrchr(file, '/');
  throw Error(ErrorCode::kInternal,
              Concat("[engine] check failed at ", slash ? slash + 1 : file, ":", line, ": ", condition,
                     message.empty() ? "" : ": ", message, ". This is a bug in rlvr-node; please report it."));
}

}  // namespace rlvr
