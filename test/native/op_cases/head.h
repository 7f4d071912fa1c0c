// Cases of HeadSample, HeadLogprobs and HeadLoss.
#pragma once

#include "backends/backend.h"
#include "op_cases/op_case.h"

namespace rlvr::test {

struct HeadSpec {
  std::string name;
  int64_t rows = 14;
  int64_t dim = 48;
  int64_t vocab = 101;
  DType dtype = DType::kF32;
  double softcap = 0;
  SamplingParams sampling = {};
  TokenLoss loss = {};
  bool weight_grad = false;
  bool idle = false;       // most rows have no advantage
  bool ties = false;       // tokens come in pairs with equal logits
  double logit_scale = 1;  // about the spread of the logits
  bool differentiate = true;
};

class HeadCase : public OpCase {
 public:
  HeadCase(Ops& ops, const HeadSpec& s) : OpCase(ops, 21), s_(s) {
    hidden_ = Random(s.rows, s.dim);
    w_ = Random(s.vocab, s.dim, 3 * s.logit_scale / std::sqrt(static_cast<double>(s.dim)));
    for (int64_t v = 1; s.ties && v < s.vocab; v += 2) {
      for (int64_t i = 0; i < s.dim; ++i) w_.Set(v, i, w_.At(v - 1, i));
    }
    weight_ = std::make_unique<CaseWeight>(type_, s.dtype, w_, false);
    uniform_ = New(DType::kF64, 1, s.rows);
    for (int64_t r = 0; r < s.rows; ++r) uniform_.Set(0, r, Uniform(99, r));
    tokens_ = Result("sampled token", New(DType::kI32, 1, s.rows), kExact);
    sampled_.logprob = Result("sampled logprob", New(type_, 1, s.rows), kLogprob);
    sampled_.entropy = Result("sampled entropy", New(type_, 1, s.rows), kLogprob);
    scored_.logprob = Result("logprob", New(type_, 1, s.rows), kLogprob);
    scored_.entropy = Result("entropy", New(type_, 1, s.rows), kLogprob);
    trained_.logprob = Result("loss logprob", New(type_, 1, s.rows), kLogprob);
    trained_.entropy = Result("loss entropy", New(type_, 1, s.rows), kLogprob);
    trained_.loss = Result("loss", New(type_, 1, s.rows), kLogprob);
    trained_.kl = Result("kl", New(type_, 1, s.rows), kLogprob);
    trained_.clipped = Result("clipped", New(type_, 1, s.rows), kExact);
    dhidden_ = Result("dhidden", New(type_, s.rows, s.dim), kSoftmaxGradient);
    if (s.weight_grad) dw_ = Sum("dweight", New(type_, s.vocab, s.dim), kSoftmaxGradient);
    MakeTargets();
    if (!s.differentiate) return;
    Depends("hidden", hidden_, dhidden_);
    if (s.weight_grad && s.dtype == DType::kF32) Depends("weight", w_, dw_);
  }
  void Prepare(Ops& ops) override {
    weight_->Pack(ops);
    head_ = {weight_->packed(), s_.softcap};
  }
  void Forward(Ops& ops) override {
    ops.HeadSample(hidden_, head_, s_.sampling, uniform_, tokens_, sampled_);
    ops.HeadLogprobs(hidden_, head_, s_.sampling, targets_.target, scored_);
    ops.HeadLoss(hidden_, head_, s_.sampling, targets_, s_.loss, trained_, dhidden_, dw_);
  }

 private:
  // Every second target is the likeliest token, so that truncation keeps some and drops others. Old and reference
  // logprobs lie around the true ones: unclipped, clipped on both sides, and beyond every limit.
  void MakeTargets() {
    const auto exact = CreateReferenceBackend(DType::kF64);
    CaseWeight weight(type_, s_.dtype, w_, false);
    weight.Pack(*exact);
    const HeadParams head{weight.packed(), s_.softcap};
    const Tensor best = New(DType::kI32, 1, s_.rows), logprob = New(DType::kF64, 1, s_.rows);
    exact->HeadSample(hidden_, head, {.temperature = 0}, {}, best, {});
    targets_.target = RandomIds(s_.rows, s_.vocab);
    for (int64_t r = 0; r < s_.rows; r += 2) targets_.target.Set(0, r, best.At(0, r));
    HeadOutputs out;
    out.logprob = logprob;
    exact->HeadLogprobs(hidden_, head, s_.sampling, targets_.target, out);

    constexpr double kLogRatios[] = {0, 0.05, -0.05, 0.4, -0.4, 1.2, -1.2};
    targets_.advantage = Random(1, s_.rows);
    targets_.weight = Random(1, s_.rows);
    for (int64_t r = 3; r < s_.rows; r += 11) targets_.advantage.Set(0, r, 0);
    for (int64_t r = 5; r < s_.rows; r += 11) targets_.weight.Set(0, r, 0);
    for (int64_t r = 0; s_.idle && r < s_.rows; ++r) {
      if (r % 7 > 1) targets_.advantage.Set(0, r, 0);
    }
    if (s_.loss.kind == TokenLoss::Kind::kGiven) {
      AddToLoss(trained_.logprob, targets_.advantage);
      return;
    }
    const Tensor ones = New(type_, 1, s_.rows);
    Fill(ones, 1);
    AddToLoss(trained_.loss, ones);
    if (s_.loss.kind == TokenLoss::Kind::kSupervised) return;
    targets_.old_logprob = New(type_, 1, s_.rows);
    if (s_.loss.beta != 0) targets_.ref_logprob = New(type_, 1, s_.rows);
    for (int64_t r = 0; r < s_.rows; ++r) {
      targets_.old_logprob.Set(0, r, static_cast<float>(logprob.At(0, r) - kLogRatios[r % 7]));
      if (s_.loss.beta == 0) continue;
      targets_.ref_logprob.Set(0, r, static_cast<float>(logprob.At(0, r) + kLogRatios[(r + 3) % 7]));
    }
  }

