// Groups packed as span trees: a prompt and its completions, the prompt once. For scoring and for training.
#pragma once

#include <vector>

#include "train/train_request.h"
#include "model/kv_pool.h"
#include "model/span_batch.h"

namespace rlvr {

// A head row predicts one token: `token` of `completion` of `group`; completion -1 is the prompt itself.
struct TokenRef {
  int32_t group = 0;
  int32_t completion = 0;
  int32_t token = 0;
};

struct GroupBatch {
  SpanBatch spans;
  std::vector<int32_t> head_rows;  // row whose output predicts the target
  std::vector<int32_t> targets;
  std::vector<TokenRef> refs;
  int64_t pages = 0;
  int64_t prompt_rows = 0;
};

// Which tokens of prompts are predicted too: [group][token], 0 = not. Null: none.
using PromptWeights = std::vector<std::vector<float>>;

// Checks ids and lengths (RLVR_BAD_ARGUMENT, naming `call`), then packs whole groups into batches of at most max_rows
// rows. A group that is larger alone is split into its prompt with some of its completions, at least one.
std::vector<GroupBatch> PackGroups(const std::vector<Group>& groups, const PromptWeights* prompt_weights,
                                   int64_t max_rows, const DecoderSpec& spec, const char* call);

}  // namespace rlvr
