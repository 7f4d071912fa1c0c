// A process-wide pool for data-parallel loops. Not OpenMP: its threads crash when Node unloads an addon in a worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "core/available_cores.h"

namespace rlvr {

class ThreadPool {
 public:
  // threads: how many run a loop, the caller included; 0 takes AvailableCores().
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  int threads() const { return threads_; }

  // Calls body(begin, end, thread) once for each of up to threads() contiguous parts of [0, count).
  // Parts depend on count and threads() alone. An exception of a part is rethrown here after all have ended.
  // One loop at a time, and none inside another (RLVR_INTERNAL): its threads are taken.
  void ParallelFor(int64_t count, const std::function<void(int64_t begin, int64_t end, int thread)>& body);

 private:
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace rlvr
