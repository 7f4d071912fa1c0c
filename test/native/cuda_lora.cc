// LoRA and weight gradients of the cuda backend against double, at ranks and sizes of any kind; few rows in two
// launches that read A and B once.
#include <algorithm>

#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/lora.h"
#include "gemm_problem.h"

namespace rlvr::test {
namespace {

using namespace cuda;
using emulator::CountersOf;

// A BF16 or F32 matrix on the card, and what it held at first.
struct Matrix {
  Matrix(int64_t row_count, int64_t col_count, uint64_t seed, DType type = DType::kBF16)
      : rows(row_count),
        cols(col_count),
        dtype(type),
        start(RandomBf16(static_cast<size_t>(row_count * col_count), seed)),
        bf16(start),
        f32(Floats()) {}

  Tensor View() const {
    return Tensor(dtype == DType::kF32 ? static_cast<void*>(f32.data()) : bf16.data(), dtype, rows, cols);
  }
  double Start(int64_t i, int64_t j) const { return ValueOf(start[static_cast<size_t>(i * cols + j)]); }
  std::vector<double> Get() const {
    std::vector<double> values;
    if (dtype == DType::kF32) {
      for (float x : f32.Get()) values.push_back(x);
    } else {
      for (Bf16 x : bf16.Get()) values.push_back(ValueOf(x));
    }
    return values;
  }
  std::vector<float> Floats() const {
    std::vector<float> floats;
    for (Bf16 x : start) floats.push_back(static_cast<float>(ValueOf(x)));
    return floats;
  }

  int64_t rows, cols;
  DType dtype;
  std::vector<Bf16> start;
  DeviceArray<Bf16> bf16;
  DeviceArray<float> f32;
};

// Checks got = scale * sum over l of a(i, l) b(l, j) (+ what it was at first).
template <typename A, typename B>
void ExpectProduct(const char* what, const Matrix& got, int64_t k, double scale, bool accumulate, A a, B b) {
  const std::vector<double> values = got.Get();
  int64_t wrong = 0;
  for (int64_t i = 0; i < got.rows; ++i) {
    for (int64_t j = 0; j < got.cols; ++j) {
      double sum = 0, size = 0;
      for (int64_t l = 0; l < k; ++l) {
        sum += a(i, l) * b(l, j);
        size += std::fabs(a(i, l) * b(l, j));
      }
      const double old = accumulate ? got.Start(i, j) : 0.0, value = scale * sum + old;
      const double added = std::fabs(scale) * size + std::fabs(old);
      const double rounding = got.dtype == DType::kF32 ? 0.0 : std::ldexp(std::fabs(value), -8);
      const double tolerance = std::ldexp(added * static_cast<double>(k + 4), -24) + rounding;
      wrong += !(std::fabs(values[static_cast<size_t>(i * got.cols + j)] - value) <= tolerance);
    }
  }
  if (wrong > 0) Fail(__FILE__, __LINE__, Concat(wrong, " elements of ", what, " are wrong"));
}

struct Layer {
  Layer(int64_t rows, int64_t in, int64_t out, int64_t rank)
      : x(rows, in, 1),
        a(rank, in, 2),
        b(out, rank, 3),
        u(rows, rank, 4),
        y(rows, out, 5),
        dy(rows, out, 6),
        du(rows, rank, 7),
        da(rank, in, 8, DType::kF32),
        db(out, rank, 9, DType::kF32),
        dx(rows, in, 10) {}

  LoraView View() const {
    LoraView view;
    view.a = a.View();
    view.b = b.View();
    view.scale = scale;
    return view;
  }
  void Forward() { LoraForward(nullptr, x.View(), View(), u.View(), y.View(), scratch); }
  void Backward(bool to_input) {
    LoraGradients(nullptr, x.View(), u.View(), dy.View(), View(), du.View(), da.View(), db.View(),
                  to_input ? dx.View() : Tensor(), scratch);
  }

