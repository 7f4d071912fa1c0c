// The frozen-weight linears on the emulated card, in every stored type and on each line of linear.cu's table, against
// sums in double of the same BF16 numbers.
#include "cuda_linear.h"

namespace rlvr::test {

namespace {

constexpr double kPaddingValue = 7;
constexpr double kSumError = 2e-6;       // of F32 sums, relative to the sum of magnitudes
constexpr double kRounding = 1.0 / 256;  // half an ulp of BF16

// One linear, its operands on the card.
struct Case {
  DType dtype = DType::kBF16;
  int64_t out = 0, in = 0, rows = 0;
  int64_t first = 0, count = 0;  // the slice; count 0: all
  bool has_bias = true;
  DType y_type = DType::kBF16;
  int64_t x_padding = 0, y_padding = 0;  // of strides, in elements
  int64_t x_offset = 0, y_offset = 0;    // of addresses
};

float X(int64_t row, int64_t col) { return RoundedToBf16(Random(11, row, col)); }
float Bias(int64_t col) { return Random(12, 0, col); }

class LinearRun {
 public:
  LinearRun(const Case& c, const StoredMatrix& m)
      : case_(c),
        matrix_(m),
        count_(c.count > 0 ? c.count : c.out),
        weight_(m),
        x_(DType::kBF16, c.rows, c.in, c.in + c.x_padding, c.x_offset),
        y_(c.y_type, c.rows, count_, count_ + c.y_padding, c.y_offset),
        bias_(DType::kF32, 1, count_, count_),
        scratch_({.max_rows = c.rows, .max_in = c.in, .max_out = c.out, .dim = std::min(c.in, c.out)}) {
    x_.Fill([](int64_t r, int64_t col) { return X(r, col); });  // padding holds numbers that must not count
    y_.Fill([](int64_t, int64_t) { return kPaddingValue; });
    bias_.Fill([](int64_t, int64_t col) { return Bias(col); });
  }

  void Forward() {
    cuda::LinearRows(nullptr, scratch_.get(), x_.tensor(), weight_.get(), case_.first, count_,
                     case_.has_bias ? bias_.tensor() : Tensor(), y_.tensor());
  }

  // Elements of y, padding included, that are not what the matrix `m` gives within the rounding of F32 sums.
  int64_t WrongElements(const StoredMatrix& m) const {
    const std::vector<double> y = y_.Read();
    const int64_t stride = count_ + case_.y_padding;
    int64_t wrong = 0;
    for (int64_t r = 0; r < case_.rows; ++r) {
      for (int64_t o = 0; o < stride; ++o) {
        const double got = y[static_cast<size_t>(r * stride + o)];
        if (o >= count_) {
          wrong += got == kPaddingValue ? 0 : 1;
          continue;
        }
        double sum = case_.has_bias ? Bias(o) : 0, magnitude = std::fabs(sum);
        for (int64_t i = 0; i < m.in; ++i) {
          const double term = double{X(r, i)} * RoundedToBf16(m.at(case_.first + o, i));
          sum += term;
          magnitude += std::fabs(term);
        }
        const double tolerance =
            magnitude * kSumError + (case_.y_type == DType::kBF16 ? std::fabs(sum) * kRounding : 0);
        wrong += std::fabs(got - sum) <= tolerance ? 0 : 1;
      }
    }
    return wrong;
  }
  int64_t WrongElements() const { return WrongElements(matrix_); }
  std::vector<std::byte> RowBits(int64_t row) const { return y_.RowBits(row); }

