// Cases of Lora and LoraBackward.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct LoraSpec {
  std::string name;
  int64_t rows;
  int64_t in;
  int64_t out;
  int64_t rank;
  double scale = 2;
  bool input_grad = true;
  int64_t pad = 0;
};

class LoraCase : public OpCase {
 public:
  LoraCase(Ops& ops, const LoraSpec& s) : OpCase(ops, 14) {
    x_ = Random(s.rows, s.in, 1, s.pad);
    base_ = Random(s.rows, s.out);
    lora_.a = Random(s.rank, s.in, 0.3);
    lora_.b = Random(s.out, s.rank, 0.3);
    lora_.a_t = New(type_, s.in, s.rank);
    lora_.b_t = New(type_, s.rank, s.out);
    lora_.scale = s.scale;
    u_ = Result("u", New(type_, s.rows, s.rank), kSum);
    y_ = Result("y", New(type_, s.rows, s.out, s.pad), kSum);
    dy_ = Cotangent(y_, s.pad);
    du_ = Result("du", New(type_, s.rows, s.rank), kSum);
    da_ = Sum("da", New(type_, s.rank, s.in), kSum);
    db_ = Sum("db", New(type_, s.out, s.rank), kSum);
    Depends("a", lora_.a, da_);
    Depends("b", lora_.b, db_);
    if (!s.input_grad) return;
    dx_ = Sum("dx", New(type_, s.rows, s.in, s.pad), kSum);
    Depends("x", x_, dx_);
  }
  void Prepare(Ops& ops) override {
    ops.Transpose(lora_.a, lora_.a_t);
    ops.Transpose(lora_.b, lora_.b_t);
  }
  void Forward(Ops& ops) override {
    ops.Copy(base_, y_);
    ops.Lora(x_, lora_, u_, y_);
  }
  void Backward(Ops& ops) override { ops.LoraBackward(x_, u_, dy_, lora_, du_, da_, db_, dx_); }

 private:
  LoraView lora_;
  Tensor x_, base_, u_, y_, dy_, du_, da_, db_, dx_;
};

inline CaseList LoraCases() {
  return MakeCases<LoraCase, LoraSpec>(
      "lora", {
                  {.name = "one row", .rows = 1, .in = 64, .out = 48, .rank = 16},
                  {.name = "no rows", .rows = 0, .in = 64, .out = 48, .rank = 8},
                  {.name = "rank 1", .rows = 5, .in = 40, .out = 24, .rank = 1, .scale = 0.5},
                  {.name = "odd sizes", .rows = 7, .in = 37, .out = 53, .rank = 5, .scale = 1},
                  {.name = "without an input gradient", .rows = 6, .in = 64, .out = 32, .rank = 8, .input_grad = false},
                  {.name = "columns of wider matrices", .rows = 9, .in = 96, .out = 33, .rank = 16, .pad = 5},
                  {.name = "many rows", .rows = 131, .in = 160, .out = 72, .rank = 32},
              });
}

}  // namespace rlvr::test
