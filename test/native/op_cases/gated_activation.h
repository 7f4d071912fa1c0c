// Cases of GatedActivation and its backward, in place too.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct GatedActivationSpec {
  std::string name;
  int64_t rows;
  int64_t width;
  Activation act;
  bool fused = false;     // gate and up are the halves of one matrix, as Phi-3 makes them
  bool in_place = false;  // dgate is gate, dup is up
  double scale = 3;
};

class GatedActivationCase : public OpCase {
 public:
  GatedActivationCase(Ops& ops, const GatedActivationSpec& s) : OpCase(ops, 16), s_(s) {
    if (s.fused) {
      const Tensor both = Random(s.rows, 2 * s.width, s.scale);
      gate_ = both.Cols(0, s.width);
      up_ = both.Cols(s.width, s.width);
    } else {
      gate_ = Random(s.rows, s.width, s.scale);
      up_ = Random(s.rows, s.width);
    }
    y_ = Result("y", New(type_, s.rows, s.width), kTranscendental);
    dy_ = Cotangent(y_);
    const Tensor both = New(type_, s.rows, 2 * s.width);
    dgate_ = Result("dgate", both.Cols(0, s.width), kTranscendental);
    dup_ = Result("dup", both.Cols(s.width, s.width), kTranscendental);
    Depends("gate", gate_, dgate_);
    Depends("up", up_, dup_);
  }
  void Forward(Ops& ops) override { ops.GatedActivation(gate_, up_, s_.act, y_); }
  void Backward(Ops& ops) override {
    if (s_.in_place) {
      ops.Copy(gate_, dgate_);
      ops.Copy(up_, dup_);
      ops.GatedActivationBackward(dgate_, dup_, s_.act, dy_, dgate_, dup_);
    } else {
      ops.GatedActivationBackward(gate_, up_, s_.act, dy_, dgate_, dup_);
    }
  }

 private:
  GatedActivationSpec s_;
  Tensor gate_, up_, y_, dy_, dgate_, dup_;
};

inline CaseList GatedActivationCases() {
  return MakeCases<GatedActivationCase, GatedActivationSpec>(
      "gated_activation",
      {
          {.name = "silu, one row", .rows = 1, .width = 48, .act = Activation::kSilu},
          {.name = "gelu, one row", .rows = 1, .width = 48, .act = Activation::kGeluTanh},
          {.name = "no rows", .rows = 0, .width = 48, .act = Activation::kSilu},
          {.name = "silu, fused, odd width", .rows = 7, .width = 37, .act = Activation::kSilu, .fused = true},
          {.name = "gelu, fused, in place",
           .rows = 5,
           .width = 53,
           .act = Activation::kGeluTanh,
           .fused = true,
           .in_place = true},
          {.name = "silu, in place", .rows = 5, .width = 32, .act = Activation::kSilu, .in_place = true},
          {.name = "silu, saturated", .rows = 4, .width = 40, .act = Activation::kSilu, .scale = 100},
          {.name = "gelu, saturated", .rows = 4, .width = 40, .act = Activation::kGeluTanh, .scale = 100},
          {.name = "gelu, near zero", .rows = 4, .width = 40, .act = Activation::kGeluTanh, .scale = 1e-3},
      });
}

}  // namespace rlvr::test
