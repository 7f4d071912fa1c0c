#include "backends/cuda/emulator/device_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "backends/cuda/emulator/block.h"
#include "backends/cuda/emulator/settings.h"
#include "core/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace rlvr::cuda::emulator {

namespace {

constexpr size_t kReservedBytes = size_t{64} << 30;  // of addresses; pages cost memory when they are touched
constexpr size_t kAlignment = 256;                   // as cudaMalloc gives
constexpr size_t kPage = 4096;
constexpr size_t kPinnedAlignment = 4096;
// Larger allocations stay untouched, and zero, so that a reserved pool costs no memory.
constexpr size_t kFreshFilledBytes = size_t{256} << 20;

size_t RoundUp(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

std::recursive_mutex& Mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

void SetPoison([[maybe_unused]] char* first, [[maybe_unused]] size_t bytes, [[maybe_unused]] bool poisoned) {
#if defined(__SANITIZE_ADDRESS__)
  if (poisoned) {
    __asan_poison_memory_region(first, bytes);
  } else {
    __asan_unpoison_memory_region(first, bytes);
  }
#endif
}

}  // namespace

DeviceLock::DeviceLock() : guard_(Mutex()) {}

DeviceMemoryRange& DeviceRange() {
  static DeviceMemoryRange& range = *new DeviceMemoryRange();  // lives as long as the process, as a card does
  return range;
}

PinnedMemory& Pinned() {
  static PinnedMemory& pinned = *new PinnedMemory();
  return pinned;
}

DeviceMemoryRange::DeviceMemoryRange() {
  void* memory = mmap(nullptr, kReservedBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = high_water_ = static_cast<char*>(memory);
}

// The first gap that is large enough; allocations keep a gap of kAlignment bytes between them, which is never legal to
// touch.
void* DeviceMemoryRange::Allocate(size_t bytes) {
  const size_t limit = CurrentSettings().memory_bytes;
  if (bytes > limit || used_bytes_ > limit - bytes) return nullptr;
  const size_t taken = RoundUp(std::max<size_t>(bytes, 1), kAlignment) + kAlignment;
  char* candidate = base_ + kAlignment;
  for (const auto& [first, size] : allocations_) {
    if (static_cast<size_t>(first - candidate) >= taken) break;
    candidate = first + RoundUp(std::max<size_t>(size, 1), kAlignment) + kAlignment;
  }
  if (candidate + taken > base_ + kReservedBytes) return nullptr;
  allocations_.emplace(candidate, bytes);
  used_bytes_ += bytes;
  high_water_ = std::max(high_water_, base_ + RoundUp(static_cast<size_t>(candidate + taken - base_), kPage));
  const OpenDeviceMemory open;
  Protect(true);  // the new pages too, where the range was open already
  SetPoison(candidate - kAlignment, kAlignment, true);
  SetPoison(candidate, bytes, false);
  SetPoison(candidate + bytes, taken - bytes, true);
  if (bytes <= kFreshFilledBytes) std::memset(candidate, 0xff, bytes);
  return candidate;
}

bool DeviceMemoryRange::Free(void* address) {
  const auto found = allocations_.find(static_cast<char*>(address));
  if (found == allocations_.end()) return false;
  const auto [first, bytes] = *found;
  SetPoison(first, bytes, true);
  // Whole pages go back to the system.
  char* page = base_ + RoundUp(static_cast<size_t>(first - base_), kPage);
  char* end = base_ + static_cast<size_t>(first + bytes - base_) / kPage * kPage;
  if (page < end) madvise(page, static_cast<size_t>(end - page), MADV_DONTNEED);
  used_bytes_ -= bytes;
  allocations_.erase(found);
  last_bytes_ = 0;
  return true;
}

bool DeviceMemoryRange::Owns(const void* address) const { return address >= base_ && address < base_ + kReservedBytes; }

bool DeviceMemoryRange::Holds(const void* address, size_t bytes) const {
  const char* first = static_cast<const char*>(address);
  if (first >= last_first_ && first + bytes <= last_first_ + last_bytes_) return true;
  auto after = allocations_.upper_bound(const_cast<char*>(first));
  if (after == allocations_.begin()) return false;
  const auto& [begin, size] = *--after;
  if (first + bytes > begin + size) return false;
  last_first_ = begin;
  last_bytes_ = size;
  return true;
}

void DeviceMemoryRange::Protect(bool open) {
  if (high_water_ == base_) return;
  mprotect(base_, static_cast<size_t>(high_water_ - base_), open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void DeviceMemoryRange::Open() {
  if (opened_++ == 0) Protect(true);
}

void DeviceMemoryRange::Close() {
  if (--opened_ == 0 && CurrentSettings().protect_device_memory) Protect(false);
}

void* PinnedMemory::Allocate(size_t bytes) {
  void* memory = std::aligned_alloc(kPinnedAlignment, RoundUp(std::max<size_t>(bytes, 1), kPinnedAlignment));
  if (memory != nullptr) allocations_.emplace(static_cast<const char*>(memory), bytes);
  return memory;
}

bool PinnedMemory::Free(void* address) {
  if (allocations_.erase(static_cast<const char*>(address)) == 0) return false;
  std::free(address);
  return true;
}

bool PinnedMemory::Holds(const void* address, size_t bytes) const {
  const char* first = static_cast<const char*>(address);
  auto after = allocations_.upper_bound(first);
  if (after == allocations_.begin()) return false;
  const auto& [begin, size] = *--after;
  return first + bytes <= begin + size;
}

// --- kernel.h ---

namespace {

void CheckGlobal(const char* operation, const void* address, size_t bytes, const Site& site) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) {
    Fail(Concat(operation, " at ", Place(site), ": ", bytes, " bytes at ", address, ", which is not a multiple of ",
                bytes));
  }
  if (DeviceRange().Holds(address, bytes) || Pinned().Holds(address, bytes)) return;
  Fail(Concat(operation, " at ", Place(site), ": ", bytes, " bytes at ", address,
              DeviceRange().Owns(address) ? ", outside every allocation of the card"
                                          : ", which is not device memory but the host's"));
}

}  // namespace

void CheckLoad(const void* address, size_t bytes, const Site& site) {
  CheckGlobal("LoadGlobal", address, bytes, site);
  RunningBlock().counters.load_bytes += bytes;
}

void CheckStore(const void* address, size_t bytes, const Site& site) {
  CheckGlobal("StoreGlobal", address, bytes, site);
  RunningBlock().counters.store_bytes += bytes;
}

void CheckAsyncSource(const void* address, const Site& site) {
  constexpr size_t kBytes = 16;
  CheckGlobal("cp.async", address, kBytes, site);
  RunningBlock().counters.async_copy_bytes += kBytes;
}

}  // namespace rlvr::cuda::emulator
