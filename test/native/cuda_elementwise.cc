// Add, Copy and Zero of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

struct Shape {
  int64_t rows;
  int64_t cols;
  Placement x = {};
  Placement y = {};
};

// Without gaps, with gaps that keep 16-byte boundaries and that do not, at odd addresses, and nothing.
const Shape kShapes[] = {{1, 48}, {7, 37}, {5, 40, {24}, {8}}, {9, 33, {5}, {9}}, {4, 64, {0, 1}, {0, 8}}, {3, 1},
                         {0, 16}, {600, 3}};

}  // namespace

TEST("cuda: Add rounds the sum once") {
  for (DType type : {DType::kBF16, DType::kF32}) {
    for (const Shape& s : kShapes) {
      DeviceMatrix x(type, s.rows, s.cols, s.x), y(type, s.rows, s.cols, s.y);
      x.Random(1), y.Random(2);
      InEachOrder({&x, &y}, [&] { Card().Add(x.view(), y.view()); });
      int64_t differing = 0;
      for (int64_t r = 0; r < s.rows; ++r) {
        for (int64_t c = 0; c < s.cols; ++c) {
          const auto sum = static_cast<float>(x.Before(r, c) + y.Before(r, c));
          differing += y.After(r, c) != (type == DType::kBF16 ? Bf16ToF32(F32ToBf16(sum)) : sum);
        }
      }
      EXPECT_EQ(differing, 0);
    }
  }
}

TEST("cuda: Copy keeps values, or rounds them to BF16, whatever the strides") {
  for (DType from : {DType::kBF16, DType::kF32}) {
    for (DType to : {DType::kBF16, DType::kF32}) {
      for (const Shape& s : kShapes) {
        DeviceMatrix x(from, s.rows, s.cols, s.x), y(to, s.rows, s.cols, s.y);
        x.Random(3);
        InEachOrder({&x, &y}, [&] { Card().Copy(x.view(), y.view()); });
        int64_t differing = 0;
        for (int64_t r = 0; r < s.rows; ++r) {
          for (int64_t c = 0; c < s.cols; ++c) {
            const auto value = static_cast<float>(x.Before(r, c));
            differing += y.After(r, c) != (to == DType::kBF16 ? Bf16ToF32(F32ToBf16(value)) : value);
          }
        }
        EXPECT_EQ(differing, 0);
      }
    }
  }
}

TEST("cuda: Copy and Zero of plain types move whole elements of any width") {
  for (DType type : {DType::kI32, DType::kF16, DType::kF64, DType::kF32}) {
    for (const Shape& s : kShapes) {
      DeviceMatrix x(type, s.rows, s.cols, s.x), y(type, s.rows, s.cols, s.y), zeroed(type, s.rows, s.cols, s.x);
      x.Random(4, 1000);
      InEachOrder({&x, &y, &zeroed}, [&] {
        Card().Copy(x.view(), y.view());
        Card().Zero(zeroed.view());
      });
      int64_t differing = 0;
      for (int64_t r = 0; r < s.rows; ++r) {
        for (int64_t c = 0; c < s.cols; ++c) {
          differing += y.After(r, c) != x.Before(r, c) || zeroed.After(r, c) != 0;
        }
      }
      EXPECT_EQ(differing, 0);
    }
  }
}

TEST("cuda: Copy and Add give every bit pattern of BF16 its own again") {
  DeviceMatrix x(DType::kBF16, 256, 256), wide(DType::kF32, 256, 256), y(DType::kBF16, 256, 256);
  for (int64_t i = 0; i < 65536; ++i) x.Set(i / 256, i % 256, Bf16ToF32(static_cast<uint16_t>(i)));
  InEachOrder({&x, &wide, &y}, [&] {
    Card().Copy(x.view(), wide.view());
    Card().Copy(wide.view(), y.view());
  });
  int64_t differing = 0;
  for (int64_t i = 0; i < 65536; ++i) {
    const double before = x.Before(i / 256, i % 256), after = y.After(i / 256, i % 256);
    differing +=
        std::isnan(before) ? !std::isnan(after) : before != after || std::signbit(before) != std::signbit(after);
  }
  EXPECT_EQ(differing, 0);
}

TEST("cuda: Copy of one type to another that has no conversion is refused") {
  DeviceMatrix x(DType::kI32, 2, 8), y(DType::kBF16, 2, 8);
  EXPECT_THROW_CODE(Card().Copy(x.view(), y.view()), ErrorCode::kInternal, "Copy of I32 to BF16");
}

TEST("cuda: Add, Copy and Zero move each byte once, 16 at a time where they can") {
  DeviceMatrix x(DType::kBF16, 8, 256), y(DType::kBF16, 8, 256), wide(DType::kF32, 8, 256);
  x.Random(5), y.Random(6);
  const uint64_t elements = 8 * 256;
  EXPECT_EQ(GlobalBytes({&x, &y}, "Add", [&] { Card().Add(x.view(), y.view()); }), elements * 6);
  EXPECT_EQ(GlobalBytes({&x, &y}, "Copy", [&] { Card().Copy(x.view(), y.view()); }), elements * 4);
  EXPECT_EQ(cuda::emulator::CountersOf("Copy").threads, elements / 8);
  EXPECT_EQ(GlobalBytes({&wide, &y}, "Convert", [&] { Card().Copy(wide.view(), y.view()); }), elements * 6);
  EXPECT_EQ(GlobalBytes({&wide}, "Zero", [&] { Card().Zero(wide.view()); }), elements * 4);
  EXPECT_EQ(cuda::emulator::CountersOf("Zero").threads, elements / 4);
}

}  // namespace rlvr::test
