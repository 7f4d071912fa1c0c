// Every case of every op.
#pragma once

#include "op_cases/adamw.h"
#include "op_cases/attention.h"
#include "op_cases/elementwise.h"
#include "op_cases/embed.h"
#include "op_cases/gated_activation.h"
#include "op_cases/head.h"
#include "op_cases/linear.h"
#include "op_cases/linears.h"
#include "op_cases/lora.h"
#include "op_cases/rms_norm.h"
#include "op_cases/rope.h"

namespace rlvr::test {

inline std::vector<std::pair<std::string, CaseList>> AllCases() {
  return {{"rms_norm", RmsNormCases()},
          {"linear", LinearCases()},
          {"linears", LinearsCases()},
          {"transpose", TransposeCases()},
          {"lora", LoraCases()},
          {"rope", RopeCases()},
          {"gated_activation", GatedActivationCases()},
          {"embed", EmbedCases()},
          {"elementwise", ElementwiseCases()},
          {"adamw", AdamWCases()},
          {"attention", AttentionCases()},
          {"head", HeadCases()}};
}

}  // namespace rlvr::test
