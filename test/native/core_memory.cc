// Buffers, the memory limit, arenas, tensor views and errors.
#include <cstring>

#include "core/buffer.h"
#include "test.h"

namespace rlvr::test {
namespace {

TEST("buffers are counted, aligned and zero, and give back what they took") {
  MemoryCounter counter;
  {
    Buffer a(counter, 1000, "a");
    EXPECT_EQ(counter.current(), 1000u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
    for (size_t i = 0; i < 1000; ++i) EXPECT_EQ(static_cast<int>(a.data()[i]), 0);
    {
      Buffer b(counter, 500, "b");
      Buffer moved(std::move(b));
      EXPECT_EQ(counter.current(), 1500u);
      EXPECT(b.data() == nullptr);
      a = std::move(moved);
      EXPECT_EQ(counter.current(), 500u);
    }
  }
  EXPECT_EQ(counter.current(), 0u);
  EXPECT_EQ(counter.peak(), 1500u);
}

TEST("a buffer beyond the limit is refused with its purpose, and nothing is counted") {
  MemoryCounter counter(1 << 20);
  Buffer kept(counter, 1 << 19, "weights");
  EXPECT_THROW_CODE(Buffer(counter, (1 << 19) + 1, "rollout KV"), ErrorCode::kOutOfMemory, "rollout KV needs 0.5");
  EXPECT_EQ(counter.current(), size_t{1} << 19);
  EXPECT_EQ(counter.peak(), size_t{1} << 19);
  Buffer fits(counter, 1 << 19, "exactly the rest");
  EXPECT_EQ(counter.current(), size_t{1} << 20);
}

TEST("an arena gives aligned matrices, rewinds, resets, and keeps its memory") {
  MemoryCounter counter;
  Arena arena(counter, "step");
  arena.Reserve(4096);
  const Tensor a = arena.Matrix(DType::kF32, 3, 5);
  const size_t mark = arena.Mark();
  const Tensor b = arena.Matrix(DType::kF64, 2, 2);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
  EXPECT_EQ(static_cast<std::byte*>(b.data()) - static_cast<std::byte*>(a.data()), 64);
  arena.Rewind(mark);
  EXPECT_EQ(arena.Matrix(DType::kF32, 1, 1).data(), b.data());
  EXPECT_THROW_CODE(arena.Matrix(DType::kF32, 1024, 1), ErrorCode::kInternal, "step");
  EXPECT_THROW_CODE(arena.Reserve(1 << 20), ErrorCode::kInternal, "grows while in use");
  arena.Reset();
  EXPECT_EQ(arena.used(), 0u);
  EXPECT_EQ(arena.peak(), 128u);
  arena.Reserve(100);  // smaller: nothing happens
  EXPECT_EQ(counter.current(), 4096u);
}

TEST("views share the elements of their matrix") {
  float data[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Tensor whole(data, DType::kF32, 3, 4);
  const Tensor part = whole.Cols(1, 2).Rows(1, 2);
  EXPECT_EQ(part.At(0, 0), 5);
  EXPECT_EQ(part.At(1, 1), 10);
  EXPECT(!part.contiguous());
  EXPECT(part.Rows(0, 1).contiguous());
  part.Set(0, 1, -1);
  part.Add(0, 1, 0.5);
  EXPECT_EQ(data[6], -0.5f);
  EXPECT_EQ(whole.Reshape(4, 3).At(3, 2), 11);
  EXPECT_THROW_CODE(part.Reshape(1, 4), ErrorCode::kInternal, "reshape");
}

TEST("elements of every plain type read back what they can hold") {
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16, DType::kI32}) {
    double memory[4] = {};
    const Tensor t(memory, dtype, 2, 2);
    t.Set(1, 0, -3);
    EXPECT_EQ(t.At(1, 0), -3);
    EXPECT_EQ(t.At(0, 1), 0);
  }
  double memory[4] = {};
  EXPECT_THROW_CODE(Tensor(memory, DType::kQ8_0, 1, 32).At(0, 0), ErrorCode::kInternal, "Q8_0");
}

TEST("a failed check names the condition, the place and the values") {
  EXPECT_THROW_CODE([] { RLVR_CHECK(1 + 1 == 3, "sum of ", 1, " and ", 1); }(), ErrorCode::kInternal,
                    "1 + 1 == 3: sum of 1 and 1");
  EXPECT_EQ(std::string(CodeName(ErrorCode::kOutOfMemory)), "RLVR_OUT_OF_MEMORY");
  EXPECT_EQ(std::string(CodeName(ErrorCode::kUnsupported)), "RLVR_UNSUPPORTED_OP");
}

}  // namespace
}  // namespace rlvr::test
