#include "core/buffer.h"

#include <utility>

namespace rlvr {

namespace {
constexpr size_t kAlignment = 64;  // a cache line, and the width of an AVX-512 register
size_t RoundUp(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
double MiB(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }
}  // namespace

void MemoryCounter::Add(size_t bytes, const std::string& purpose) {
  const size_t now = current_ += bytes;
  if (limit_ != 0 && now > limit_ && !plans_only_) {
    current_ -= bytes;
    throw Error(ErrorCode::kOutOfMemory,
                Concat("[memory] ", purpose, " needs ", MiB(bytes), " MiB, but ", MiB(now - bytes), " of the limit of ",
                       MiB(limit_), " MiB are in use. Raise memory.limit, or use fewer rollouts or shorter texts."));
  }
  size_t seen = peak_;
  while (now > seen && !peak_.compare_exchange_weak(seen, now)) {}
}

Buffer::Buffer(MemoryCounter& counter, size_t bytes, const std::string& purpose) {
  if (bytes == 0) return;
  counter.Add(bytes, purpose);
  std::byte* memory = counter.device().Allocate(bytes, counter.plans_only());
  if (memory == nullptr) {
    counter.Remove(bytes);
    throw Error(ErrorCode::kOutOfMemory, Concat("[memory] the system refused ", MiB(bytes), " MiB for ", purpose, "."));
  }
  counter_ = &counter;
  data_ = memory;
  bytes_ = bytes;
}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    Release();
    counter_ = std::exchange(other.counter_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Buffer::Release() {
  if (data_ == nullptr) return;
  counter_->device().Free(data_, bytes_);
  counter_->Remove(bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

void Arena::Reserve(size_t bytes) {
  RLVR_CHECK(used_ == 0, "arena '", purpose_, "' grows while in use");
  if (bytes <= buffer_.bytes()) return;
  buffer_.Release();
  buffer_ = Buffer(*counter_, bytes, purpose_);
}

size_t Arena::MatrixBytes(DType dtype, int64_t rows, int64_t cols) { return RoundUp(BytesOf(dtype, rows * cols)); }

Tensor Arena::Matrix(DType dtype, int64_t rows, int64_t cols) {
  const size_t bytes = MatrixBytes(dtype, rows, cols);
  RLVR_CHECK(used_ + bytes <= buffer_.bytes(), "arena '", purpose_, "' of ", buffer_.bytes(), " bytes cannot give ",
             bytes, " more after ", used_);
  Tensor view(buffer_.data() + used_, dtype, rows, cols);
  used_ += bytes;
  if (used_ > peak_) peak_ = used_;
  return view;
}

}  // namespace rlvr
