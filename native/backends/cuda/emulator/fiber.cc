#include "backends/cuda/emulator/fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "backends/cuda/emulator/tsan.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Pushes the registers that a called function must keep, exchanges the stacks, pops those of the other side.
extern "C" void rlvr_emulator_switch(void** save, void* load);
asm(R"(
.text
.globl rlvr_emulator_switch
.hidden rlvr_emulator_switch
.type rlvr_emulator_switch, @function
rlvr_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size rlvr_emulator_switch, .-rlvr_emulator_switch
)");
#endif

namespace rlvr::cuda::emulator {

namespace {
constexpr size_t kGuardBytes = 4096;  // below the stack: an overflow crashes instead of spoiling a neighbour
}

Fiber::Fiber(size_t stack_bytes) : stack_bytes_(stack_bytes), owns_stack_(true), tsan_fiber_(tsan::CreateFiber()) {
  void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuardBytes, PROT_NONE);
  stack_ = static_cast<char*>(memory);
}

Fiber::~Fiber() {
  if (!owns_stack_) return;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, stack_bytes_);
#endif
  munmap(stack_, stack_bytes_);
  tsan::DestroyFiber(tsan_fiber_);
}

void Fiber::AdoptThread() {
  tsan_fiber_ = tsan::CurrentFiber();
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  void* bottom = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &bottom, &stack_bytes_);
    pthread_attr_destroy(&attributes);
  }
  stack_ = static_cast<char*>(bottom);
#endif
}

void Fiber::Start(void (*entry)()) {
#if defined(__x86_64__)
  // What rlvr_emulator_switch pops: six registers, the address of the entry, and a return address that is never used.
  // The stack pointer is 8 off a multiple of 16 on entry, as after a call.
  void** top = reinterpret_cast<void**>(stack_ + stack_bytes_ - 64);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  stack_pointer_ = top;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = stack_bytes_;
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
#endif
}

void Fiber::Entered() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void Fiber::Switch(Fiber& next, [[maybe_unused]] bool ends) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(ends ? nullptr : &asan_fake_stack_, next.stack_, next.stack_bytes_);
#endif
  tsan::SwitchTo(next.tsan_fiber_);
#if defined(__x86_64__)
  rlvr_emulator_switch(&stack_pointer_, next.stack_pointer_);
#else
  swapcontext(&context_, &next.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(asan_fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::LeaveFor(Fiber& next) {
  Switch(next, true);
  std::abort();
}

}  // namespace rlvr::cuda::emulator