  double scale = 0.375;
  ScratchOf scratch;
  Matrix x, a, b, u, y, dy, du, da, db, dx;
};

auto At(const std::vector<double>& values, int64_t cols) {
  return [&values, cols](int64_t i, int64_t j) { return values[static_cast<size_t>(i * cols + j)]; };
}
auto AtTransposed(const std::vector<double>& values, int64_t cols) {
  return [&values, cols](int64_t i, int64_t j) { return values[static_cast<size_t>(j * cols + i)]; };
}

void ExpectForward(Layer& layer) {
  layer.Forward();
  const std::vector<double> x = layer.x.Get(), a = layer.a.Get(), b = layer.b.Get(), u = layer.u.Get();
  const int64_t rank = layer.a.rows, in = layer.x.cols;
  ExpectProduct("u", layer.u, in, 1, false, At(x, in), AtTransposed(a, in));
  // y is made of the rounded u, which the backward reads as well.
  ExpectProduct("y", layer.y, rank, layer.scale, true, At(u, rank), AtTransposed(b, rank));
}

void ExpectBackward(Layer& layer, bool to_input) {
  layer.Backward(to_input);
  const std::vector<double> x = layer.x.Get(), a = layer.a.Get(), b = layer.b.Get(), u = layer.u.Get();
  const std::vector<double> dy = layer.dy.Get(), du = layer.du.Get();
  const int64_t rows = layer.x.rows, rank = layer.a.rows, in = layer.x.cols, out = layer.y.cols;
  ExpectProduct("du", layer.du, out, layer.scale, false, At(dy, out), At(b, rank));
  ExpectProduct("db", layer.db, rows, layer.scale, true, AtTransposed(dy, out), At(u, rank));
  ExpectProduct("da", layer.da, rows, 1, true, AtTransposed(du, rank), At(x, in));
  ExpectProduct("dx", layer.dx, to_input ? rank : 0, 1, true, At(du, rank), At(a, in));
}

struct Shape {
  int64_t rows, in, out, rank;
};

TEST("LoRA is right at few rows: ranks and sizes of any kind") {
  for (const Shape& s : {Shape{1, 64, 64, 1},
                         {3, 40, 136, 3},
                         {5, 200, 128, 8},
                         {9, 520, 200, 16},
                         {16, 33, 65, 5},
                         {36, 264, 72, 20},
                         {64, 1000, 136, 32},
                         {17, 136, 264, 64},
                         {33, 72, 40, 100}}) {
    Layer layer(s.rows, s.in, s.out, s.rank);
    ExpectForward(layer);
  }
}

TEST("LoRA is right at many rows") {
  for (const Shape& s : {Shape{65, 64, 72, 16}, {130, 200, 136, 8}, {100, 33, 65, 5}, {72, 72, 40, 72}}) {
    Layer layer(s.rows, s.in, s.out, s.rank);
    ExpectForward(layer);
  }
}

TEST("LoRA's gradients are right, with and without an input that wants one") {
  for (const Shape& s : {Shape{1, 40, 24, 1},
                         {9, 72, 136, 16},
                         {130, 200, 136, 8},
                         {100, 33, 65, 5},
                         {72, 72, 40, 72},
                         {600, 40, 48, 16}}) {
    for (const bool to_input : {true, false}) {
      Layer layer(s.rows, s.in, s.out, s.rank);
      ExpectBackward(layer, to_input);
    }
  }
}

TEST("no rows are no work, and gradients stay what they were") {
  Layer layer(0, 40, 24, 8);
  emulator::ResetCounters();
  ExpectForward(layer);
  EXPECT_EQ(emulator::TotalCounters().launches, 0u);
  ExpectBackward(layer, true);
}

TEST("few rows take two launches that read A and B once") {
  Layer layer(9, 1024, 384, 16);
  emulator::ResetCounters();
  layer.Forward();
  EXPECT_EQ(emulator::TotalCounters().launches, 2u);
  const emulator::Counters down = CountersOf("gemm 64x32"), up = CountersOf("lora up");
  EXPECT_EQ(down.blocks, 8u);  // parts of u
  EXPECT_EQ(down.async_copy_bytes, uint64_t{(9 + 16) * 1024 * 2});
  EXPECT_EQ(up.blocks, 3u);
  EXPECT_EQ(up.async_copy_bytes, uint64_t{384 * 16 * 2});
  EXPECT_EQ(up.load_bytes, uint64_t{3 * 8 * 9 * 16 * 4 + 9 * 384 * 2});  // each block adds the parts; y
  EXPECT_EQ(up.store_bytes, uint64_t{9 * 16 * 2 + 9 * 384 * 2});
  EXPECT_EQ(up.mma, uint64_t{1 * (384 / 8) * 1});
  EXPECT_EQ(up.ldmatrix_wavefronts, up.ldmatrix);
}

TEST("a row of LoRA has the same bits alone and among few others") {
  Layer all(64, 520, 136, 16);
  all.Forward();
  const std::vector<double> y = all.y.Get(), u = all.u.Get();
  for (const int64_t rows : {1, 5, 16, 33}) {
    Layer some(64, 520, 136, 16);
    LoraForward(nullptr, some.x.View().Rows(0, rows), some.View(), some.u.View().Rows(0, rows),
                some.y.View().Rows(0, rows), some.scratch);
    const std::vector<double> some_y = some.y.Get(), some_u = some.u.Get();
    EXPECT(std::equal(some_y.begin(), some_y.begin() + rows * 136, y.begin()));
    EXPECT(std::equal(some_u.begin(), some_u.begin() + rows * 16, u.begin()));
  }
}

TEST("neither the order of threads nor the time of copies changes a bit of LoRA") {
  const emulator::Settings before = emulator::CurrentSettings();
  for (const Shape& s : {Shape{9, 264, 136, 16}, {70, 72, 136, 8}, {20, 40, 40, 100}, {6, 33, 65, 5}}) {
    std::vector<double> first;
    for (const auto order :
         {emulator::ThreadOrder::kAscending, emulator::ThreadOrder::kDescending, emulator::ThreadOrder::kRandom}) {
      for (const auto copy : {emulator::AsyncCopy::kLate, emulator::AsyncCopy::kEarly}) {
        emulator::CurrentSettings().order = order;
        emulator::CurrentSettings().async_copy = copy;
        Layer layer(s.rows, s.in, s.out, s.rank);
        layer.Forward();
        layer.Backward(true);
        std::vector<double> results;
        for (const Matrix* matrix : {&layer.u, &layer.y, &layer.du, &layer.da, &layer.db, &layer.dx}) {
          const std::vector<double> values = matrix->Get();
          results.insert(results.end(), values.begin(), values.end());
        }
        if (first.empty()) first = results;
        EXPECT(results == first);
      }
    }
  }
  emulator::CurrentSettings() = before;
}

}  // namespace
}  // namespace rlvr::test
