// The loss of one token and its slope in the token's logprob (ops.h, TokenLoss), in double: a few numbers a row.
#pragma once

#include "backends/cuda/device.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// HeadTargets as kernels see it: one number a row, null where undefined.
struct LossInputs {
  const int32_t* target;
  const float* old_logprob;
  const float* ref_logprob;
  const float* advantage;
  const float* weight;
};

struct TokenTerms {
  double loss = 0;     // weighted
  double kl = 0;       // unweighted
  double clipped = 0;  // 1 where the clip took the surrogate's gradient away
  double slope = 0;    // dLoss / dlogprob
};

DEVICE double Clamped(double value, double low, double high) { return fmin(fmax(value, low), high); }

// The clipped surrogate: its value, its slope in logprob, and whether the clip took that away.
DEVICE TokenTerms ClippedSurrogate(const TokenLoss& loss, double log_ratio, double advantage) {
  const double bounded = Clamped(log_ratio, -loss.log_ratio_clamp, loss.log_ratio_clamp);
  const double ratio = exp(bounded);
  const double slope = bounded == log_ratio ? ratio * advantage : 0;
  const bool over_delta = loss.delta > 0 && advantage < 0 && ratio > loss.delta;
  const double free = (over_delta ? loss.delta : ratio) * advantage;
  const double inside = Clamped(ratio, 1 - loss.epsilon_low, 1 + loss.epsilon_high);
  const double clipped = inside * advantage;
  TokenTerms terms;
  if (free <= clipped) {
    terms.loss = -free;
    terms.slope = over_delta ? 0 : -slope;
  } else {
    terms.loss = -clipped;
    terms.slope = inside == ratio ? -slope : 0;
    terms.clipped = inside == ratio ? 0 : 1;
  }
  return terms;
}

DEVICE void AddKl(const TokenLoss& loss, double d, TokenTerms& terms) {  // d = ref - logprob
  double slope = 0;
  switch (loss.kl) {
    case KlEstimator::kK1:
      terms.kl = -d;
      slope = 1;
      break;
    case KlEstimator::kK2:
      terms.kl = d * d / 2;
      slope = -d;
      break;
    case KlEstimator::kK3:
      terms.kl = expm1(d) - d;
      slope = -expm1(d);
      break;
  }
  terms.loss += loss.beta * terms.kl;
  terms.slope += loss.beta * slope;
}

DEVICE TokenTerms EvaluateToken(const TokenLoss& loss, const LossInputs& inputs, int row, double logprob) {
  TokenTerms terms;
  if (loss.kind == TokenLoss::Kind::kGiven) {
    terms.slope = LoadGlobal(inputs.advantage + row);
    return terms;
  }
  const double weight = LoadGlobal(inputs.weight + row);
  if (loss.kind == TokenLoss::Kind::kSupervised) {
    terms.loss = -weight * logprob;
    terms.slope = -weight;
    return terms;
  }
  terms = ClippedSurrogate(loss, logprob - LoadGlobal(inputs.old_logprob + row), LoadGlobal(inputs.advantage + row));
  if (inputs.ref_logprob != nullptr) AddKl(loss, LoadGlobal(inputs.ref_logprob + row) - logprob, terms);
  terms.loss *= weight;
  terms.slope *= weight;
  return terms;
}

}  // namespace rlvr::cuda
