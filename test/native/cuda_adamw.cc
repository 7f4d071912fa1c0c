// AdamW and SumSquares of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

struct Shape {
  int64_t rows;
  int64_t cols;
  Placement place = {};
};

const Shape kShapes[] = {{1, 1}, {1, 4099}, {3, 40, {8}}, {5, 33, {2}}, {2, 64, {0, 1}}, {0, 8}};

}  // namespace

TEST("cuda: AdamW follows a trajectory computed in double") {
  for (const Shape& s : kShapes) {
    DeviceMatrix p(DType::kF32, s.rows, s.cols, s.place), g(DType::kF32, s.rows, s.cols, s.place);
    DeviceMatrix m(DType::kF32, s.rows, s.cols, s.place), v(DType::kF32, s.rows, s.cols, s.place);
    p.Random(1), g.Random(2, 5), m.Fill(0), v.Fill(0);
    AdamWParams params;
    params.learning_rate = 1e-2, params.beta2 = 0.95, params.weight_decay = 0.1, params.gradient_scale = 0.5;
    InEachOrder({&p, &g, &m, &v}, [&] {
      for (params.step = 1; params.step <= 3; ++params.step) {
        Card().AdamW(params, p.view(), g.view(), m.view(), v.view());
      }
    });
    if (s.rows == 0) continue;
    struct State {
      double p, m = 0, v = 0;
    };
    const auto wanted = [&](int64_t r, int64_t c) {
      State state{p.Before(r, c)};
      const double gradient = 0.5 * g.Before(r, c);
      for (int step = 1; step <= 3; ++step) {
        state.m = 0.9 * state.m + 0.1 * gradient;
        state.v = 0.95 * state.v + 0.05 * gradient * gradient;
        const double m_hat = state.m / (1 - std::pow(0.9, step)), v_hat = state.v / (1 - std::pow(0.95, step));
        state.p = state.p * (1 - 1e-2 * 0.1) - 1e-2 * m_hat / (std::sqrt(v_hat) + 1e-8);
      }
      return state;
    };
    EXPECT_LE(Excess(p, 5e-7, [&](int64_t r, int64_t c) { return wanted(r, c).p; }), 5e-7);
    EXPECT_LE(Excess(m, 5e-7, [&](int64_t r, int64_t c) { return wanted(r, c).m; }), 0);
    EXPECT_LE(Excess(v, 5e-7, [&](int64_t r, int64_t c) { return wanted(r, c).v; }), 0);
  }
}

TEST("cuda: AdamW without a gradient only decays, and a zero gradient is no division by zero") {
  DeviceMatrix p(DType::kF32, 1, 8), zero(DType::kF32, 1, 8), m(DType::kF32, 1, 8), v(DType::kF32, 1, 8);
  p.Fill(2), zero.Fill(0), m.Fill(0), v.Fill(0);
  AdamWParams params;
  params.learning_rate = 0.5, params.weight_decay = 0.5;
  InEachOrder({&p, &zero, &m, &v}, [&] { Card().AdamW(params, p.view(), zero.view(), m.view(), v.view()); });
  for (int64_t c = 0; c < 8; ++c) EXPECT_EQ(p.After(0, c), 1.5);
}

TEST("cuda: AdamW reads four numbers and writes three for each parameter") {
  DeviceMatrix p(DType::kF32, 1, 4096), g(DType::kF32, 1, 4096), m(DType::kF32, 1, 4096), v(DType::kF32, 1, 4096);
  p.Random(3), g.Random(4), m.Fill(0), v.Fill(0);
  EXPECT_EQ(GlobalBytes({&p, &g, &m, &v}, "AdamW",
                        [&] { Card().AdamW(AdamWParams(), p.view(), g.view(), m.view(), v.view()); }),
            4096u * 28);
}

TEST("cuda: SumSquares adds in double, in one order whatever the order of threads") {
  for (const Shape& s : kShapes) {
    DeviceMatrix x(DType::kF32, s.rows, s.cols, s.place);
    x.Random(5, 10);
    double wanted = 0;
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t c = 0; c < s.cols; ++c) wanted += x.Before(r, c) * x.Before(r, c);
    }
    std::vector<double> sums;
    InEachOrder({&x}, [&] { sums.push_back(Card().SumSquares(x.view())); });
    EXPECT_NEAR(sums[0], wanted, 1e-14 * wanted);
    EXPECT(sums[0] == sums[1] && sums[0] == sums[2]);
  }
}

TEST("cuda: SumSquares in double sees what F32 would lose, and what is not finite") {
  DeviceMatrix x(DType::kF32, 1, 5000);
  x.Fill(1).Set(0, 0, 0x1p20);  // 2^40 + 4999: F32 keeps 24 bits
  x.Upload();
  EXPECT_EQ(Card().SumSquares(x.view()), 0x1p40 + 4999);
  x.Set(0, 4321, INFINITY).Upload();
  EXPECT(std::isinf(Card().SumSquares(x.view())));
  x.Set(0, 77, NAN).Upload();
  EXPECT(std::isnan(Card().SumSquares(x.view())));
}

}  // namespace rlvr::test
