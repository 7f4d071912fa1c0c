// RmsNorm and RmsNormBackward of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

constexpr double kEps = 1e-6;

struct NormCase {
  int64_t rows;
  int64_t dim;
  double offset = 0;
  Placement place = {};
};

// Every tier, full and partly filled; rows that lie apart, and rows that cannot be read 16 bytes at a time.
const NormCase kCases[] = {
    {4, 1},        {3, 37},      {9, 256, 1},       {5, 256, 0, {8}},    {2, 257},           {3, 640, 1},
    {2, 1024},     {3, 1152, 1}, {2, 3840, 1},      {2, 4098},           {1, 5376, 0, {16}}, {1, 8200},
    {1, 21504, 1}, {1, 21501},   {3, 640, 1, {11}}, {2, 640, 1, {0, 3}}, {3, 96, 0, {4, 4}},
};

double Scale(const DeviceMatrix& x, int64_t row) {
  double sum = 0;
  for (int64_t c = 0; c < x.cols(); ++c) sum += x.Before(row, c) * x.Before(row, c);
  return 1 / std::sqrt(sum / static_cast<double>(x.cols()) + kEps);
}

std::vector<double> Scales(const DeviceMatrix& x) {
  std::vector<double> scales;
  for (int64_t r = 0; r < x.rows(); ++r) scales.push_back(Scale(x, r));
  return scales;
}

std::string Name(const NormCase& c) {
  return Concat(c.rows, " x ", c.dim, ", pad ", c.place.pad, ", offset ", c.place.offset);
}

void ExpectSmall(double excess, double bound, const NormCase& c) {
  if (!(excess <= bound)) Fail(__FILE__, __LINE__, Concat(Name(c), ": off by ", excess, " beyond rounding"));
}

}  // namespace

TEST("cuda: RmsNorm agrees with double, rounded once, at every width and placement") {
  for (const NormCase& c : kCases) {
    DeviceMatrix x(DType::kBF16, c.rows, c.dim, c.place), w(DType::kF32, 1, c.dim);
    DeviceMatrix y(DType::kBF16, c.rows, c.dim, c.place);
    x.Random(1, 3), w.Random(2);
    InEachOrder({&x, &w, &y}, [&] { Card().RmsNorm(x.view(), w.view(), kEps, c.offset, y.view()); });
    const std::vector<double> scales = Scales(x);
    ExpectSmall(Excess(y, kBf16Rounding,
                       [&](int64_t r, int64_t i) {
                         return x.Before(r, i) * scales[static_cast<size_t>(r)] * (w.Before(0, i) + c.offset);
                       }),
                1e-5, c);
  }
}

TEST("cuda: RmsNorm in place gives the bits of RmsNorm") {
  for (int64_t dim : {256, 641, 4096}) {
    DeviceMatrix x(DType::kBF16, 3, dim), w(DType::kF32, 1, dim), y(DType::kBF16, 3, dim);
    x.Random(3), w.Random(4);
    InEachOrder({&x, &w, &y}, [&] {
      Card().RmsNorm(x.view(), w.view(), kEps, 1, y.view());
      Card().RmsNorm(x.view(), w.view(), kEps, 1, x.view());
    });
    EXPECT(x.bytes_after() == y.bytes_after());
  }
}

