// Cases of Add, Copy, Zero, GatherRows and its backward.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct ElementwiseSpec {
  std::string name;
  int64_t rows;
  int64_t cols;
  int64_t gathered;
  int64_t pad_x = 0;
  int64_t pad_y = 0;
};

class ElementwiseCase : public OpCase {
 public:
  ElementwiseCase(Ops& ops, const ElementwiseSpec& s) : OpCase(ops, 18) {
    x_ = Random(s.rows, s.cols, 1, s.pad_x);
    z_ = Random(s.rows, s.cols);
    sum_ = Result("x + z", New(type_, s.rows, s.cols, s.pad_y), kExact);
    zero_ = Result("zero", New(type_, s.rows, s.cols, s.pad_y), kExact);
    rows_ = RandomIds(s.gathered, s.rows);  // repeats occur: the last prompt row stands there once a rollout
    y_ = Result("gathered", New(type_, s.gathered, s.cols, s.pad_y), kExact);
    dy_ = Cotangent(y_, s.pad_y);
    dx_ = Sum("dx", New(type_, s.rows, s.cols, s.pad_x), kExact);
    Depends("x", x_, dx_);
  }
  void Forward(Ops& ops) override {
    ops.Copy(x_, sum_);
    ops.Add(z_, sum_);
    ops.Zero(zero_);
    ops.GatherRows(x_, rows_, y_);
  }
  void Backward(Ops& ops) override { ops.GatherRowsBackward(dy_, rows_, dx_); }

 private:
  Tensor x_, z_, sum_, zero_, rows_, y_, dy_, dx_;
};

inline CaseList ElementwiseCases() {
  return MakeCases<ElementwiseCase, ElementwiseSpec>(
      "elementwise", {
                         {.name = "one row", .rows = 1, .cols = 48, .gathered = 3},
                         {.name = "nothing gathered", .rows = 4, .cols = 48, .gathered = 0},
                         {.name = "odd width", .rows = 7, .cols = 37, .gathered = 5},
                         {.name = "strides", .rows = 9, .cols = 33, .gathered = 12, .pad_x = 5, .pad_y = 9},
                     });
}

}  // namespace rlvr::test
