// The cp.async copies of one thread that are under way.
#pragma once

#include <cstddef>
#include <vector>

#include "backends/cuda/emulator/kernel.h"

namespace rlvr::cuda::emulator {

class AsyncCopies {
 public:
  struct Copy {
    void* to;
    const void* from;  // null: zeros
    size_t group;
    Site site;
  };

  void Reset();
  // Performs the copy now, or at the wait for its group.
  void Add(const Copy& copy, bool at_once);
  void Add(void* to, const void* from, const Site& site, bool at_once) { Add({to, from, group_, site}, at_once); }
  void Commit() { ++group_; }
  // Performs all but the `pending` newest committed groups.
  void Wait(size_t pending);
  // The oldest copy that nobody waited for, or null.
  const Copy* Unfinished() const { return copies_.empty() ? nullptr : &copies_.front(); }

 private:
  std::vector<Copy> copies_;  // oldest first
  size_t group_ = 0;          // the open one; earlier ones are committed
};

}  // namespace rlvr::cuda::emulator
