// The reference's forwards on numbers that a reader can check by hand. Its backwards: ops_finite_difference.cc.
#include <cmath>

#include "quant/nf4.h"
#include "op_cases/op_case.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

// A matrix that owns its elements.
struct Matrix {
  std::vector<double> data;
  Tensor t;
  Matrix(int64_t rows, int64_t cols, std::vector<double> values)
      : data(std::move(values)), t(data.data(), DType::kF64, rows, cols) {
    RLVR_CHECK(static_cast<int64_t>(data.size()) == rows * cols);
  }
  Matrix(int64_t rows, int64_t cols) : Matrix(rows, cols, std::vector<double>(static_cast<size_t>(rows * cols), 0.0)) {}
};

struct Row : Matrix {
  Row(std::initializer_list<double> values) : Matrix(1, static_cast<int64_t>(values.size()), values) {}
};

struct Ids {
  std::vector<int32_t> data;
  Tensor t;
  explicit Ids(std::vector<int32_t> ids)
      : data(std::move(ids)), t(data.data(), DType::kI32, 1, static_cast<int64_t>(data.size())) {}
};

void ExpectMatrix(const Matrix& actual, const std::vector<double>& expected, double tolerance, int line) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!(std::fabs(actual.data[i] - expected[i]) <= tolerance)) {
      Fail(__FILE__, line, Concat("element ", i, " is ", actual.data[i], ", expected ", expected[i]));
    }
  }
}
#define EXPECT_MATRIX(actual, ...) ExpectMatrix(actual, __VA_ARGS__, 1e-12, __LINE__)

TEST("rms_norm divides by the root of the mean square") {
  TestBackend ops("reference-f64");
  const Row x{1, 7}, weight{1, 2};  // mean square 25
  Matrix y(1, 2);
  ops->RmsNorm(x.t, weight.t, 0, 0, y.t);
  EXPECT_MATRIX(y, {0.2, 2.8});
  ops->RmsNorm(x.t, weight.t, 0, 1, y.t);
  EXPECT_MATRIX(y, {0.4, 4.2});
  ops->RmsNorm(x.t, weight.t, 75, 0, y.t);
  EXPECT_MATRIX(y, {0.1, 1.4});
}

TEST("linear multiplies rows with rows, in the packed order, and adds the bias") {
  TestBackend ops("reference-f64");
  const double rows[] = {1, 2, 3, 4, 5, 6};  // [3, 2]
  const int32_t order[] = {2, 0, 1};
  PackedWeight w;
  std::vector<std::byte> memory(ops->PackedBytes(DType::kF64, 3, 2));
  w.data = memory.data();
  w.bytes = memory.size();
  ops->Pack({DType::kF64, 3, 2, rows, order}, w);
  const Row x{10, 1}, bias{0.5, 0, 0};
  Matrix y(1, 3), dx(1, 2);
  ops->Linear(x.t, w, bias.t, y.t);
  EXPECT_MATRIX(y, {56.5, 12, 34});
  ops->LinearInputGrad(Row({1, 0, 2}).t, w, false, dx.t);
  EXPECT_MATRIX(dx, {11, 14});
  EXPECT_THROW_CODE(ops->Linear(Row({1, 2, 3}).t, w, {}, y.t), ErrorCode::kInternal, "x.cols() == w.in");
  PackedWeight q;
  EXPECT_THROW_CODE(ops->Pack({DType::kQ8_0, 1, 40, rows, nullptr}, q), ErrorCode::kUnsupported, "a multiple of 32");
}

TEST("every quantised weight is multiplied as its decoded values") {
  TestBackend ops("reference-f64");
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                      DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    std::vector<float> plain(256), decoded(256);
    for (size_t i = 0; i < 256; ++i) plain[i] = std::sin(static_cast<float>(i));
    std::vector<std::byte> row(BytesOf(dtype, 256)), memory(ops->PackedBytes(dtype, 1, 256));
    QuantizeRow(dtype, plain.data(), 256, row.data());
    DequantizeRow(dtype, row.data(), 256, decoded.data());
    PackedWeight w;
    w.data = memory.data();
    w.bytes = memory.size();
    ops->Pack({dtype, 1, 256, row.data(), nullptr}, w);
    Matrix x(1, 256), y(1, 1);
    double expected = 0;
    for (int64_t i = 0; i < 256; ++i) {
      x.t.Set(0, i, static_cast<double>(i % 7) - 3);
      expected += x.t.At(0, i) * static_cast<double>(decoded[static_cast<size_t>(i)]);
    }
    ops->Linear(x.t, w, {}, y.t);
    EXPECT_NEAR(y.data[0], expected, 1e-12);
  }
}

