// Cases of AdamW and SumSquares: two updates in a row, so that the second starts from moments that are not zero.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct AdamWSpec {
  std::string name;
  int64_t rows;
  int64_t cols;
  AdamWParams params;
  double gradient = 1;  // the size of it
};

class AdamWCase : public OpCase {
 public:
  AdamWCase(Ops& ops, const AdamWSpec& s) : OpCase(ops, 19), s_(s) {
    start_ = Random(s.rows, s.cols);
    g_ = Random(s.rows, s.cols, s.gradient);
    p_ = Result("p", New(type_, s.rows, s.cols), kElementwise);
    m_ = Result("m", New(type_, s.rows, s.cols), kElementwise);
    v_ = Result("v", New(type_, s.rows, s.cols), kElementwise);
    squares_ = Result("sum of squares", New(DType::kF64, 1, 1), kSum);
  }
  void Forward(Ops& ops) override {
    squares_.Set(0, 0, ops.SumSquares(g_));
    ops.Copy(start_, p_);
    ops.Zero(m_);
    ops.Zero(v_);
    for (int64_t step = 0; step < 2; ++step) {
      AdamWParams params = s_.params;
      params.step += step;
      ops.AdamW(params, p_, g_, m_, v_);
    }
  }

 private:
  AdamWSpec s_;
  Tensor start_, g_, p_, m_, v_, squares_;
};

inline CaseList AdamWCases() {
  return MakeCases<AdamWCase, AdamWSpec>(
      "adamw",
      {
          {.name = "one element", .rows = 1, .cols = 1, .params = {.learning_rate = 1e-2}},
          {.name = "weight decay", .rows = 5, .cols = 37, .params = {.learning_rate = 1e-3, .weight_decay = 0.1}},
          {.name = "clipped gradient",
           .rows = 16,
           .cols = 64,
           .params = {.learning_rate = 1e-3, .gradient_scale = 0.25}},
          {.name = "step 1000, other betas",
           .rows = 3,
           .cols = 65,
           .params = {.learning_rate = 1e-4, .beta1 = 0.8, .beta2 = 0.99, .step = 1000}},
          {.name = "eps dominates",
           .rows = 3,
           .cols = 40,
           .params = {.learning_rate = 1e-2, .eps = 1e-3},
           .gradient = 1e-4},
          {.name = "empty", .rows = 0, .cols = 8, .params = {.learning_rate = 1e-2}},
      });
}

}  // namespace rlvr::test
