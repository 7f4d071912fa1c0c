#include "core/thread_pool.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/available_cores.h"
#include "core/error.h"

namespace rlvr {

namespace {
// A thread spins about this long for the next loop before it sleeps: a decode step is a chain of short loops, and
// waking a sleeping thread costs 10 to 30 microseconds, a spinning one less than one.
constexpr std::chrono::microseconds kSpin{60};
constexpr int kPausesPerLook = 64;  // at the clock: about two microseconds

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Spins until done() or for kSpin; whether done.
template <typename Done>
bool Spin(const Done& done) {
  for (int i = 0; i < kPausesPerLook; ++i) {  // the usual case asks no clock
    if (done()) return true;
    Pause();
  }
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

thread_local const ThreadPool* running_pool = nullptr;  // whose loop this thread is in

class InLoop {
 public:
  explicit InLoop(const ThreadPool* pool) : before_(std::exchange(running_pool, pool)) {}
  ~InLoop() { running_pool = before_; }

 private:
  const ThreadPool* before_;
};
}  // namespace

struct ThreadPool::State {
  explicit State(int threads) : begun(static_cast<size_t>(threads)) {}
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<uint64_t> generation{0};
  std::atomic<int> running{0};
  // The loop whose part was last begun, for each worker. A worker takes its part so, and the caller takes the parts of
  // workers that have not come: on a shared core a loop does not wait for one that sleeps.
  std::vector<std::atomic<uint64_t>> begun;
  std::atomic<bool> stop{false};
  int sleepers = 0;  // under mutex
  const std::function<void(int64_t, int64_t, int)>* body = nullptr;
  int64_t count = 0;
  std::mutex error_mutex;
  std::exception_ptr error;

  void RunPart(const ThreadPool* pool, int thread, int threads) {
    const InLoop in_loop(pool);
    const int64_t begin = count * thread / threads, end = count * (thread + 1) / threads;
    if (begin == end) return;
    try {
      (*body)(begin, end, thread);
    } catch (...) {
      std::lock_guard<std::mutex> lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  // Whether `thread`'s part of loop `loop` is now the caller's of this function to run.
  bool Begin(int thread, uint64_t loop) {
    std::atomic<uint64_t>& last = begun[static_cast<size_t>(thread)];
    uint64_t before = last.load(std::memory_order_relaxed);
    return before < loop && last.compare_exchange_strong(before, loop, std::memory_order_acq_rel);
  }

  void Work(const ThreadPool* pool, int thread, int threads) {
    uint64_t seen = 0;
    const auto called = [&] { return generation.load(std::memory_order_acquire) != seen || stop; };
    for (;;) {
      if (!Spin(called)) {
        std::unique_lock<std::mutex> lock(mutex);
        ++sleepers;
        wake.wait(lock, called);
        --sleepers;
      }
      if (stop) return;
      seen = generation.load(std::memory_order_acquire);
      if (!Begin(thread, seen)) continue;
      RunPart(pool, thread, threads);
      running.fetch_sub(1, std::memory_order_release);
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : threads_(threads > 0 ? threads : AvailableCores()), state_(std::make_unique<State>(threads_)) {
  for (int i = 1; i < threads_; ++i) state_->workers.emplace_back([this, i] { state_->Work(this, i, threads_); });
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
  RLVR_CHECK(running_pool != this, "a parallel loop inside a loop of the same pool");
  if (count <= 0) return;
  if (threads_ == 1 || count == 1) {
    const InLoop in_loop(this);
    body(0, count, 0);
    return;
  }
  State& s = *state_;
  s.body = &body;
  s.count = count;
  s.running.store(threads_ - 1, std::memory_order_relaxed);
  uint64_t loop;
  bool asleep;
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    loop = s.generation.fetch_add(1, std::memory_order_release) + 1;
    asleep = s.sleepers > 0;
  }
  if (asleep) s.wake.notify_all();
  s.RunPart(this, 0, threads_);
  for (int thread = 1; thread < threads_; ++thread) {
    if (!s.Begin(thread, loop)) continue;
    s.RunPart(this, thread, threads_);
    s.running.fetch_sub(1, std::memory_order_release);
  }
  const auto ended = [&] { return s.running.load(std::memory_order_acquire) == 0; };
  // The core may be shared: then the worker should have it.
  if (!Spin(ended)) {
    while (!ended()) std::this_thread::yield();
  }
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace rlvr
