// Each backward against central differences of its forward, in F64, along random directions.
#include "op_cases/all.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

constexpr int kDirections = 2;
constexpr double kStep = 2e-5;  // small enough that no case changes its top-p support on the way

double LossAt(Ops& ops, OpCase& op_case, const Tensor& value, const std::vector<double>& start,
              const std::vector<double>& direction, double step) {
  for (int64_t i = 0; i < value.size(); ++i) {
    value.Set(i / value.cols(), i % value.cols(), start[i] + step * direction[i]);
  }
  op_case.Prepare(ops);
  op_case.Forward(ops);
  return op_case.Loss();
}

std::vector<double> Values(const Tensor& t) {
  std::vector<double> values;
  for (int64_t i = 0; i < t.size(); ++i) values.push_back(t.At(i / t.cols(), i % t.cols()));
  return values;
}

// How far to go: with the size of small values, so that a step never changes their regime.
double Reach(const std::vector<double>& values) {
  double squares = 0;
  for (double value : values) squares += value * value;
  const double rms = std::sqrt(squares / static_cast<double>(values.size()));
  return rms > 0 ? std::min(rms, 1.0) : 1;
}

// The largest relative difference between gradient . direction and the difference quotient. `planted` is added to one
// element of each gradient, as a mistake would. The measure's unit is the size such a product usually has.
double WorstError(Ops& ops, OpCase& op_case, double planted = 0) {
  op_case.Run(ops);
  double worst = 0;
  std::vector<std::vector<double>> gradients;
  for (const OpCase::Variable& variable : op_case.variables()) gradients.push_back(Values(variable.gradient));
  for (size_t n = 0; n < gradients.size(); ++n) {
    const Tensor& value = op_case.variables()[n].value;
    const std::vector<double> start = Values(value);
    std::vector<double>& gradient = gradients[n];
    if (gradient.empty()) continue;
    gradient[gradient.size() / 2] *= 1 + planted;
    for (uint32_t d = 0; d < kDirections; ++d) {
      std::vector<double> direction(start.size());
      const double reach = Reach(start);
      double analytic = 0, squares = 0;
      for (size_t i = 0; i < start.size(); ++i) {
        direction[i] = reach * (2 * UniformFor(5, n, d, static_cast<uint32_t>(i)) - 1);
        analytic += gradient[i] * direction[i];
        squares += gradient[i] * direction[i] * gradient[i] * direction[i];
      }
      const auto loss = [&](double step) { return LossAt(ops, op_case, value, start, direction, step); };
      const double numeric = (8 * (loss(kStep) - loss(-kStep)) - (loss(2 * kStep) - loss(-2 * kStep))) / (12 * kStep);
      loss(0);  // puts the values back
      const double scale = std::max({std::fabs(analytic), std::sqrt(squares), 1e-6});
      worst = std::max(worst, std::fabs(numeric - analytic) / scale);
    }
  }
  return worst;
}

TEST("every backward agrees with finite differences") {
  TestBackend backend("reference-f64");
  int checked = 0;
  for (const auto& [op, cases] : AllCases()) {
    for (const CaseEntry& entry : cases) {
      const auto op_case = entry.make(*backend);
      if (op_case->variables().empty()) continue;
      const double error = WorstError(*backend, *op_case);
      if (!(error <= kFiniteDifference)) Fail(__FILE__, __LINE__, Concat(entry.name, ": relative error ", error));
      ++checked;
    }
  }
  std::printf("  %d cases with a backward\n", checked);
  EXPECT_LE(100, checked);
}

TEST("finite differences notice one gradient element that is off by a part in a thousand") {
  TestBackend backend("reference-f64");
  for (const CaseList& cases : {RmsNormCases(), LinearCases(), LoraCases(), RopeCases(), GatedActivationCases(),
                                AttentionCases(), HeadCases()}) {
    const CaseEntry& entry = cases[3];  // an ordinary one
    const auto op_case = entry.make(*backend);
    const double error = WorstError(*backend, *op_case, 1e-3);
    if (!(error > kFiniteDifference)) Fail(__FILE__, __LINE__, Concat(entry.name, " did not notice: ", error));
  }
}

}  // namespace
}  // namespace rlvr::test