TEST("cuda: a row of RmsNorm has the same bits alone, among others, and at an odd address") {
  for (int64_t dim : {256, 640, 3840}) {
    DeviceMatrix x(DType::kBF16, 40, dim), odd(DType::kBF16, 40, dim, {3, 1}), w(DType::kF32, 1, dim);
    DeviceMatrix dy(DType::kBF16, 40, dim), y(DType::kBF16, 40, dim), dx(DType::kBF16, 40, dim);
    DeviceMatrix y_odd(DType::kBF16, 40, dim), y_alone(DType::kBF16, 1, dim), dx_alone(DType::kBF16, 1, dim);
    x.Random(5), odd.Random(5), w.Random(6), dy.Random(7);
    for (DeviceMatrix* m : {&x, &odd, &w, &dy, &y, &dx, &y_odd, &y_alone, &dx_alone}) m->Upload();
    Card().RmsNorm(x.view(), w.view(), kEps, 0, y.view());
    Card().RmsNorm(odd.view(), w.view(), kEps, 0, y_odd.view());
    Card().RmsNorm(x.view().Rows(29, 1), w.view(), kEps, 0, y_alone.view());
    Card().RmsNormBackward(x.view(), w.view(), kEps, 0, dy.view(), false, dx.view(), Tensor());
    Card().RmsNormBackward(x.view().Rows(29, 1), w.view(), kEps, 0, dy.view().Rows(29, 1), false, dx_alone.view(),
                           Tensor());
    for (DeviceMatrix* m : {&y, &dx, &y_odd, &y_alone, &dx_alone}) m->Download();
    EXPECT(y.bytes_after() == y_odd.bytes_after());
    int64_t differing = 0;
    for (int64_t i = 0; i < dim; ++i) {
      differing += y.After(29, i) != y_alone.After(0, i) || dx.After(29, i) != dx_alone.After(0, i);
    }
    EXPECT_EQ(differing, 0);
  }
}

TEST("cuda: RmsNormBackward agrees with double, overwriting and adding, with the gradient of the weight") {
  for (const NormCase& c : kCases) {
    for (bool accumulate : {false, true}) {
      DeviceMatrix x(DType::kBF16, c.rows, c.dim, c.place), w(DType::kF32, 1, c.dim);
      DeviceMatrix dy(DType::kBF16, c.rows, c.dim, c.place), dx(DType::kBF16, c.rows, c.dim, c.place);
      DeviceMatrix dw(DType::kF32, 1, c.dim);
      x.Random(8, 3), w.Random(9), dy.Random(10), dx.Random(11), dw.Random(12);
      InEachOrder({&x, &w, &dy, &dx, &dw}, [&] {
        Card().RmsNormBackward(x.view(), w.view(), kEps, c.offset, dy.view(), accumulate, dx.view(), dw.view());
      });
      const std::vector<double> scales = Scales(x);
      std::vector<double> dots;
      for (int64_t r = 0; r < c.rows; ++r) {
        double dot = 0;
        for (int64_t i = 0; i < c.dim; ++i) dot += dy.Before(r, i) * (w.Before(0, i) + c.offset) * x.Before(r, i);
        dots.push_back(dot / static_cast<double>(c.dim));
      }
      ExpectSmall(Excess(dx, kBf16Rounding,
                         [&](int64_t r, int64_t i) {
                           const double s = scales[static_cast<size_t>(r)],
                                        g = dy.Before(r, i) * (w.Before(0, i) + c.offset);
                           const double d = s * (g - x.Before(r, i) * s * s * dots[static_cast<size_t>(r)]);
                           return accumulate ? dx.Before(r, i) + d : d;
                         }),
                  1e-5, c);
      ExpectSmall(Excess(dw, 0,
                         [&](int64_t, int64_t i) {
                           double sum = dw.Before(0, i);
                           for (int64_t r = 0; r < c.rows; ++r) {
                             sum += dy.Before(r, i) * x.Before(r, i) * scales[static_cast<size_t>(r)];
                           }
                           return sum;
                         }),
                  2e-6, c);
    }
  }
}

TEST("cuda: RmsNormBackward may write dx over dy and still finds the gradient of the weight") {
  for (int64_t dim : {64, 3841}) {
    DeviceMatrix x(DType::kBF16, 3, dim), w(DType::kF32, 1, dim), dy(DType::kBF16, 3, dim), dx(DType::kBF16, 3, dim);
    DeviceMatrix dw(DType::kF32, 1, dim), dw_again(DType::kF32, 1, dim);
    x.Random(13), w.Random(14), dy.Random(15), dw.Fill(0), dw_again.Fill(0);
    InEachOrder({&x, &w, &dy, &dx, &dw, &dw_again}, [&] {
      Card().RmsNormBackward(x.view(), w.view(), kEps, 1, dy.view(), false, dx.view(), dw.view());
      Card().RmsNormBackward(x.view(), w.view(), kEps, 1, dy.view(), false, dy.view(), dw_again.view());
    });
    EXPECT(dx.bytes_after() == dy.bytes_after());
    EXPECT(dw.bytes_after() == dw_again.bytes_after());
  }
}