 private:
  Case case_;
  const StoredMatrix& matrix_;
  int64_t count_;
  CardWeight weight_;
  CardMatrix x_, y_, bias_;
  CardScratch scratch_;
};

// Not a multiple of any tile, where the type allows it.
int64_t OddIn(DType dtype) { return Info(dtype).block == 1 ? 203 : Info(dtype).block == 256 ? 512 : 320; }

std::vector<std::byte> BitsOfRow0(const Case& c, const StoredMatrix& m) {
  LinearRun run(c, m);
  run.Forward();
  return run.RowBits(0);
}

}  // namespace

TEST("a linear of few rows is right in every weight type at every number of rows") {
  for (const DType dtype : kWeightTypes) {
    const StoredMatrix m = MakeMatrix(dtype, 37, OddIn(dtype), 6);
    for (const int64_t rows : {1, 2, 3, 4, 5, 9, 18, 36, 64}) {
      LinearRun run({.dtype = dtype, .out = m.out, .in = m.in, .rows = rows}, m);
      run.Forward();
      EXPECT_EQ(run.WrongElements(), 0);
    }
  }
}

TEST("many rows go through the unpacked weight") {
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ6_K}) {
    const StoredMatrix m = MakeMatrix(dtype, 21, dtype == DType::kQ6_K ? 256 : 64, 7);
    for (const int64_t rows : {65, 131}) {
      LinearRun run({.dtype = dtype, .out = m.out, .in = m.in, .rows = rows}, m);
      run.Forward();
      EXPECT_EQ(run.WrongElements(), 0);
    }
  }
}

TEST("the check of a linear sees one wrong weight") {
  StoredMatrix m = MakeMatrix(DType::kNF4, 37, 320, 6);
  for (const int64_t rows : {2, 9}) {
    LinearRun run({.dtype = m.dtype, .out = m.out, .in = m.in, .rows = rows, .y_type = DType::kF32}, m);
    run.Forward();
    StoredMatrix other = m;
    other.values[5 * 320 + 311] += 0.25f;
    EXPECT_EQ(run.WrongElements(other), rows);
  }
}

TEST("strides, odd addresses, F32 outputs and a missing bias change nothing") {
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ8_0}) {
    const StoredMatrix m = MakeMatrix(dtype, 42, OddIn(dtype), 8);
    for (const int64_t rows : {3, 11}) {
      for (const DType y_type : {DType::kBF16, DType::kF32}) {
        const Case plain = {.dtype = dtype, .out = m.out, .in = m.in, .rows = rows, .y_type = y_type};
        Case aligned = plain, odd = plain;
        aligned.x_padding = 8 - m.in % 8;
        aligned.y_padding = 4 - m.out % 4;
        odd.has_bias = false;
        odd.x_padding = 3;
        odd.y_padding = 5;
        odd.x_offset = odd.y_offset = 1;
        for (const Case& c : {aligned, odd}) {
          LinearRun run(c, m);
          run.Forward();
          EXPECT_EQ(run.WrongElements(), 0);
        }
      }
    }
  }
}

TEST("a slice of the outputs is that part of the whole") {
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ8_0, DType::kQ5_K}) {
    const StoredMatrix m = MakeMatrix(dtype, 50, Info(dtype).block == 256 ? 256 : 128, 9);
    for (const int64_t rows : {1, 7, 66}) {
      LinearRun run({.dtype = dtype, .out = m.out, .in = m.in, .rows = rows, .first = 13, .count = 22}, m);
      run.Forward();
      EXPECT_EQ(run.WrongElements(), 0);
    }
  }
}

TEST("a long inner dimension is cut into parts, whose sum is the product") {
  for (const DType dtype : {DType::kBF16, DType::kNF4}) {
    const StoredMatrix m = MakeMatrix(dtype, 18, 6400, 10);
    for (const int64_t rows : {1, 6}) {
      LinearRun run({.dtype = dtype, .out = m.out, .in = m.in, .rows = rows}, m);
      cuda::emulator::ResetCounters();
      run.Forward();
      EXPECT_EQ(run.WrongElements(), 0);
      EXPECT_EQ(cuda::emulator::CountersOf("linear_sum_parts").launches, 1u);
    }
  }
}

