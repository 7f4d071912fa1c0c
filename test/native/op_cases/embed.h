// Cases of Embed and EmbedBackward.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct EmbedSpec {
  std::string name;
  int64_t rows;
  int64_t vocab;
  int64_t dim;
  DType dtype = DType::kF32;
  double scale = 1;
  bool shuffled = false;
};

class EmbedCase : public OpCase {
 public:
  EmbedCase(Ops& ops, const EmbedSpec& s) : OpCase(ops, 17), s_(s) {
    ids_ = RandomIds(s.rows, s.vocab);  // repeats occur: a token's gradients add up
    w_ = Random(s.vocab, s.dim, 0.5);
    weight_ = std::make_unique<CaseWeight>(type_, s.dtype, w_, s.shuffled);
    y_ = Result("y", New(type_, s.rows, s.dim), kElementwise);
    dy_ = Cotangent(y_);
    dw_ = Sum("dw", New(type_, s.vocab, s.dim), kSum);
    if (s.dtype == DType::kF32 && !s.shuffled) Depends("w", w_, dw_);
  }
  void Prepare(Ops& ops) override { weight_->Pack(ops); }
  void Forward(Ops& ops) override { ops.Embed(ids_, weight_->packed(), s_.scale, y_); }
  void Backward(Ops& ops) override { ops.EmbedBackward(ids_, s_.scale, dy_, dw_); }

 private:
  EmbedSpec s_;
  std::unique_ptr<CaseWeight> weight_;
  Tensor ids_, w_, y_, dy_, dw_;
};

inline CaseList EmbedCases() {
  std::vector<EmbedSpec> specs = {
      {.name = "one row", .rows = 1, .vocab = 20, .dim = 48},
      {.name = "no rows", .rows = 0, .vocab = 20, .dim = 48},
      {.name = "repeated tokens, Gemma-3 scale", .rows = 40, .vocab = 11, .dim = 37, .scale = 6.0827625302982193},
      {.name = "row order", .rows = 12, .vocab = 33, .dim = 64, .shuffled = true},
  };
  for (DType dtype : {DType::kF64, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                      DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kNF4}) {
    specs.push_back(
        {.name = Info(dtype).name, .rows = 9, .vocab = 31, .dim = WidthOf(dtype, 96), .dtype = dtype, .scale = 2});
  }
  return MakeCases<EmbedCase>("embed", specs);
}

}  // namespace rlvr::test