TEST("an NF4 weight is multiplied as the values that it reads back, in the order that is asked for") {
  TestBackend ops("reference-f64");
  const int64_t out = 3, in = 128;
  ThreadPool pool(1);
  const auto read = [](int64_t r, float* row) {
    for (int64_t i = 0; i < in; ++i) row[i] = std::sin(static_cast<float>(r * in + i));
  };
  std::vector<std::byte> planar(MatrixBytes(DType::kNF4, out, in)), memory(ops->PackedBytes(DType::kNF4, out, in));
  QuantizeScratch scratch;
  QuantizeNf4(read, out, in, pool, scratch, planar.data());
  const int32_t order[] = {2, 0, 1};
  PackedWeight w;
  w.data = memory.data();
  w.bytes = memory.size();
  ops->Pack({DType::kNF4, out, in, planar.data(), order}, w);
  Matrix x(1, in), y(1, out);
  for (int64_t i = 0; i < in; ++i) x.t.Set(0, i, static_cast<double>(i % 7) - 3);
  ops->Linear(x.t, w, {}, y.t);
  for (int64_t o = 0; o < out; ++o) {
    std::vector<float> row(in);
    Nf4Matrix(planar.data(), out, in).Row(order[o], row.data());
    double expected = 0;
    for (int64_t i = 0; i < in; ++i) expected += x.t.At(0, i) * static_cast<double>(row[static_cast<size_t>(i)]);
    EXPECT_NEAR(y.data[static_cast<size_t>(o)], expected, 1e-12);
  }
}

TEST("rope turns the pair (i, i + half) and leaves the rest") {
  TestBackend ops("reference-f64");
  Row x{1, 2, 3, 4, 5};  // one head of 5, half 2
  const Row cos{0, 1}, sin{1, 0};
  ops->Rope(x.t, cos.t, sin.t, 1, 5, false);
  EXPECT_MATRIX(x, {-3, 2, 1, 4, 5});
  ops->Rope(x.t, cos.t, sin.t, 1, 5, true);
  EXPECT_MATRIX(x, {1, 2, 3, 4, 5});
}

TEST("silu and gelu have the values of PyTorch at 1 and -2") {
  TestBackend ops("reference-f64");
  const Row gate{1, -2}, up{1, 10};
  Matrix y(1, 2);
  ops->GatedActivation(gate.t, up.t, Activation::kSilu, y.t);
  ExpectMatrix(y, {0.7310585786300049, -2.384058440442351}, 1e-9, __LINE__);
  ops->GatedActivation(gate.t, up.t, Activation::kGeluTanh, y.t);
  ExpectMatrix(y, {0.8411919906082768, -0.45402305912}, 1e-9, __LINE__);
}

TEST("attention averages the values that a row sees by the softmax of its scores") {
  TestBackend ops("reference-f64");
  // A prompt of two tokens with two continuations of one token each; one head of width 1. q = 0: equal weights.
  const std::vector<Span> spans = {{-1, 0, 0, 2, 0, 0}, {0, 2, 2, 1, 0, 1}, {0, 2, 3, 1, 0, 2}};
  const int32_t pages[] = {2, 0, 1};
  const SpanView batch{spans.data(), 3, pages, 4};
  Matrix k_pool(3, kKvBlock), v_pool(3 * kKvBlock, 1);
  const KvView kv{k_pool.t, v_pool.t, 1, 1};
  const Matrix k(4, 1, {0, std::log(3.0), 5, 0}), v(4, 1, {4, 8, 100, 0});
  Matrix q(4, 1), out(4, 1), lse(4, 1);
  ops->WriteKv(k.t, v.t, batch, kv);
  EXPECT_EQ(k_pool.t.At(2, 1), std::log(3.0));  // page 2 is the prompt's; keys are columns there
  EXPECT_EQ(v_pool.t.At(0 * kKvBlock, 0), 100);
  ops->Attention(q.t, kv, batch, {.heads = 1}, out.t, lse.t);
  EXPECT_MATRIX(out, {4, 6, 112.0 / 3, 4});
  EXPECT_MATRIX(lse, {0, std::log(2.0), std::log(3.0), std::log(3.0)});
  ops->Attention(q.t, kv, batch, {.heads = 1, .window = 2}, out.t, {});
  EXPECT_MATRIX(out, {4, 6, 54, 4});
  q.data = {0, 1, 0, 0};  // weights 1 : 3
  ops->Attention(q.t, kv, batch, {.heads = 1}, out.t, {});
  EXPECT_NEAR(out.data[1], 7, 1e-12);
  ops->Attention(q.t, kv, batch, {.heads = 1, .softcap = 1e-9}, out.t, {});  // a cap that flattens everything
  EXPECT_NEAR(out.data[1], 6, 1e-6);
}

