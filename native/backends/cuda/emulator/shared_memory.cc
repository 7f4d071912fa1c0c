#include "backends/cuda/emulator/shared_memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "backends/cuda/device_types.h"
#include "backends/cuda/emulator/kernel.h"
#include "backends/cuda/emulator/tsan.h"
#include "core/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace rlvr::cuda::emulator {

namespace {

constexpr size_t kRedZone = 128;  // also the alignment: 128 bytes are one pass over the banks
constexpr unsigned char kRedByte = 0xa5;
constexpr unsigned char kFreshByte = 0xff;  // NaN in every float type

[[maybe_unused]] bool IsRed(const char* zone) {
  for (size_t i = 0; i < kRedZone; ++i) {
    if (static_cast<unsigned char>(zone[i]) != kRedByte) return false;
  }
  return true;
}

void SetPoison([[maybe_unused]] char* zone, [[maybe_unused]] bool poisoned) {
#if defined(__SANITIZE_ADDRESS__)
  if (poisoned) {
    __asan_poison_memory_region(zone, kRedZone);
  } else {
    __asan_unpoison_memory_region(zone, kRedZone);
  }
#endif
}

}  // namespace

SharedMemory::~SharedMemory() {
  EndBlock();
  EndLaunch();
}

void SharedMemory::BeginBlock(size_t declared_bytes) {
  EndBlock();
  declared_bytes_ = declared_bytes;
  taken_bytes_ = 0;
}

void* SharedMemory::Take(size_t index, size_t bytes, size_t alignment) {
  if (alignment > kSharedAlignment) {
    Fail(Concat("SharedCarver: a part of elements aligned to ", alignment, " bytes; parts are aligned to ",
                kSharedAlignment));
  }
  if (index < parts_.size()) {
    if (parts_[index].bytes != bytes) {
      Fail(Concat("SharedCarver: threads disagree about part ", index, ": ", parts_[index].bytes, " and ", bytes,
                  " bytes; every thread takes the same sequence"));
    }
    tsan::Acquire(parts_[index].data);
    return parts_[index].data;
  }
  taken_bytes_ += RoundedShared(bytes);
  if (taken_bytes_ > declared_bytes_) {
    Fail(Concat("SharedCarver: part ", index, " of ", bytes, " bytes brings the block to ", taken_bytes_,
                " bytes of shared memory; the launch declared ", declared_bytes_));
  }
  const size_t whole = (kRedZone + bytes + kRedZone + kRedZone - 1) / kRedZone * kRedZone;
  char* block = static_cast<char*>(std::aligned_alloc(kRedZone, whole));
  if (block == nullptr) throw std::bad_alloc();
  char* data = block + kRedZone;
  std::memset(block, kRedByte, kRedZone);
  std::memset(data, kFreshByte, bytes);
  std::memset(data + bytes, kRedByte, kRedZone);
  SetPoison(block, true);
  SetPoison(data + bytes, true);
  parts_.push_back({block, data, bytes});
  tsan::Release(data);  // making the part precedes its use by every thread
  return data;
}

void SharedMemory::CheckInside(const void* address, size_t bytes, const char* operation, const Site& site) const {
  const char* first = static_cast<const char*>(address);
  for (const Part& part : parts_) {
    if (first >= part.data && first + bytes <= part.data + part.bytes) return;
  }
  Fail(Concat(operation, " at ", Place(site), ": ", address,
              " is not in a part of shared memory that the block carved"));
}

void SharedMemory::CheckRedZones() const {
#if !defined(__SANITIZE_ADDRESS__)
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (IsRed(part.block) && IsRed(part.data + part.bytes)) continue;
    Fail(Concat("shared memory was written out of bounds, ", IsRed(part.block) ? "behind" : "before", " part ", i,
                " of ", part.bytes, " bytes"));
  }
#endif
}

void SharedMemory::EndBlock() {
  for (const Part& part : parts_) {
    SetPoison(part.block, false);
    SetPoison(part.data + part.bytes, false);
    // The blocks of a launch are not ordered: to the race detector memory of one, used again by the next, is a race.
    if (tsan::kEnabled) {
      buried_.push_back(part.block);
    } else {
      std::free(part.block);
    }
  }
  parts_.clear();
}

void SharedMemory::EndLaunch() {
  for (char* block : buried_) std::free(block);
  buried_.clear();
}

}  // namespace rlvr::cuda::emulator
