// Announces to ThreadSanitizer what it cannot see: fibers, and what the emulator (compiled without it) does on a
// kernel's behalf. Nothing in other builds.
#pragma once

#include <cstddef>

#ifdef RLVR_EMULATOR_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, size_t bytes);
void __tsan_write_range(void* address, size_t bytes);
void __tsan_func_entry(void* caller);
void __tsan_func_exit();
}
#endif

namespace rlvr::cuda::emulator::tsan {

#ifdef RLVR_EMULATOR_TSAN
constexpr bool kEnabled = true;
inline void* CurrentFiber() { return __tsan_get_current_fiber(); }
inline void* CreateFiber() { return __tsan_create_fiber(0); }
inline void DestroyFiber(void* fiber) { __tsan_destroy_fiber(fiber); }
inline void SwitchTo(void* fiber) { __tsan_switch_to_fiber(fiber, 1); }  // 1: a switch orders nothing
inline void Acquire(void* address) { __tsan_acquire(address); }
inline void Release(void* address) { __tsan_release(address); }
inline void NoteRead(const void* address, size_t bytes) { __tsan_read_range(const_cast<void*>(address), bytes); }
inline void NoteWrite(void* address, size_t bytes) { __tsan_write_range(address, bytes); }

// While it lives, reports show the kernel's line that called: KernelCall call(__builtin_return_address(0));
class KernelCall {
 public:
  explicit KernelCall(void* return_address) { __tsan_func_entry(return_address); }
  ~KernelCall() { __tsan_func_exit(); }
  KernelCall(const KernelCall&) = delete;
  KernelCall& operator=(const KernelCall&) = delete;
};
#else
constexpr bool kEnabled = false;
inline void* CurrentFiber() { return nullptr; }
inline void* CreateFiber() { return nullptr; }
inline void DestroyFiber(void*) {}
inline void SwitchTo(void*) {}
inline void Acquire(void*) {}
inline void Release(void*) {}
inline void NoteRead(const void*, size_t) {}
inline void NoteWrite(void*, size_t) {}
class KernelCall {
 public:
  explicit KernelCall(void*) {}
};
#endif

}  // namespace rlvr::cuda::emulator::tsan
