// Cases of RmsNorm and RmsNormBackward.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct RmsNormSpec {
  std::string name;
  int64_t rows;
  int64_t dim;
  double eps = 1e-6;
  double offset = 0;
  bool accumulate = false;
  bool weight_grad = false;
  int64_t pad = 0;
  double scale = 1;  // of x; tiny makes eps matter
};

class RmsNormCase : public OpCase {
 public:
  RmsNormCase(Ops& ops, const RmsNormSpec& s) : OpCase(ops, 11), s_(s) {
    x_ = Random(s.rows, s.dim, s.scale, s.pad);
    weight_ = Random(1, s.dim);
    y_ = Result("y", New(type_, s.rows, s.dim, s.pad), kElementwise);
    dy_ = Cotangent(y_, s.pad);
    const Tensor dx = New(type_, s.rows, s.dim, s.pad);
    dx_ = s.accumulate ? Sum("dx", dx, kSum) : Result("dx", dx, kSum);
    Depends("x", x_, dx_);
    if (!s.weight_grad) return;
    dweight_ = Sum("dweight", New(type_, 1, s.dim), kSum);
    Depends("weight", weight_, dweight_);
  }
  void Forward(Ops& ops) override { ops.RmsNorm(x_, weight_, s_.eps, s_.offset, y_); }
  void Backward(Ops& ops) override {
    ops.RmsNormBackward(x_, weight_, s_.eps, s_.offset, dy_, s_.accumulate, dx_, dweight_);
  }

 private:
  RmsNormSpec s_;
  Tensor x_, weight_, y_, dy_, dx_, dweight_;
};

inline CaseList RmsNormCases() {
  return MakeCases<RmsNormCase, RmsNormSpec>(
      "rms_norm",
      {
          {.name = "one row", .rows = 1, .dim = 64},
          {.name = "no rows", .rows = 0, .dim = 64, .weight_grad = true},
          {.name = "Gemma-3 offset, weight gradient", .rows = 5, .dim = 640, .offset = 1, .weight_grad = true},
          {.name = "odd width, accumulating", .rows = 7, .dim = 37, .accumulate = true, .weight_grad = true},
          {.name = "rows of a wider matrix", .rows = 6, .dim = 96, .offset = 1, .weight_grad = true, .pad = 11},
          {.name = "eps dominates", .rows = 3, .dim = 48, .eps = 1e-5, .weight_grad = true, .scale = 1e-3},
          {.name = "one column", .rows = 4, .dim = 1, .eps = 1e-2, .weight_grad = true},
          {.name = "a head of 256", .rows = 33, .dim = 256, .accumulate = true},
      });
}

}  // namespace rlvr::test
