// The one exception of the engine: a code that programs read and a message that people read.
#pragma once

#include <stdexcept>
#include <string>

namespace rlvr {

enum class ErrorCode {
  kBadArgument,    // RLVR_BAD_ARGUMENT: the caller's values are wrong
  kBadCheckpoint,  // RLVR_BAD_CHECKPOINT: a model or adapter file is malformed or does not fit
  kBadState,       // RLVR_BAD_STATE: a training state file does not fit this run
  kUnsupported,    // RLVR_UNSUPPORTED_OP: valid input that this build or backend cannot handle
  kOutOfMemory,    // RLVR_OUT_OF_MEMORY: the memory limit or the machine is exhausted
  kIo,             // RLVR_IO: the operating system refused to read or write
  kCuda,           // RLVR_CUDA: no usable CUDA library, driver or card, or a CUDA call failed
  kAborted,        // RLVR_ABORTED: the caller asked to stop
  kDisposed,       // RLVR_DISPOSED: the engine was closed
  kBusy,           // RLVR_BUSY: another call runs on this engine
  kInternal,       // RLVR_INTERNAL: a bug here
};

// The code as JavaScript sees it, such as "RLVR_BAD_CHECKPOINT".
const char* CodeName(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Joins its arguments into one string: Concat("row ", 3, " of ", 7).
template <typename... Parts>
std::string Concat(const Parts&... parts);

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace rlvr

#include <sstream>

namespace rlvr {
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::ostringstream out;
  ((out << parts), ...);
  return out.str();
}
}  // namespace rlvr

// What must hold whatever the input; a failure is a bug and throws RLVR_INTERNAL.
#define RLVR_CHECK(condition, ...)                                                                      \
  do {                                                                                                  \
    if (!(condition)) ::rlvr::CheckFailed(#condition, __FILE__, __LINE__, ::rlvr::Concat(__VA_ARGS__)); \
  } while (0)

#ifdef NDEBUG
#define RLVR_DCHECK(condition, ...) ((void)0)
#else
#define RLVR_DCHECK(condition, ...) RLVR_CHECK(condition, __VA_ARGS__)
#endif
