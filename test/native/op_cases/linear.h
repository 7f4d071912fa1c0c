// Cases of Pack, Linear, LinearInputGrad, LinearWeightGrad, SumRows (bias) and Transpose.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct LinearSpec {
  std::string name;
  int64_t rows;
  int64_t in;
  int64_t out;
  DType dtype = DType::kF32;
  bool bias = false;
  bool accumulate = false;
  bool weight_grad = false;
  bool shuffled = false;  // Pack with a row order
  int64_t pad = 0;        // x, y, dy, dx are columns of wider matrices
};

class LinearCase : public OpCase {
 public:
  LinearCase(Ops& ops, const LinearSpec& s) : OpCase(ops, 12), s_(s) {
    x_ = Random(s.rows, s.in, 1, s.pad);
    w_ = Random(s.out, s.in, 0.5);
    weight_ = std::make_unique<CaseWeight>(type_, s.dtype, w_, s.shuffled);
    y_ = Result("y", New(type_, s.rows, s.out, s.pad), kSum);
    dy_ = Cotangent(y_, s.pad);
    const Tensor dx = New(type_, s.rows, s.in, s.pad);
    dx_ = s.accumulate ? Sum("dx", dx, kSum) : Result("dx", dx, kSum);
    Depends("x", x_, dx_);
    if (s.bias) {
      bias_ = Random(1, s.out);
      dbias_ = Sum("dbias", New(type_, 1, s.out), kSum);
      Depends("bias", bias_, dbias_);
    }
    if (s.weight_grad) {
      RLVR_CHECK(s.dtype == DType::kF32 && !s.shuffled);
      dw_ = Sum("dw", New(type_, s.out, s.in), kSum);
      Depends("w", w_, dw_);
    }
  }
  void Prepare(Ops& ops) override { weight_->Pack(ops); }
  void Forward(Ops& ops) override { ops.Linear(x_, weight_->packed(), bias_, y_); }
  void Backward(Ops& ops) override {
    ops.LinearInputGrad(dy_, weight_->packed(), s_.accumulate, dx_);
    if (s_.bias) ops.SumRows(dy_, dbias_);
    if (s_.weight_grad) ops.LinearWeightGrad(dy_, x_, dw_);
  }

 private:
  LinearSpec s_;
  std::unique_ptr<CaseWeight> weight_;
  Tensor x_, w_, bias_, y_, dy_, dx_, dbias_, dw_;
};

inline CaseList LinearCases() {
  std::vector<LinearSpec> specs = {
      {.name = "one row", .rows = 1, .in = 64, .out = 48},
      {.name = "no rows", .rows = 0, .in = 64, .out = 48, .bias = true, .weight_grad = true},
      {.name = "one of everything", .rows = 1, .in = 1, .out = 1, .bias = true, .weight_grad = true},
      {.name = "odd sizes", .rows = 7, .in = 37, .out = 53, .bias = true, .accumulate = true, .weight_grad = true},
      {.name = "row order", .rows = 5, .in = 64, .out = 40, .bias = true, .shuffled = true},
      {.name = "columns of wider matrices", .rows = 9, .in = 96, .out = 33, .weight_grad = true, .pad = 5},
      {.name = "many rows", .rows = 131, .in = 160, .out = 72, .bias = true, .weight_grad = true},
      {.name = "wide", .rows = 3, .in = 2048, .out = 65, .accumulate = true},
      {.name = "NF4, three nested blocks, row order",
       .rows = 3,
       .in = 1024,
       .out = 40,
       .dtype = DType::kNF4,
       .shuffled = true},
  };
  for (DType dtype : {DType::kF64, DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                      DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kNF4}) {
    const std::string type = Info(dtype).name;
    const int64_t in = Info(dtype).block == 256 ? 512 : WidthOf(dtype, 96);
    specs.push_back({.name = type + ", one row", .rows = 1, .in = in, .out = 31, .dtype = dtype});
    specs.push_back({.name = type + ", 4 rows", .rows = 4, .in = in, .out = 64, .dtype = dtype, .bias = true});
    specs.push_back({.name = type + ", 35 rows, row order, strides",
                     .rows = 35,
                     .in = in,
                     .out = 47,
                     .dtype = dtype,
                     .accumulate = true,
                     .shuffled = true,
                     .pad = 3});
  }
  return MakeCases<LinearCase>("linear", specs);
}

struct TransposeSpec {
  std::string name;
  int64_t rows;
  int64_t cols;
  int64_t pad = 0;
};

class TransposeCase : public OpCase {
 public:
  TransposeCase(Ops& ops, const TransposeSpec& s) : OpCase(ops, 13) {
    from_ = Random(s.rows, s.cols, 1, s.pad);
    to_ = Result("to", New(type_, s.cols, s.rows, s.pad), kExact);
  }
  void Forward(Ops& ops) override { ops.Transpose(from_, to_); }

 private:
  Tensor from_, to_;
};

inline CaseList TransposeCases() {
  return MakeCases<TransposeCase, TransposeSpec>("transpose", {
                                                                  {.name = "one element", .rows = 1, .cols = 1},
                                                                  {.name = "odd sizes", .rows = 37, .cols = 19},
                                                                  {.name = "rank 16", .rows = 16, .cols = 576},
                                                                  {.name = "strides", .rows = 33, .cols = 65, .pad = 7},
                                                                  {.name = "empty", .rows = 0, .cols = 8},
                                                              });
}

}  // namespace rlvr::test
