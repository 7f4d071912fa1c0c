// The emulated CUDA backend against the reference on the shared case list, on inputs that BF16 holds exactly.
#include "compare.h"
#include "op_cases/all.h"
#include "staged_ops.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

constexpr double kGradientStart = 0.5;

// BF16 has 8 bits of precision: a result is rounded once at the end (2^-9), and so is what lies between two products
// (u of LoRA, the probabilities of attention, the gradient of the logits), whose errors add up at random.
constexpr double kBf16 = 1.0 / 128;

Tolerance Bf16(const Tolerance& t) { return {std::max(t.relative, kBf16), std::max(t.floor, kBf16)}; }

void CompareWithReference(const std::string& op) {
  TestBackend reference("reference"), cuda("cuda-emulated");
  const Bf16Inputs rounded;
  int compared = 0;
  for (const auto& [name, cases] : AllCases()) {
    if (name != op) continue;
    for (const CaseEntry& entry : cases) {
      StagedOps staged(*cuda);
      const auto expected = entry.make(*reference), actual = entry.make(staged);
      expected->gradient_start = actual->gradient_start = kGradientStart;
      expected->Run(*reference);
      actual->Run(staged);
      const std::string differences = Differences(*actual, *expected, Bf16);
      if (!differences.empty()) Fail(__FILE__, __LINE__, Concat(entry.name, ": ", differences));
      if (staged.overran()) Fail(__FILE__, __LINE__, entry.name + ": wrote outside of a view");
      ++compared;
    }
  }
  std::printf("  %d comparisons\n", compared);
  EXPECT_LE(1, compared);
}

TEST("cuda-emulated rms_norm agrees with the reference") { CompareWithReference("rms_norm"); }
TEST("cuda-emulated linear agrees with the reference for every weight type") { CompareWithReference("linear"); }
TEST("cuda-emulated linears agree with the reference") { CompareWithReference("linears"); }
TEST("cuda-emulated transpose agrees with the reference") { CompareWithReference("transpose"); }
TEST("cuda-emulated lora agrees with the reference") { CompareWithReference("lora"); }
TEST("cuda-emulated rope agrees with the reference") { CompareWithReference("rope"); }
TEST("cuda-emulated gated_activation agrees with the reference") { CompareWithReference("gated_activation"); }
TEST("cuda-emulated embed agrees with the reference for every weight type") { CompareWithReference("embed"); }
TEST("cuda-emulated elementwise ops agree with the reference") { CompareWithReference("elementwise"); }
TEST("cuda-emulated adamw agrees with the reference") { CompareWithReference("adamw"); }
TEST("cuda-emulated attention agrees with the reference on every tree") { CompareWithReference("attention"); }
TEST("cuda-emulated head agrees with the reference for every distribution and loss") { CompareWithReference("head"); }

}  // namespace
}  // namespace rlvr::test