TEST("a row's bits do not depend on the rows beside it within a kernel") {
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ4_0}) {
    const StoredMatrix m = MakeMatrix(dtype, 33, 960, 11);
    const auto bits = [&](int64_t rows) {
      return BitsOfRow0({.dtype = dtype, .out = m.out, .in = m.in, .rows = rows, .y_type = DType::kF32}, m);
    };
    for (const int64_t rows : {2, 3, 4}) EXPECT(bits(rows) == bits(1));
    for (const int64_t rows : {8, 9, 17, 36, 64}) EXPECT(bits(rows) == bits(5));
  }
}

TEST("threads in any order and copies at any time give the same bits") {
  using cuda::emulator::AsyncCopy;
  using cuda::emulator::ThreadOrder;
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ8_0, DType::kQ6_K}) {
    const StoredMatrix m = MakeMatrix(dtype, 40, OddIn(dtype) + Info(dtype).block * 2, 12);
    for (const int64_t rows : {1, 4, 13}) {
      const Case c = {.dtype = dtype, .out = m.out, .in = m.in, .rows = rows, .y_type = DType::kF32};
      SettingsScope settings;
      settings->order = ThreadOrder::kAscending;
      settings->async_copy = AsyncCopy::kLate;
      const std::vector<std::byte> expected = BitsOfRow0(c, m);
      for (const ThreadOrder order : {ThreadOrder::kDescending, ThreadOrder::kRandom}) {
        for (const AsyncCopy copy : {AsyncCopy::kEarly, AsyncCopy::kRandom}) {
          settings->order = order;
          settings->async_copy = copy;
          EXPECT(BitsOfRow0(c, m) == expected);
        }
      }
    }
  }
}

namespace {

// What a run of few_rows or gemv reads of the weight: codes once, and the small things each lane takes beside its 16
// bytes of them. NF4 also fills its tables once a block.
struct WeightReads {
  DType dtype;
  double bytes_per_16;  // of codes and what comes with them
};

constexpr WeightReads kReads[] = {
    {DType::kBF16, 16},         {DType::kQ8_0, 16 + 2},     {DType::kQ4_0, 16 + 2},
    {DType::kQ4_1, 16 + 4},     {DType::kQ5_0, 16 + 6},     {DType::kQ5_1, 16 + 8},
    {DType::kQ4_K, 16 + 2 + 4}, {DType::kQ5_K, 16 + 6 + 4}, {DType::kQ6_K, 16 + 8 + 2 + 2},
    {DType::kNF4, 16 + 1 + 4},
};

uint64_t CodesBytes(const StoredMatrix& m) {
  return static_cast<uint64_t>(m.out) * cuda::LayoutOf(m.dtype, m.out, m.in).codes.row_bytes;
}

}  // namespace

TEST("weights are read exactly once for all rows, and every tensor-core product counts") {
  for (const WeightReads& reads : kReads) {
    const StoredMatrix m = MakeMatrix(reads.dtype, 256, 1024, 13);
    const Case c = {.dtype = m.dtype, .out = m.out, .in = m.in, .rows = 24, .has_bias = false};
    LinearRun run(c, m);
    cuda::emulator::ResetCounters();
    run.Forward();
    const auto few = cuda::emulator::CountersOf("few_rows");
    const uint64_t block_outputs = m.dtype == DType::kBF16 ? 64 : 128;
    const uint64_t out_blocks = 256 / block_outputs;
    double expected = static_cast<double>(CodesBytes(m)) / 16 * reads.bytes_per_16;
    // The tables, and which source row each of a thread's four rows is.
    if (m.dtype == DType::kNF4) expected += static_cast<double>(few.blocks * ((16 * 32 + 257) * 4 + 128 * 4 * 4));
    EXPECT_EQ(static_cast<double>(few.load_bytes), expected);
    EXPECT_EQ(few.async_copy_bytes, out_blocks * 24 * 1024 * 2);  // x once for each block of outputs
    EXPECT_EQ(few.mma, uint64_t{256 / 16} * (1024 / 16) * (24 / 8));
  }
}

