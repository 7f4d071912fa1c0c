// The loss of one token and its slope in the token's logprob (ops.h, TokenLoss).
#include "backends/cpu/token_loss.h"

#include <algorithm>
#include <cmath>

namespace rlvr::cpu {

namespace {

double Read(const Tensor& numbers, int64_t row) { return numbers.F32()[row]; }

// The clipped surrogate: its value and its slope in logprob.
struct Surrogate {
  double value, slope;
  bool clipped;
};

Surrogate ClippedSurrogate(const TokenLoss& loss, double log_ratio, double advantage) {
  const double bounded = std::clamp(log_ratio, -loss.log_ratio_clamp, loss.log_ratio_clamp);
  const double ratio = std::exp(bounded);
  const double ratio_slope = bounded == log_ratio ? ratio : 0;
  double first = ratio * advantage, first_slope = ratio_slope * advantage;
  if (loss.delta > 0 && advantage < 0 && ratio > loss.delta) {
    first = loss.delta * advantage;
    first_slope = 0;
  }
  const double inside = std::clamp(ratio, 1 - loss.epsilon_low, 1 + loss.epsilon_high);
  const double second = inside * advantage;
  if (first <= second) return {first, first_slope, false};
  return inside == ratio ? Surrogate{second, ratio_slope * advantage, false} : Surrogate{second, 0, true};
}

void AddKl(const TokenLoss& loss, double d, TokenTerms& terms) {  // d = ref - logprob
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
      terms.kl = std::expm1(d) - d;
      slope = -std::expm1(d);
      break;
  }
  terms.loss += loss.beta * terms.kl;
  terms.slope += loss.beta * slope;
}

}  // namespace

bool HasSlope(const TokenLoss& loss, const HeadTargets& targets, int64_t row) {
  if (loss.kind == TokenLoss::Kind::kGiven) return Read(targets.advantage, row) != 0;
  if (Read(targets.weight, row) == 0) return false;
  if (loss.kind == TokenLoss::Kind::kSupervised) return true;
  const bool has_kl = targets.ref_logprob.defined() && loss.beta != 0;
  return has_kl || Read(targets.advantage, row) != 0;
}

TokenTerms EvaluateToken(const TokenLoss& loss, const HeadTargets& targets, int64_t row, double logprob) {
  TokenTerms terms;
  if (loss.kind == TokenLoss::Kind::kGiven) {
    terms.slope = Read(targets.advantage, row);
    return terms;
  }
  const double weight = Read(targets.weight, row);
  if (loss.kind == TokenLoss::Kind::kSupervised) {
    terms.loss = -weight * logprob;
    terms.slope = -weight;
    return terms;
  }
  const Surrogate surrogate =
      ClippedSurrogate(loss, logprob - Read(targets.old_logprob, row), Read(targets.advantage, row));
  terms.loss = -surrogate.value;
  terms.slope = -surrogate.slope;
  terms.clipped = surrogate.clipped ? 1 : 0;
  if (targets.ref_logprob.defined()) AddKl(loss, Read(targets.ref_logprob, row) - logprob, terms);
  terms.loss *= weight;
  terms.slope *= weight;
  return terms;
}

}  // namespace rlvr::cpu