TEST("the policy loss clips where the advantage says, adds beta times the k3 estimate, and weighs") {
  TestBackend ops("reference-f64");
  // Two tokens of logit 0: logprob -log 2 and dlogprob/dhidden = +-1/2 for a head of weights (1, -1) at hidden 0.
  const double rows[] = {1, -1};
  PackedWeight w;
  std::vector<std::byte> memory(ops->PackedBytes(DType::kF64, 2, 1));
  w.data = memory.data();
  w.bytes = memory.size();
  ops->Pack({DType::kF64, 2, 1, rows, nullptr}, w);
  const double lp = -std::log(2.0);
  // Ratios 1, 1.5, 1.5, 0.5, 0.5 with advantages of both signs.
  Row old{lp, lp - std::log(1.5), lp - std::log(1.5), lp - std::log(0.5), lp - std::log(0.5)};
  Row advantage{2, 1, -1, 1, -1}, weight{1, 1, 1, 1, 0.5};
  Row ref{lp + 1, lp, lp, lp, lp};
  Matrix hidden(5, 1), dhidden(5, 1);
  Ids target({0, 0, 0, 0, 0});
  Matrix logprob(1, 5), entropy(1, 5), loss(1, 5), kl(1, 5), clipped(1, 5);
  const HeadOutputs out{logprob.t, entropy.t, loss.t, kl.t, clipped.t};
  ops->HeadLoss(hidden.t, {w}, {}, {target.t, old.t, {}, advantage.t, weight.t}, {}, out, dhidden.t, {});
  EXPECT_MATRIX(logprob, {lp, lp, lp, lp, lp});
  EXPECT_MATRIX(entropy, {-lp, -lp, -lp, -lp, -lp});
  EXPECT_MATRIX(loss, {-2, -1.2, 1.5, -0.5, 0.4});
  EXPECT_MATRIX(clipped, {0, 1, 0, 0, 1});
  EXPECT_MATRIX(dhidden, {-2, 0, 1.5, -0.5, 0});  // dlogprob / dhidden = 1 - (1 - 1) / 2 = 1

  TokenLoss with_kl;
  with_kl.beta = 0.5;
  ops->HeadLoss(hidden.t, {w}, {}, {target.t, old.t, ref.t, advantage.t, weight.t}, with_kl, out, dhidden.t, {});
  const double e = std::exp(1.0);
  EXPECT_MATRIX(kl, {e - 2, 0, 0, 0, 0});
  EXPECT_MATRIX(loss, {-2 + 0.5 * (e - 2), -1.2, 1.5, -0.5, 0.4});
  EXPECT_MATRIX(dhidden, {-2 + 0.5 * (1 - e), 0, 1.5, -0.5, 0});

  TokenLoss two_sided;
  two_sided.delta = 1.25;
  ops->HeadLoss(hidden.t, {w}, {}, {target.t, old.t, {}, advantage.t, weight.t}, two_sided, out, dhidden.t, {});
  EXPECT_MATRIX(loss, {-2, -1.2, 1.25, -0.5, 0.4});
  EXPECT_MATRIX(dhidden, {-2, 0, 0, -0.5, 0});

  TokenLoss supervised;
  supervised.kind = TokenLoss::Kind::kSupervised;
  ops->HeadLoss(hidden.t, {w}, {}, {target.t, {}, {}, {}, weight.t}, supervised, out, dhidden.t, {});
  EXPECT_MATRIX(loss, {-lp, -lp, -lp, -lp, -lp / 2});
  EXPECT_MATRIX(dhidden, {-1, -1, -1, -1, -0.5});
}

TEST("AdamW moves by the learning rate on its first step and decays apart from the gradient") {
  TestBackend ops("reference-f64");
  Row p{1, 1}, g{0.3, -2};
  Matrix m(1, 2), v(1, 2);
  ops->AdamW({.learning_rate = 0.1, .eps = 0, .weight_decay = 0.5}, p.t, g.t, m.t, v.t);
  EXPECT_MATRIX(p, {0.95 - 0.1, 0.95 + 0.1});
  EXPECT_MATRIX(m, {0.03, -0.2});
  EXPECT_MATRIX(v, {0.00009, 0.004});
  // A gradient of zero afterwards: m_hat = 0.9 m / (1 - 0.9^2), v_hat = 0.999 v / (1 - 0.999^2).
  g.data = {0, 0};
  ops->AdamW({.learning_rate = 0.1, .eps = 0, .step = 2}, p.t, g.t, m.t, v.t);
  const double move = 0.1 * (0.9 * 0.1 / 0.19) / std::sqrt(0.999 * 0.001 / 0.001999);
  EXPECT_MATRIX(p, {0.85 - move, 1.05 + move});
  EXPECT_EQ(ops->SumSquares(Row({3, 4}).t), 25);
}

TEST("the reference counts the logits of one row, whatever the rows") {
  TestBackend ops("reference");
  PackedWeight w;
  std::vector<float> rows(300, 0.0f);
  std::vector<std::byte> memory(ops->PackedBytes(DType::kF32, 100, 3));
  w.data = memory.data();
  w.bytes = memory.size();
  ops->Pack({DType::kF32, 100, 3, rows.data(), nullptr}, w);
  Matrix hidden(7, 3);
  Ids target({0, 1, 2, 3, 4, 5, 99});
  ops->HeadLogprobs(hidden.t, {w}, {}, target.t, {});
  EXPECT_EQ(ops->PeakLogitsBytes(), 800u);
  target.data[0] = 100;
  EXPECT_THROW_CODE(ops->HeadLogprobs(hidden.t, {w}, {}, target.t, {}), ErrorCode::kInternal, "target 100 of 100");
}

}  // namespace
}  // namespace rlvr::test
