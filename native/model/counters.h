// How much was computed: the proof that shared prompts are computed once.
#pragma once

#include <cstdint>

namespace rlvr {

struct Counters {
  int64_t tokens_computed = 0;  // rows that went through the decoder
  int64_t prompt_tokens = 0;    // of them prompt rows
};

}  // namespace rlvr
