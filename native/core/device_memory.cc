#include "core/device_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <type_traits>

namespace rlvr {

namespace {

class HostMemoryImpl final : public DeviceMemory {
 public:
  std::byte* Allocate(size_t bytes, bool planned) override {
    // Anonymous pages are zero, page-aligned, and go back to the system when freed.
    const int kind = MAP_PRIVATE | MAP_ANONYMOUS | (planned ? MAP_NORESERVE : 0);
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kind, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    if (!planned) madvise(memory, bytes, MADV_HUGEPAGE);  // fewer TLB misses; a refusal is harmless
    return static_cast<std::byte*>(memory);
  }
  void Free(std::byte* data, size_t bytes) override { munmap(data, bytes); }
  void Upload(const void* host, std::byte* device, size_t bytes) override { std::memcpy(device, host, bytes); }
  void Download(const std::byte* device, void* host, size_t bytes) override { std::memcpy(host, device, bytes); }
};

std::byte* BytesIn(const Tensor& t) { return static_cast<std::byte*>(t.data()); }

template <typename T>
void WriteAs(DeviceMemory& device, std::span<const T> values, DType same, const Tensor& to) {
  RLVR_CHECK(to.contiguous() && to.size() == static_cast<int64_t>(values.size()), values.size(), " values for ",
             to.rows(), " x ", to.cols());
  if (to.dtype() == same) return device.Upload(values.data(), BytesIn(to), values.size_bytes());
  std::vector<std::byte> bytes(BytesOf(to.dtype(), to.size()));
  const Tensor row(bytes.data(), to.dtype(), 1, to.size());
  for (int64_t i = 0; i < to.size(); ++i) row.Set(0, i, values[static_cast<size_t>(i)]);
  device.Upload(bytes.data(), BytesIn(to), bytes.size());
}

template <typename T>
std::vector<T> ReadAs(DeviceMemory& device, DType same, const Tensor& from) {
  RLVR_CHECK(from.contiguous(), "a strided tensor is not read back");
  std::vector<T> values(static_cast<size_t>(from.size()));
  if (from.dtype() == same) {
    device.Download(BytesIn(from), values.data(), values.size() * sizeof(T));
    return values;
  }
  std::vector<std::byte> bytes(BytesOf(from.dtype(), from.size()));
  device.Download(BytesIn(from), bytes.data(), bytes.size());
  const Tensor row(bytes.data(), from.dtype(), 1, from.size());
  for (int64_t i = 0; i < from.size(); ++i) values[static_cast<size_t>(i)] = static_cast<T>(row.At(0, i));
  return values;
}

}  // namespace

DeviceMemory& HostMemory() {
  static HostMemoryImpl memory;
  return memory;
}

void Write(DeviceMemory& device, std::span<const int32_t> values, const Tensor& to) {
  WriteAs(device, values, DType::kI32, to);
}
void Write(DeviceMemory& device, std::span<const float> values, const Tensor& to) {
  WriteAs(device, values, DType::kF32, to);
}
void Write(DeviceMemory& device, std::span<const double> values, const Tensor& to) {
  WriteAs(device, values, DType::kF64, to);
}
std::vector<double> Read(DeviceMemory& device, const Tensor& from) { return ReadAs<double>(device, DType::kF64, from); }
std::vector<float> ReadF32(DeviceMemory& device, const Tensor& from) {
  return ReadAs<float>(device, DType::kF32, from);
}

}  // namespace rlvr
