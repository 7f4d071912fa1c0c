// Two runs of one case, output by output.
#pragma once

#include <cmath>
#include <cstring>

#include "op_cases/op_case.h"

namespace rlvr::test {

// The largest |a - b| in units of what the tolerance allows it to be relative to; infinite for a NaN or other shapes.
inline double LargestError(const Tensor& a, const Tensor& b, double floor) {
  if (a.rows() != b.rows() || a.cols() != b.cols()) return INFINITY;
  double squares = 0;
  for (int64_t i = 0; i < b.size(); ++i) squares += std::pow(b.At(i / b.cols(), i % b.cols()), 2);
  const double rms = b.size() > 0 ? std::sqrt(squares / static_cast<double>(b.size())) : 0;
  double largest = 0;
  for (int64_t i = 0; i < b.size(); ++i) {
    const double x = a.At(i / b.cols(), i % b.cols()), y = b.At(i / b.cols(), i % b.cols());
    if (x == y) continue;
    const double error = std::fabs(x - y) / (std::fabs(y) + rms + floor);
    if (!(error <= largest)) largest = std::isnan(error) ? INFINITY : error;
  }
  return largest;
}

// Whether every element has the same bits.
inline bool SameBits(const Tensor& a, const Tensor& b) {
  if (a.rows() != b.rows() || a.cols() != b.cols() || a.dtype() != b.dtype()) return false;
  const size_t bytes = BytesOf(a.dtype(), a.cols());
  for (int64_t r = 0; r < a.rows(); ++r) {
    if (std::memcmp(a.Rows(r, 1).data(), b.Rows(r, 1).data(), bytes) != 0) return false;
  }
  return true;
}

// What differs between two runs of one case beyond the tolerances, one line each; "" when nothing does.
inline std::string Differences(
    const OpCase& actual, const OpCase& expected,
    Tolerance (*tolerance)(const Tolerance&) = [](const Tolerance& t) { return t; }) {
  std::string lines;
  for (size_t i = 0; i < expected.outputs().size(); ++i) {
    const OpCase::Output& want = expected.outputs()[i];
    const Tolerance allowed = want.value.dtype() == DType::kI32 ? want.tolerance : tolerance(want.tolerance);
    const double error = LargestError(actual.outputs()[i].value, want.value, allowed.floor);
    if (error <= allowed.relative) continue;
    lines += Concat(lines.empty() ? "" : "; ", want.name, " is off by ", error, ", allowed ", allowed.relative);
  }
  if (!actual.PaddingIntact()) lines += " wrote outside of a view";
  return lines;
}

}  // namespace rlvr::test