  HeadSpec s_;
  std::unique_ptr<CaseWeight> weight_;
  HeadParams head_;
  HeadTargets targets_;
  HeadOutputs sampled_, scored_, trained_;
  Tensor hidden_, w_, uniform_, tokens_, dhidden_, dw_;
};

inline CaseList HeadCases() {
  using Kind = TokenLoss::Kind;
  std::vector<HeadSpec> specs = {
      {.name = "one row", .rows = 1},
      {.name = "no rows", .rows = 0},
      {.name = "one token", .rows = 3, .vocab = 1},
      {.name = "policy, beta 0"},
      {.name = "policy, k1", .loss = {.beta = 0.04, .kl = KlEstimator::kK1}},
      {.name = "policy, k2", .loss = {.beta = 0.04, .kl = KlEstimator::kK2}},
      {.name = "policy, k3", .loss = {.beta = 0.5}},
      {.name = "policy, two epsilons", .loss = {.epsilon_low = 0.1, .epsilon_high = 0.6}},
      {.name = "policy, delta", .loss = {.delta = 2}},
      {.name = "policy, delta inside the clip range", .loss = {.epsilon_high = 0.7, .delta = 1.3}},
      {.name = "policy, ratio clamp", .loss = {.beta = 0.04, .log_ratio_clamp = 0.3}},
      {.name = "policy, full training", .loss = {.beta = 0.04}, .weight_grad = true},
      {.name = "supervised, full training", .loss = {.kind = Kind::kSupervised}, .weight_grad = true},
      {.name = "given gradients", .loss = {.kind = Kind::kGiven}},
      {.name = "soft cap", .softcap = 3, .loss = {.beta = 0.04}, .weight_grad = true, .logit_scale = 2},
      {.name = "temperature 0.6", .sampling = {.temperature = 0.6}, .loss = {.beta = 0.04}, .weight_grad = true},
      {.name = "temperature 3", .sampling = {.temperature = 3}},
      {.name = "greedy", .sampling = {.temperature = 0}},
      {.name = "greedy ignores truncation", .sampling = {.temperature = 0, .top_k = 3}},
      {.name = "top-k 1", .sampling = {.top_k = 1}},
      {.name = "top-k 5", .sampling = {.temperature = 0.8, .top_k = 5}, .loss = {.beta = 0.04}},
      {.name = "top-k cuts a tie", .sampling = {.top_k = 5}, .ties = true},
      {.name = "top-k of more than there are", .sampling = {.top_k = 1000}},
      {.name = "top-p 0.9", .sampling = {.top_p = 0.9}, .loss = {.beta = 0.04}},
      {.name = "top-p of next to nothing", .sampling = {.top_p = 1e-9}},
      {.name = "top-p of nearly all", .sampling = {.top_p = 0.9999}},
      {.name = "top-p cuts a tie", .sampling = {.top_p = 0.5}, .ties = true},
      {.name = "min-p 0.1", .sampling = {.min_p = 0.1}},
      {.name = "min-p 1 keeps ties of the best", .sampling = {.min_p = 1}, .ties = true},
      {.name = "top-k, top-p, min-p, soft cap",
       .softcap = 5,
       .sampling = {.temperature = 0.7, .top_k = 20, .top_p = 0.8, .min_p = 0.02},
       .loss = {.beta = 0.04}},
      {.name = "sharp logits", .logit_scale = 20},
      {.name = "sharp logits, truncated", .sampling = {.top_k = 50, .top_p = 0.95}, .logit_scale = 20},
      {.name = "large vocabulary",
       .rows = 40,
       .dim = 32,
       .vocab = 5003,
       .loss = {.beta = 0.04},
       .weight_grad = true,
       .differentiate = false},
      {.name = "policy, most rows without an advantage", .rows = 40, .weight_grad = true, .idle = true},
      {.name = "policy, most rows without an advantage but with a KL", .rows = 40, .loss = {.beta = 0.3}, .idle = true},
      {.name = "given gradients, most of them zero", .rows = 40, .loss = {.kind = Kind::kGiven}, .idle = true},
      {.name = "large vocabulary, top-k of fewer than the chunks",
       .rows = 40,
       .dim = 32,
       .vocab = 5003,
       .sampling = {.top_k = 6},
       .differentiate = false},
      {.name = "large vocabulary, ties, top-k of one a chunk",
       .rows = 12,
       .dim = 32,
       .vocab = 5003,
       .sampling = {.top_k = 10},
       .ties = true,
       .differentiate = false},
      {.name = "large vocabulary, min-p",
       .rows = 40,
       .dim = 32,
       .vocab = 5003,
       .sampling = {.min_p = 0.2},
       .differentiate = false},
      {.name = "large vocabulary, truncated",
       .rows = 40,
       .dim = 32,
       .vocab = 5003,
       .sampling = {.top_k = 50, .top_p = 0.9},
       .differentiate = false},
  };
  for (DType dtype : {DType::kF64, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                      DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kNF4}) {
    specs.push_back(
        {.name = Info(dtype).name, .rows = 5, .dim = WidthOf(dtype, 64), .dtype = dtype, .loss = {.beta = 0.04}});
  }
  return MakeCases<HeadCase>("head", specs);
}

}  // namespace rlvr::test
