// Cases of Linears: several layers that read one input, with and without LoRA.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct LinearsPartSpec {
  int64_t out;
  DType dtype = DType::kF32;
  int64_t rank = 0;
  bool bias = false;
};

struct LinearsSpec {
  std::string name;
  int64_t rows;
  int64_t in;
  std::vector<LinearsPartSpec> parts;
  int64_t pad = 0;  // x and y are columns of wider matrices
};

class LinearsCase : public OpCase {
 public:
  LinearsCase(Ops& ops, const LinearsSpec& s) : OpCase(ops, 15) {
    x_ = Random(s.rows, s.in, 1, s.pad);
    for (size_t i = 0; i < s.parts.size(); ++i) {
      const LinearsPartSpec& spec = s.parts[i];
      const std::string number = std::to_string(i);
      weights_.push_back(std::make_unique<CaseWeight>(type_, spec.dtype, Random(spec.out, s.in, 0.5), false));
      LinearPart part;
      if (spec.bias) part.bias = Random(1, spec.out);
      if (spec.rank > 0) {
        part.lora.a = Random(spec.rank, s.in, 0.3);
        part.lora.b = Random(spec.out, spec.rank, 0.3);
        part.lora.a_t = New(type_, s.in, spec.rank);
        part.lora.b_t = New(type_, spec.rank, spec.out);
        part.lora.scale = 0.75;
        part.u = Result("u" + number, New(type_, s.rows, spec.rank), kSum);
      }
      part.y = Result("y" + number, New(type_, s.rows, spec.out, s.pad), kSum);
      parts_.push_back(part);
    }
  }
  void Prepare(Ops& ops) override {
    for (size_t i = 0; i < parts_.size(); ++i) {
      weights_[i]->Pack(ops);
      parts_[i].weight = weights_[i]->packed();
      if (!parts_[i].u.defined()) continue;
      ops.Transpose(parts_[i].lora.a, parts_[i].lora.a_t);
      ops.Transpose(parts_[i].lora.b, parts_[i].lora.b_t);
    }
  }
  void Forward(Ops& ops) override { ops.Linears(x_, parts_); }
  // The same, op by op.
  void ForwardOneByOne(Ops& ops) { ops.Ops::Linears(x_, parts_); }

 private:
  std::vector<std::unique_ptr<CaseWeight>> weights_;
  std::vector<LinearPart> parts_;
  Tensor x_;
};

inline std::vector<LinearsSpec> LinearsSpecs() {
  std::vector<LinearsSpec> specs = {
      {.name = "no rows", .rows = 0, .in = 64, .parts = {{.out = 48, .rank = 8}, {.out = 5}}},
      {.name = "no parts", .rows = 3, .in = 64, .parts = {}},
      {.name = "an inner dimension of two blocks, rank 33",
       .rows = 21,
       .in = 1536,
       .parts = {{.out = 70, .dtype = DType::kQ6_K, .rank = 33}, {.out = 31, .rank = 5, .bias = true}},
       .pad = 3},
      {.name = "a rank that is too large to go together",
       .rows = 4,
       .in = 96,
       .parts = {{.out = 40, .rank = 65}, {.out = 40, .rank = 1}}},
      {.name = "five parts",
       .rows = 2,
       .in = 64,
       .parts = {{.out = 33}, {.out = 1, .rank = 2}, {.out = 64}, {.out = 2, .bias = true}, {.out = 65}}},
  };
  // Row counts on both sides of every limit of the kernels.
  for (int64_t rows : {1, 2, 4, 5, 9, 12, 13, 16, 17, 25, 33, 64, 65}) {
    specs.push_back({.name = "q, k and v with LoRA, " + std::to_string(rows) + " rows",
                     .rows = rows,
                     .in = 288,
                     .parts = {{.out = 289, .dtype = DType::kQ4_1, .rank = 16, .bias = true},
                               {.out = 96, .dtype = DType::kQ5_0, .rank = 8},
                               {.out = 95, .dtype = DType::kQ8_0, .rank = 16}},
                     .pad = rows % 2 * 5});
    specs.push_back({.name = "gate and up, one with LoRA, " + std::to_string(rows) + " rows",
                     .rows = rows,
                     .in = 256,
                     .parts = {{.out = 300, .dtype = DType::kQ4_K}, {.out = 300, .dtype = DType::kBF16, .rank = 16}}});
    specs.push_back({.name = "NF4 with LoRA beside INT8, " + std::to_string(rows) + " rows",
                     .rows = rows,
                     .in = 192,
                     .parts = {{.out = 65, .dtype = DType::kNF4, .rank = 16}, {.out = 40, .dtype = DType::kQ8_0}}});
  }
  return specs;
}

inline CaseList LinearsCases() { return MakeCases<LinearsCase>("linears", LinearsSpecs()); }

}  // namespace rlvr::test
