// A fiber: a stack that the scheduler switches to and from. All fibers of a launch live on one operating system thread.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace rlvr::cuda::emulator {

class Fiber {
 public:
  Fiber() = default;  // for AdoptThread
  explicit Fiber(size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Makes this object stand for the calling thread and the stack it has.
  void AdoptThread();
  // The next switch to this fiber calls `entry` on an empty stack. `entry` calls Entered() first and LeaveFor() last.
  void Start(void (*entry)());
  static void Entered();
  // Leaves this fiber, which is the one that runs, for `next`; returns when something switches back.
  void SwitchTo(Fiber& next) { Switch(next, false); }
  // The same for the last time: this fiber has ended, and may be started anew.
  [[noreturn]] void LeaveFor(Fiber& next);

 private:
  void Switch(Fiber& next, bool ends);

#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_;
#endif
  char* stack_ = nullptr;
  size_t stack_bytes_ = 0;
  bool owns_stack_ = false;
  void* tsan_fiber_ = nullptr;
  void* asan_fake_stack_ = nullptr;
};

}  // namespace rlvr::cuda::emulator
