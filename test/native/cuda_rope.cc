// Rope of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

struct RopeShape {
  int64_t rows;
  int64_t heads;
  int64_t head_dim;
  int64_t half;
  Placement place = {};
};

void FillAngles(DeviceMatrix& cos, DeviceMatrix& sin) {
  for (int64_t r = 0; r < cos.rows(); ++r) {
    for (int64_t i = 0; i < cos.cols(); ++i) {
      const double share = static_cast<double>(i) / static_cast<double>(cos.cols());
      const double angle = static_cast<double>(17 * r + 3) * std::pow(10000.0, -share);
      cos.Set(r, i, std::cos(angle)), sin.Set(r, i, std::sin(angle));
    }
  }
}

}  // namespace

TEST("cuda: Rope turns the pairs of each head, both ways, and nothing else") {
  for (const RopeShape& s : std::vector<RopeShape>{{1, 1, 32, 16},
                                                   {5, 3, 96, 36},
                                                   {4, 2, 256, 128, {64}},
                                                   {9, 4, 64, 32, {128, 8}},
                                                   {3, 2, 20, 5},
                                                   {3, 2, 64, 32, {1, 1}},
                                                   {2, 3, 36, 16},
                                                   {0, 2, 32, 16}}) {
    for (bool inverse : {false, true}) {
      DeviceMatrix x(DType::kBF16, s.rows, s.heads * s.head_dim, s.place);
      DeviceMatrix cos(DType::kF32, s.rows, s.half), sin(DType::kF32, s.rows, s.half);
      x.Random(1), FillAngles(cos, sin);
      InEachOrder({&x, &cos, &sin},
                  [&] { Card().Rope(x.view(), cos.view(), sin.view(), s.heads, s.head_dim, inverse); });
      const auto turned = [&](int64_t r, int64_t col) {
        const int64_t head = col / s.head_dim * s.head_dim, i = col - head;
        if (i >= 2 * s.half) return x.Before(r, col);
        const int64_t pair = i % s.half;
        const double a = x.Before(r, head + pair), b = x.Before(r, head + pair + s.half);
        const double c = cos.Before(r, pair), t = inverse ? -sin.Before(r, pair) : sin.Before(r, pair);
        return i < s.half ? a * c - b * t : b * c + a * t;
      };
      if (s.rows > 0) EXPECT_LE(Excess(x, kBf16Rounding, turned), 1e-6);
      for (int64_t r = 0; r < s.rows; ++r) {
        for (int64_t c = 2 * s.half; c < s.head_dim; ++c) EXPECT_EQ(x.After(r, c), x.Before(r, c));
      }
    }
  }
}

TEST("cuda: Rope gives a row the same bits whether one thread turns a head or several") {
  // 640 rows of 16 heads of 256 are 163840 runs, so that each thread has two heads; one row gives each thread one.
  DeviceMatrix x(DType::kBF16, 640, 16 * 256), alone(DType::kBF16, 1, 16 * 256);
  DeviceMatrix cos(DType::kF32, 640, 128), sin(DType::kF32, 640, 128);
  x.Random(2), FillAngles(cos, sin);
  for (int64_t c = 0; c < x.cols(); ++c) alone.Set(0, c, x.Before(333, c));
  for (DeviceMatrix* m : {&x, &alone, &cos, &sin}) m->Upload();
  cuda::emulator::ResetCounters();
  Card().Rope(x.view(), cos.view(), sin.view(), 16, 256, false);
  // The angles are read once for two heads.
  EXPECT_EQ(cuda::emulator::CountersOf("Rope").global_bytes(), 640u * (16 * 256 * 2 * 2 + 8 * 128 * 4 * 2));
  Card().Rope(alone.view(), cos.view().Rows(333, 1), sin.view().Rows(333, 1), 16, 256, false);
  x.Download(), alone.Download();
  int64_t differing = 0;
  for (int64_t c = 0; c < x.cols(); ++c) differing += x.After(333, c) != alone.After(0, c);
  EXPECT_EQ(differing, 0);
}

TEST("cuda: Rope of a large batch reads each angle and moves each pair once") {
  DeviceMatrix x(DType::kBF16, 65536, 2 * 16), cos(DType::kF32, 65536, 8), sin(DType::kF32, 65536, 8);
  x.Fill(1), cos.Fill(0), sin.Fill(1);
  EXPECT_EQ(GlobalBytes({&x, &cos, &sin}, "Rope", [&] { Card().Rope(x.view(), cos.view(), sin.view(), 2, 16, false); }),
            65536u * (2 * 16 * 2 * 2 + 2 * 8 * 4));
}

}  // namespace rlvr::test