TEST("one row reads the weights exactly once") {
  for (const WeightReads& reads : kReads) {
    const StoredMatrix m = MakeMatrix(reads.dtype, 64, 2048, 14);
    LinearRun run({.dtype = m.dtype, .out = m.out, .in = m.in, .rows = 1, .has_bias = false}, m);
    cuda::emulator::ResetCounters();
    run.Forward();
    const auto gemv = cuda::emulator::CountersOf("gemv");
    double expected = static_cast<double>(CodesBytes(m)) / 16 * reads.bytes_per_16;
    if (m.dtype == DType::kNF4) expected += static_cast<double>(gemv.blocks * ((16 * 32 + 257) * 4 + 256 * 2 * 4));
    EXPECT_EQ(static_cast<double>(gemv.load_bytes), expected);
    EXPECT_EQ(gemv.async_copy_bytes, uint64_t{64 / 16} * 2048 * 2);
  }
}

TEST("the gradient of a linear's input is dy times the weight, added or not") {
  for (const DType dtype : {DType::kBF16, DType::kNF4, DType::kQ4_K}) {
    const StoredMatrix m = MakeMatrix(dtype, 30, Info(dtype).block == 256 ? 256 : 64, 15);
    const CardWeight weight(m);
    // Scratch for a few rows of the weight alone: it is unpacked in runs.
    const CardScratch scratch({.max_rows = 3, .max_in = 8, .max_out = 8, .dim = m.in});
    for (const bool accumulate : {false, true}) {
      constexpr int64_t kRows = 3, kFirst = 2, kCount = 26;
      CardMatrix dy(DType::kBF16, kRows, kCount, kCount + 1), dx(DType::kF32, kRows, m.in, m.in + 2);
      dy.Fill([](int64_t r, int64_t c) { return X(r, c); });
      dx.Fill([](int64_t, int64_t) { return kPaddingValue; });
      cuda::LinearRowsInputGrad(nullptr, scratch.get(), dy.tensor(), weight.get(), kFirst, kCount, accumulate,
                                dx.tensor());
      const std::vector<double> got = dx.Read();
      for (int64_t r = 0; r < kRows; ++r) {
        for (int64_t i = 0; i < m.in + 2; ++i) {
          double sum = accumulate || i >= m.in ? kPaddingValue : 0, magnitude = sum;
          for (int64_t o = 0; o < kCount && i < m.in; ++o) {
            const double term = double{X(r, o)} * RoundedToBf16(m.at(kFirst + o, i));
            sum += term;
            magnitude += std::fabs(term);
          }
          EXPECT_NEAR(got[static_cast<size_t>(r * (m.in + 2) + i)], sum, magnitude * kSumError);
        }
      }
    }
  }
}

TEST("no rows and no outputs launch nothing") {
  const StoredMatrix m = MakeMatrix(DType::kQ8_0, 20, 64, 16);
  const CardWeight weight(m);
  const CardScratch scratch({.max_rows = 4, .max_in = 64, .max_out = 20, .dim = 64});
  const DeviceArray<std::byte> memory(4096);
  cuda::emulator::ResetCounters();
  cuda::LinearRows(nullptr, scratch.get(), Tensor(memory.data(), DType::kBF16, 0, 64), weight.get(), 0, 20, Tensor(),
                   Tensor(memory.data(), DType::kBF16, 0, 20));
  cuda::LinearRows(nullptr, scratch.get(), Tensor(memory.data(), DType::kBF16, 2, 64), weight.get(), 3, 0, Tensor(),
                   Tensor(memory.data(), DType::kBF16, 2, 0));
  EXPECT_EQ(cuda::emulator::TotalCounters().launches, 0u);
}

}  // namespace rlvr::test
