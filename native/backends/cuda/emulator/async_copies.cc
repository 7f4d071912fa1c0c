#include "backends/cuda/emulator/async_copies.h"

#include <cstring>

#include "backends/cuda/emulator/tsan.h"

namespace rlvr::cuda::emulator {

namespace {

constexpr size_t kCopyBytes = 16;

// Both ends are in use from the call to the wait, so both moments are shown to the race detector.
void NoteUse(const AsyncCopies::Copy& copy) {
  tsan::NoteWrite(copy.to, kCopyBytes);
  if (copy.from) tsan::NoteRead(copy.from, kCopyBytes);
}

void Perform(const AsyncCopies::Copy& copy) {
  NoteUse(copy);
  if (copy.from) {
    std::memcpy(copy.to, copy.from, kCopyBytes);
  } else {
    std::memset(copy.to, 0, kCopyBytes);
  }
}

}  // namespace

void AsyncCopies::Reset() {
  copies_.clear();
  group_ = 0;
}

void AsyncCopies::Add(const Copy& copy, bool at_once) {
  if (at_once) {
    Perform(copy);
    return;
  }
  NoteUse(copy);
  std::memset(copy.to, 0xff, kCopyBytes);  // NaN in every float type, until waited for
  copies_.push_back(copy);
}

void AsyncCopies::Wait(size_t pending) {
  size_t done = 0;
  while (done < copies_.size() && copies_[done].group + pending < group_) Perform(copies_[done++]);
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace rlvr::cuda::emulator
