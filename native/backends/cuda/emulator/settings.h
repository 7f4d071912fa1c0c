// How the emulated machine behaves. Read once from the environment (each field names its variable), then settable.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rlvr::cuda::emulator {

enum class ThreadOrder { kAscending, kDescending, kRandom };
// When a cp.async takes place: at the wait (the destination reads as NaN until then), at once, or either by a coin.
enum class AsyncCopy { kLate, kEarly, kRandom };
enum class Fault { kNone, kNoDevice, kOldDriver };

struct Settings {
  ThreadOrder order = ThreadOrder::kAscending;       // RLVR_EMULATOR_ORDER: ascending, descending, random
  AsyncCopy async_copy = AsyncCopy::kLate;           // RLVR_EMULATOR_ASYNC: late, early, random
  uint64_t seed = 1;                                 // RLVR_EMULATOR_SEED, of what is random
  Fault fault = Fault::kNone;                        // RLVR_EMULATOR_FAULT: no-device, old-driver
  size_t memory_bytes = size_t{24} << 30;            // RLVR_EMULATOR_MEMORY: cudaMalloc refuses beyond it
  size_t shared_bytes_per_block = size_t{99} << 10;  // of sm_89; 227 KiB on sm_90
  bool protect_device_memory = true;                 // host code that touches device memory crashes
  bool exit_before_barrier_is_an_error = true;       // legal since sm_70, but never meant here
};

Settings& CurrentSettings();

}  // namespace rlvr::cuda::emulator
