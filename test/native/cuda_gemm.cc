// Dense matrix products of the cuda backend: every layout, size and way to end against double; which kernel runs, what
// it reads, and that neither the order of threads nor the time of copies shows.
#include <algorithm>

#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/emulator/settings.h"
#include "backends/cuda/gemm_parts.h"
#include "backends/cuda/gemm_plan.h"
#include "gemm_problem.h"

namespace rlvr::test {
namespace {

using namespace cuda;
using emulator::AsyncCopy;
using emulator::Counters;
using emulator::CountersOf;
using emulator::CurrentSettings;
using emulator::ThreadOrder;

std::vector<double> Run(GemmOperands& operands, const LinearScratch& scratch) {
  operands.Reset();
  Gemm(nullptr, operands.Call(), scratch);
  return operands.Result();
}

void ExpectRight(const GemmProblem& problem, const LinearScratch& scratch) {
  GemmOperands operands(problem);
  const int64_t wrong = CountWrong(Run(operands, scratch), operands.Expect());
  if (wrong > 0) Fail(__FILE__, __LINE__, Concat(wrong, " elements of ", problem.Name(), " are wrong"));
}

// The problem in the four layouts.
std::vector<GemmProblem> InAllLayouts(GemmProblem problem) {
  std::vector<GemmProblem> problems;
  for (int layout = 0; layout < 4; ++layout) {
    problem.a_transposed = layout % 2 != 0;
    problem.b_transposed = layout / 2 != 0;
    problems.push_back(problem);
  }
  return problems;
}

// Both operands along k, and neither: each way to read an operand once.
std::vector<GemmProblem> InBothLayouts(GemmProblem problem) {
  GemmProblem other = problem;
  problem.b_transposed = true;
  other.a_transposed = true;
  return {problem, other};
}

struct Size {
  int64_t m, n, k;
};

TEST("products of all layouts and sizes around the tiles are right") {
  const ScratchOf scratch;
  for (const Size& size : {Size{1, 1, 1},
                           {1, 8, 8},
                           {3, 5, 7},
                           {16, 8, 16},
                           {17, 24, 40},
                           {32, 128, 32},
                           {33, 136, 64},
                           {64, 64, 96},
                           {65, 63, 33},
                           {72, 32, 200},
                           {128, 16, 64},
                           {130, 40, 72},
                           {96, 200, 8}}) {
    GemmProblem problem;
    problem.m = size.m, problem.n = size.n, problem.k = size.k;
    problem.seed = static_cast<uint64_t>(size.m * 1000 + size.n);
    for (GemmProblem& each : InAllLayouts(problem)) {
      ExpectRight(each, scratch);
      each.c_is_f32 = each.accumulate = true;
      ExpectRight(each, scratch);
    }
  }
}

TEST("a product ends as its call says: alpha, bias, in place, either type") {
  const ScratchOf scratch;
  for (const Size& size : {Size{9, 40, 48}, {70, 72, 32}}) {
    for (int variant = 0; variant < 16; ++variant) {
      GemmProblem problem;
      problem.m = size.m, problem.n = size.n, problem.k = size.k;
      problem.b_transposed = true;
      problem.alpha = variant & 1 ? -1.75f : 1.0f;
      problem.has_bias = (variant & 2) != 0;
      problem.accumulate = (variant & 4) != 0;
      problem.c_is_f32 = (variant & 8) != 0;
      ExpectRight(problem, scratch);
    }
  }
}

TEST("products of unaligned matrices are right") {
  const ScratchOf scratch;
  GemmProblem problem;
  problem.m = 70, problem.n = 72, problem.k = 40;
  problem.has_bias = problem.accumulate = true;
  for (const auto& [pad, offset] : {std::pair<int64_t, int64_t>{1, 0}, {0, 1}, {3, 5}, {8, 0}, {0, 8}, {4, 4}}) {
    problem.pad = pad;
    problem.offset = offset;
    for (GemmProblem& each : InAllLayouts(problem)) {
      ExpectRight(each, scratch);
      each.c_is_f32 = true;
      ExpectRight(each, scratch);
    }
  }
}

TEST("a product that leaves out its last products is seen to be wrong") {
  GemmProblem problem;
  problem.m = 20, problem.n = 24, problem.k = 32;
  problem.c_is_f32 = true;
  GemmOperands operands(problem);
  const std::vector<double> got = Run(operands, ScratchOf());
  EXPECT_EQ(CountWrong(got, operands.Expect()), 0);
  EXPECT(CountWrong(got, operands.Expect(31)) > 400);
}

TEST("an empty product launches nothing, and one without terms gives the bias") {
  const ScratchOf scratch;
  GemmProblem problem;
  problem.n = 8, problem.k = 8;
  emulator::ResetCounters();
  ExpectRight(problem, scratch);
  EXPECT_EQ(emulator::TotalCounters().launches, 0u);
  problem.m = 3, problem.k = 0, problem.has_bias = true;
  ExpectRight(problem, scratch);
  problem.accumulate = true;
  ExpectRight(problem, scratch);
}

// --- which kernel ---

GemmPlan PlanOf(const GemmProblem& problem, size_t partial_bytes) {
  return PlanGemm(GemmOperands(problem).Call(), partial_bytes);
}

TEST("the shape chooses the tile") {
  const auto tile = [](int64_t m, int64_t n) {
    GemmCall call;  // null pointers are aligned
    call.m = m, call.n = n, call.k = call.lda = call.ldb = 4096;
    call.b_transposed = true;
    return PlanGemm(call, 0).tile;
  };
  EXPECT_EQ(tile(3072, 3840), GemmTile::k128x128);
  EXPECT_EQ(tile(256, 3840), GemmTile::k64x64);
  EXPECT_EQ(tile(64, 262144), GemmTile::k64x64);
  EXPECT_EQ(tile(9, 15360), GemmTile::k32x128);
  EXPECT_EQ(tile(3072, 16), GemmTile::k64x32);
  EXPECT_EQ(tile(1, 16), GemmTile::k64x32);
}

TEST("sums are cut for few rows by n and k alone, and otherwise only where the call allows") {
  GemmCall call;
  call.n = 3840, call.k = call.lda = call.ldb = 3840;
  call.b_transposed = true;
  for (const int64_t m : {1, 9, 32, 33, 64}) {
    call.m = m;
    EXPECT_EQ(PlanGemm(call, size_t{8} << 20).splits, 8);
    EXPECT_EQ(PlanGemm(call, size_t{8} << 20).k_per_split, 480);
  }
  call.m = 65;
  EXPECT_EQ(PlanGemm(call, size_t{8} << 20).splits, 1);
  call.n = 16;
  call.may_split = true;
  EXPECT_EQ(PlanGemm(call, size_t{8} << 20).splits, 30);
  // Four parts of 65 x 16 sums, and not one more, fit here.
  EXPECT_EQ(PlanGemm(call, 4 * 65 * 16 * 4).splits, 4);
  EXPECT_EQ(PlanGemm(call, 0).splits, 1);
}

TEST("cut sums are right, whatever their ends") {
  const ScratchOf scratch;
  for (const Size& size : {Size{16, 200, 1000}, {5, 40, 300}, {40, 24, 520}, {200, 24, 640}, {136, 72, 290}}) {
    GemmProblem problem;
    problem.m = size.m, problem.n = size.n, problem.k = size.k;
    problem.may_split = true;
    for (GemmProblem& each : InAllLayouts(problem)) {
      EXPECT(PlanOf(each, size_t{8} << 20).splits > 1);
      ExpectRight(each, scratch);
      each.c_is_f32 = each.accumulate = each.has_bias = true;
      each.alpha = 0.5f;
      ExpectRight(each, scratch);
    }
  }
}

TEST("the large tile is right at its edges") {
  GemmProblem problem;
  problem.m = 1032, problem.n = 1112, problem.k = 72;
  problem.accumulate = true;
  for (const GemmProblem& each : InBothLayouts(problem)) {
    EXPECT_EQ(PlanOf(each, 0).tile, GemmTile::k128x128);
    ExpectRight(each, ScratchOf());
  }
}

// --- the same bits ---

TEST("a row has the same bits alone and among others, on either side of the line of few rows") {
  const ScratchOf scratch;
  for (const auto& [most, counts] : {std::pair<int64_t, std::vector<int64_t>>{64, {1, 7, 32, 33}}, {200, {65, 128}}}) {
    GemmProblem problem;
    problem.m = most, problem.n = 72, problem.k = 520;
    problem.b_transposed = true;
    GemmOperands operands(problem);
    const std::vector<double> all = Run(operands, scratch);
    for (const int64_t rows : counts) {
      operands.Reset();
      GemmCall call = operands.Call();
      call.m = rows;
      Gemm(nullptr, call, scratch);
      const std::vector<double> some = operands.Result();
      EXPECT(std::equal(some.begin(), some.begin() + rows * problem.n, all.begin()));
    }
  }
}

TEST("neither the order of threads nor the time of copies changes a bit") {
  const ScratchOf scratch;
  const emulator::Settings before = CurrentSettings();
  for (const Size& size : {Size{96, 104, 200}, {24, 136, 600}, {200, 24, 600}, {70, 72, 41}}) {
    GemmProblem problem;
    problem.m = size.m, problem.n = size.n, problem.k = size.k;
    problem.may_split = problem.c_is_f32 = problem.accumulate = true;
    for (const GemmProblem& each : InBothLayouts(problem)) {
      GemmOperands operands(each);
      const std::vector<double> first = Run(operands, scratch);
      for (const ThreadOrder order : {ThreadOrder::kAscending, ThreadOrder::kDescending, ThreadOrder::kRandom}) {
        for (const AsyncCopy copy : {AsyncCopy::kLate, AsyncCopy::kEarly, AsyncCopy::kRandom}) {
          CurrentSettings().order = order;
          CurrentSettings().async_copy = copy;
          if (Run(operands, scratch) != first) Fail(__FILE__, __LINE__, Concat(each.Name(), " differs"));
        }
      }
      CurrentSettings() = before;
    }
  }
}

// --- what it costs ---

struct Ideal {
  const char* kernel;
  GemmProblem problem;
  int64_t tile_m, tile_n;
};

Counters CountersOfRun(const Ideal& ideal) {
  const ScratchOf scratch;
  GemmOperands operands(ideal.problem);
  emulator::ResetCounters();
  Run(operands, scratch);
  return CountersOf(ideal.kernel);
}

TEST("each tile does its products once, reads its operands once, and meets no bank twice") {
  const auto problem = [](int64_t m, int64_t n, int64_t k) {
    GemmProblem p;
    p.m = m, p.n = n, p.k = k;
    return p;
  };
  for (const Ideal& ideal : {Ideal{"gemm 128x128", problem(1024, 1152, 32), 128, 128},
                             {"gemm 64x64", problem(128, 192, 256), 64, 64},
                             {"gemm 32x128", problem(32, 256, 96), 32, 128},
                             {"gemm 64x32", problem(256, 32, 256), 64, 32}}) {
    for (const GemmProblem& each : InBothLayouts(ideal.problem)) {
      const Counters counters = CountersOfRun({ideal.kernel, each, ideal.tile_m, ideal.tile_n});
      const int64_t blocks = (each.m / ideal.tile_m) * (each.n / ideal.tile_n);
      const int64_t read = blocks * (ideal.tile_m + ideal.tile_n) * each.k * 2, written = each.m * each.n * 2;
      EXPECT_EQ(counters.launches, 1u);
      EXPECT_EQ(counters.blocks, static_cast<uint64_t>(blocks));
      EXPECT_EQ(counters.mma, static_cast<uint64_t>((each.m / 16) * (each.n / 8) * (each.k / 16)));
      EXPECT_EQ(counters.ldmatrix_wavefronts, counters.ldmatrix);
      EXPECT_EQ(counters.async_copy_bytes, static_cast<uint64_t>(read));
      EXPECT_EQ(counters.store_bytes, static_cast<uint64_t>(written));
      EXPECT_EQ(counters.load_bytes, 0u);
    }
  }
}

TEST("a cut sum reads its operands once, and its parts once") {
  GemmProblem problem;
  problem.m = 16, problem.n = 256, problem.k = 1024;
  problem.a_transposed = problem.c_is_f32 = problem.accumulate = problem.may_split = true;
  const int64_t splits = PlanOf(problem, size_t{8} << 20).splits;
  EXPECT_EQ(splits, 8);
  const Counters product = CountersOfRun({"gemm 32x128", problem, 32, 128});
  const uint64_t parts = static_cast<uint64_t>(splits * 16 * 256 * 4);
  EXPECT_EQ(product.async_copy_bytes, static_cast<uint64_t>(2 * (2 * 16 + 256) * 1024));
  EXPECT_EQ(product.store_bytes, parts);
  const Counters sum = CountersOf("gemm sum");
  EXPECT_EQ(sum.load_bytes, parts + 16 * 256 * 4);
  EXPECT_EQ(sum.store_bytes, uint64_t{16 * 256 * 4});
}

}  // namespace
}  // namespace rlvr::test
