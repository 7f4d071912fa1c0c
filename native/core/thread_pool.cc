#include "core/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace rlvr {

namespace {
// Spins about this long for the next loop before sleeping: a decode step is a chain of short loops.
constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

int CgroupQuota() {
  long long quota = -1, period = 0;
  if (std::FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    if (std::fscanf(file, "%lld %lld", &quota, &period) != 2) quota = -1;
    std::fclose(file);
  }
  return quota > 0 && period > 0 ? static_cast<int>((quota + period - 1) / period) : 0;
}
}  // namespace

int AvailableCores() {
  int cores = 0;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  if (cores <= 0) cores = static_cast<int>(std::thread::hardware_concurrency());
  const int quota = CgroupQuota();
  if (quota > 0 && quota < cores) cores = quota;
  return cores > 0 ? cores : 1;
}

struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  int sleepers = 0;  // under mutex
  const std::function<void(int64_t, int64_t, int)>* body = nullptr;
  int64_t count = 0;
  std::mutex error_mutex;
  std::exception_ptr error;

  void RunPart(int thread, int threads) {
    const int64_t begin = count * thread / threads, end = count * (thread + 1) / threads;
    if (begin == end) return;
    try {
      (*body)(begin, end, thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void Work(int thread, int threads) {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation.load(std::memory_order_acquire) == seen && !stop; ++spin) Pause();
      if (generation.load(std::memory_order_acquire) == seen && !stop) {
        std::unique_lock<std::mutex> lock(mutex);
        ++sleepers;
        wake.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen || stop; });
        --sleepers;
      }
      if (stop) return;
      seen = generation.load(std::memory_order_acquire);
      RunPart(thread, threads);
      running.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : AvailableCores()), state_(std::make_unique<State>()) {
  for (int i = 1; i < threads_; ++i) state_->workers.emplace_back([this, i] { state_->Work(i, threads_); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::ParallelFor(int64_t count, const std::function<void(int64_t, int64_t, int)>& body) {
  if (count <= 0) return;
  if (threads_ == 1 || count == 1) {
    body(0, count, 0);
    return;
  }
  State& s = *state_;
  s.body = &body;
  s.count = count;
  s.running.store(threads_ - 1, std::memory_order_relaxed);
  bool asleep;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    s.generation.fetch_add(1, std::memory_order_release);
    asleep = s.sleepers > 0;
  }
  if (asleep) s.wake.notify_all();
  s.RunPart(0, threads_);
  for (int spin = 0; s.running.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();  // the core is shared: let the worker have it
    }
  }
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace rlvr
