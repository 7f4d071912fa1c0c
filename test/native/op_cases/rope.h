// Cases of Rope: the backward is the inverse rotation.
#pragma once

#include <cmath>

#include "op_cases/op_case.h"

namespace rlvr::test {

struct RopeCaseSpec {
  std::string name;
  int64_t rows;
  int64_t heads;
  int64_t head_dim;
  int64_t half;
  int64_t pad = 0;
};

class RopeCase : public OpCase {
 public:
  RopeCase(Ops& ops, const RopeCaseSpec& s) : OpCase(ops, 15), s_(s) {
    x_ = Random(s.rows, s.heads * s.head_dim);
    cos_ = New(DType::kF32, s.rows, s.half);
    sin_ = New(DType::kF32, s.rows, s.half);
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t i = 0; i < s.half; ++i) {
        const double share = static_cast<double>(i) / static_cast<double>(s.half);
        const double angle = static_cast<double>(17 * r + 3) * std::pow(10000.0, -share);
        cos_.Set(r, i, std::cos(angle));
        sin_.Set(r, i, std::sin(angle));
      }
    }
    y_ = Result("y", New(type_, s.rows, s.heads * s.head_dim, s.pad), kElementwise);
    dy_ = Cotangent(y_);
    dx_ = Result("dx", New(type_, s.rows, s.heads * s.head_dim, s.pad), kElementwise);
    Depends("x", x_, dx_);
  }
  void Forward(Ops& ops) override {
    ops.Copy(x_, y_);
    ops.Rope(y_, cos_, sin_, s_.heads, s_.head_dim, false);
  }
  void Backward(Ops& ops) override {
    ops.Copy(dy_, dx_);
    ops.Rope(dx_, cos_, sin_, s_.heads, s_.head_dim, true);
  }

 private:
  RopeCaseSpec s_;
  Tensor x_, cos_, sin_, y_, dy_, dx_;
};

inline CaseList RopeCases() {
  return MakeCases<RopeCase, RopeCaseSpec>(
      "rope", {
                  {.name = "one row, one head", .rows = 1, .heads = 1, .head_dim = 32, .half = 16},
                  {.name = "no rows", .rows = 0, .heads = 2, .head_dim = 32, .half = 16},
                  {.name = "partial rotation of Phi", .rows = 5, .heads = 3, .head_dim = 96, .half = 36},
                  {.name = "head of 256", .rows = 4, .heads = 2, .head_dim = 256, .half = 128},
                  {.name = "part of a fused matrix", .rows = 9, .heads = 4, .head_dim = 64, .half = 32, .pad = 128},
                  {.name = "odd half", .rows = 3, .heads = 2, .head_dim = 20, .half = 5},
              });
}

}  // namespace rlvr::test
