// The loss of one token and its slope in the token's logprob (ops.h, TokenLoss).
#pragma once

#include "ops/ops.h"

namespace rlvr::cpu {

struct TokenTerms {
  double loss = 0;     // weighted
  double kl = 0;       // unweighted
  double clipped = 0;  // 1 where the clip took the surrogate's gradient away
  double slope = 0;    // dLoss / dlogprob
};

// False when the slope is zero whatever the logprob: no weight, or neither an advantage nor a KL term.
bool HasSlope(const TokenLoss& loss, const HeadTargets& targets, int64_t row);

TokenTerms EvaluateToken(const TokenLoss& loss, const HeadTargets& targets, int64_t row, double logprob);

}  // namespace rlvr::cpu