TEST("cuda: the gradient of a norm's weight has the same bits from one call and from two") {
  DeviceMatrix x(DType::kBF16, 150, 72), w(DType::kF32, 1, 72), dy(DType::kBF16, 150, 72), dx(DType::kBF16, 150, 72);
  DeviceMatrix once(DType::kF32, 1, 72), twice(DType::kF32, 1, 72);
  x.Random(16), w.Random(17), dy.Random(18), once.Random(19), twice.Random(19);
  InEachOrder({&x, &w, &dy, &dx, &once, &twice}, [&] {
    Card().RmsNormBackward(x.view(), w.view(), kEps, 0, dy.view(), false, dx.view(), once.view());
    for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 67}, {67, 83}}) {
      Card().RmsNormBackward(x.view().Rows(first, count), w.view(), kEps, 0, dy.view().Rows(first, count), false,
                             dx.view().Rows(first, count), twice.view());
    }
  });
  EXPECT(once.bytes_after() == twice.bytes_after());
}

TEST("cuda: RmsNorm of no rows writes nothing") {
  DeviceMatrix x(DType::kBF16, 0, 64), w(DType::kF32, 1, 64), dw(DType::kF32, 1, 64);
  w.Random(20), dw.Random(21);
  InEachOrder({&x, &w, &dw}, [&] {
    Card().RmsNorm(x.view(), w.view(), kEps, 0, x.view());
    Card().RmsNormBackward(x.view(), w.view(), kEps, 0, x.view(), false, x.view(), dw.view());
  });
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(dw.After(0, i), dw.Before(0, i));
}

TEST("cuda: RmsNorm reads its rows once and its weights once for each team") {
  const uint64_t rows = 6, dim = 3840, row_bytes = 2 * dim, weight_bytes = 4 * dim;
  DeviceMatrix x(DType::kBF16, rows, dim), w(DType::kF32, 1, dim), dy(DType::kBF16, rows, dim);
  x.Random(22), w.Random(23), dy.Random(24);
  EXPECT_EQ(GlobalBytes({&x, &w}, "RmsNorm", [&] { Card().RmsNorm(x.view(), w.view(), kEps, 0, x.view()); }),
            rows * (2 * row_bytes + weight_bytes));
  const auto backward = [&](bool accumulate) {
    return GlobalBytes({&x, &w, &dy}, "RmsNormBackward", [&] {
      Card().RmsNormBackward(x.view(), w.view(), kEps, 0, dy.view(), accumulate, accumulate ? x.view() : dy.view(),
                             Tensor());
    });
  };
  EXPECT_EQ(backward(false), rows * (3 * row_bytes + weight_bytes));
  EXPECT_EQ(backward(true), rows * (4 * row_bytes + weight_bytes));
}

TEST("cuda: RmsNorm of many rows reads the weights once for several rows, sixteen at most") {
  DeviceMatrix w(DType::kF32, 1, 8);
  w.Random(25);
  for (const auto& [rows, rows_per_team] : {std::pair<uint64_t, uint64_t>{8192, 2}, {131072, 16}}) {
    DeviceMatrix x(DType::kBF16, static_cast<int64_t>(rows), 8);
    x.Random(26);
    const uint64_t ideal = rows * 2 * 8 * 2;
    EXPECT_EQ(GlobalBytes({&x, &w}, "RmsNorm", [&] { Card().RmsNorm(x.view(), w.view(), kEps, 0, x.view()); }),
              ideal + rows / rows_per_team * 8 * 4);
  }
}

}  // namespace rlvr::test
