// GatedActivation and its backward of the emulated card.
#include "cuda_matrix.h"

namespace rlvr::test {

namespace {

struct ValueAndSlope {
  double value;
  double slope;
};

ValueAndSlope Activate(Activation act, double x) {
  if (act == Activation::kSilu) {
    const double sigmoid = 1 / (1 + std::exp(-x));
    return {x * sigmoid, sigmoid + x * sigmoid * (1 - sigmoid)};
  }
  constexpr double kRoot = 0.79788456080286535588;
  const double t = std::tanh(kRoot * (x + 0.044715 * x * x * x));
  return {0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kRoot * (1 + 3 * 0.044715 * x * x)};
}

struct GatedShape {
  int64_t rows;
  int64_t width;
  Placement place = {};
  double scale = 3;
};

const GatedShape kShapes[] = {{1, 48},         {7, 37},          {5, 64, {64}},     {3, 53, {53}},
                              {4, 40, {0, 1}}, {4, 40, {}, 100}, {4, 40, {}, 1e-3}, {9, 2}};

}  // namespace

TEST("cuda: GatedActivation agrees with double, also where it saturates") {
  for (Activation act : {Activation::kSilu, Activation::kGeluTanh}) {
    for (const GatedShape& s : kShapes) {
      DeviceMatrix gate(DType::kBF16, s.rows, s.width, s.place), up(DType::kBF16, s.rows, s.width, s.place);
      DeviceMatrix y(DType::kBF16, s.rows, s.width);
      gate.Random(1, s.scale), up.Random(2);
      InEachOrder({&gate, &up, &y}, [&] { Card().GatedActivation(gate.view(), up.view(), act, y.view()); });
      EXPECT_LE(Excess(y, kBf16Rounding,
                       [&](int64_t r, int64_t c) { return Activate(act, gate.Before(r, c)).value * up.Before(r, c); }),
                2e-6);
    }
  }
}

TEST("cuda: GatedActivationBackward agrees with double, apart and in place with the same bits") {
  for (Activation act : {Activation::kSilu, Activation::kGeluTanh}) {
    for (const GatedShape& s : kShapes) {
      DeviceMatrix gate(DType::kBF16, s.rows, s.width, s.place), up(DType::kBF16, s.rows, s.width, s.place);
      DeviceMatrix dy(DType::kBF16, s.rows, s.width), dgate(DType::kBF16, s.rows, s.width, s.place);
      DeviceMatrix dup(DType::kBF16, s.rows, s.width, s.place);
      gate.Random(3, s.scale), up.Random(4), dy.Random(5);
      InEachOrder({&gate, &up, &dy, &dgate, &dup}, [&] {
        Card().GatedActivationBackward(gate.view(), up.view(), act, dy.view(), dgate.view(), dup.view());
        Card().GatedActivationBackward(gate.view(), up.view(), act, dy.view(), gate.view(), up.view());
      });
      EXPECT(gate.bytes_after() == dgate.bytes_after());
      EXPECT(up.bytes_after() == dup.bytes_after());
      EXPECT_LE(Excess(dgate, kBf16Rounding,
                       [&](int64_t r, int64_t c) {
                         return dy.Before(r, c) * up.Before(r, c) * Activate(act, gate.Before(r, c)).slope;
                       }),
                2e-6);
      EXPECT_LE(Excess(dup, kBf16Rounding,
                       [&](int64_t r, int64_t c) { return dy.Before(r, c) * Activate(act, gate.Before(r, c)).value; }),
                2e-6);
    }
  }
}

TEST("cuda: GatedActivation moves each element once") {
  DeviceMatrix gate_up(DType::kBF16, 6, 2 * 320), dy(DType::kBF16, 6, 320);
  gate_up.Random(6), dy.Random(7);
  const Tensor gate = gate_up.view().Cols(0, 320), up = gate_up.view().Cols(320, 320);
  const uint64_t elements = 6 * 320;
  EXPECT_EQ(GlobalBytes({&gate_up, &dy}, "GatedActivation",
                        [&] { Card().GatedActivation(gate, up, Activation::kSilu, dy.view()); }),
            elements * 2 * 3);
  EXPECT_EQ(GlobalBytes({&gate_up, &dy}, "GatedActivationBackward",
                        [&] { Card().GatedActivationBackward(gate, up, Activation::kSilu, dy.view(), gate, up); }),
            elements * 2 * 5);
}

}  // namespace rlvr::test
