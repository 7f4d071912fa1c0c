// The cpu backend on every instruction set of this machine against the reference, on the shared case list.
#include "compare.h"
#include "op_cases/all.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

constexpr double kGradientStart = 0.5;  // shows whether a sum adds to what is there

void CompareWithReference(const std::string& op) {
  TestBackend reference("reference");
  std::vector<std::string> isas = CpuIsas();
  EXPECT_LE(1u, isas.size());
  int compared = 0;
  for (const std::string& isa : isas) {
    TestBackend cpu("cpu", 2, isa);
    for (const auto& [name, cases] : AllCases()) {
      if (name != op) continue;
      for (const CaseEntry& entry : cases) {
        const auto expected = entry.make(*reference), actual = entry.make(*cpu);
        expected->gradient_start = actual->gradient_start = kGradientStart;
        expected->Run(*reference);
        actual->Run(*cpu);
        const std::string differences = Differences(*actual, *expected);
        if (!differences.empty()) Fail(__FILE__, __LINE__, Concat(entry.name, " [", isa, "]: ", differences));
        ++compared;
      }
    }
  }
  std::printf("  %d comparisons on %zu instruction sets\n", compared, isas.size());
  EXPECT_LE(static_cast<int>(isas.size()), compared);
}

TEST("cpu rms_norm agrees with the reference") { CompareWithReference("rms_norm"); }
TEST("cpu linear agrees with the reference for every weight type") { CompareWithReference("linear"); }
TEST("cpu linears agree with the reference") { CompareWithReference("linears"); }
TEST("cpu transpose agrees with the reference") { CompareWithReference("transpose"); }
TEST("cpu lora agrees with the reference") { CompareWithReference("lora"); }
TEST("cpu rope agrees with the reference") { CompareWithReference("rope"); }
TEST("cpu gated_activation agrees with the reference") { CompareWithReference("gated_activation"); }
TEST("cpu embed agrees with the reference for every weight type") { CompareWithReference("embed"); }
TEST("cpu elementwise ops agree with the reference") { CompareWithReference("elementwise"); }
TEST("cpu adamw agrees with the reference") { CompareWithReference("adamw"); }
TEST("cpu attention agrees with the reference on every tree") { CompareWithReference("attention"); }
TEST("cpu head agrees with the reference for every distribution and loss") { CompareWithReference("head"); }

TEST("the reference in F32 agrees with the reference in F64") {
  TestBackend f32("reference"), f64("reference-f64");
  int compared = 0;
  for (const auto& [op, cases] : AllCases()) {
    for (const CaseEntry& entry : cases) {
      const auto expected = entry.make(*f64), actual = entry.make(*f32);
      expected->gradient_start = actual->gradient_start = kGradientStart;
      expected->Run(*f64);
      actual->Run(*f32);
      // A sum of two F32 numbers is rounded in one and not in the other.
      if (op != "elementwise") {
        const std::string differences = Differences(*actual, *expected);
        if (!differences.empty()) Fail(__FILE__, __LINE__, Concat(entry.name, ": ", differences));
      }
      ++compared;
    }
  }
  EXPECT_LE(140, compared);
}

TEST("a comparison notices one changed element, a missing write and a write outside of the view") {
  TestBackend reference("reference");
  for (const auto& [op, cases] : AllCases()) {
    const CaseEntry& entry = op == "transpose" ? cases[3] : cases[3 % cases.size()];
    const auto expected = entry.make(*reference);
    expected->Run(*reference);
    const size_t outputs = expected->outputs().size();
    for (size_t i = 0; i < outputs; ++i) {
      const auto actual = entry.make(*reference);
      actual->Run(*reference);
      EXPECT_EQ(Differences(*actual, *expected), "");
      const Tensor& value = actual->outputs()[i].value;
      const int64_t row = value.rows() / 2, col = value.cols() / 2;
      const double was = value.At(row, col);
      value.Set(row, col, value.dtype() == DType::kI32 ? was + 1 : was + 1e-3 * (1 + std::fabs(was)));
      if (Differences(*actual, *expected).empty()) {
        Fail(__FILE__, __LINE__, Concat(entry.name, ": ", actual->outputs()[i].name, " changed unnoticed"));
      }
      actual->Reset();
      if (Differences(*actual, *expected).empty()) Fail(__FILE__, __LINE__, entry.name + ": nothing was written");
    }
  }
  RmsNormCase norm(*reference, {.name = "", .rows = 2, .dim = 8, .pad = 1});
  norm.Run(*reference);
  EXPECT(norm.PaddingIntact());
  const Tensor& y = norm.outputs()[0].value;
  Tensor(y.data(), y.dtype(), 2, 9).Set(1, 8, 0);
  EXPECT(!norm.PaddingIntact());
}

}  // namespace
}  // namespace rlvr::test
