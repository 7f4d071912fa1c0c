// Transpose of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

TEST("cuda: Transpose turns matrices of both types, converting once") {
  struct Shape {
    int64_t rows, cols;
    Placement from, to;
  };
  const std::vector<Shape> shapes = {{1, 1, {}, {}},           {16, 200, {}, {}},   {64, 64, {}, {}},
                                     {65, 7, {}, {}},          {130, 72, {8}, {6}}, {40, 24, {8}, {16}},
                                     {33, 65, {1, 1}, {0, 3}}, {0, 8, {}, {}}};
  for (DType from : {DType::kF32, DType::kBF16}) {
    for (DType to : {DType::kF32, DType::kBF16}) {
      for (const Shape& s : shapes) {
        DeviceMatrix x(from, s.rows, s.cols, s.from), y(to, s.cols, s.rows, s.to);
        x.Random(1);
        InEachOrder({&x, &y}, [&] { Card().Transpose(x.view(), y.view()); });
        int64_t differing = 0;
        for (int64_t r = 0; r < s.rows; ++r) {
          for (int64_t c = 0; c < s.cols; ++c) {
            const auto value = static_cast<float>(x.Before(r, c));
            differing += y.After(c, r) != (to == DType::kBF16 ? Bf16ToF32(F32ToBf16(value)) : value);
          }
        }
        EXPECT_EQ(differing, 0);
      }
    }
  }
}

TEST("cuda: Transpose moves each element once") {
  DeviceMatrix x(DType::kF32, 128, 72), y(DType::kBF16, 72, 128);
  x.Random(2);
  EXPECT_EQ(GlobalBytes({&x}, "Transpose", [&] { Card().Transpose(x.view(), y.view()); }), 128u * 72 * 6);
}

}  // namespace rlvr::test
