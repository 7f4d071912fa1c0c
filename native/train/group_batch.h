// Groups packed as span trees: a prompt and its completions, the prompt once, and what prompts share before them.
// For scoring and for training.
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
  std::vector<PageCopy> copies;  // to be done before this batch is computed
  int64_t pages = 0;             // of the pool that this batch and those before it need
  int64_t prompt_rows = 0;
  int64_t groups_done = 0;  // groups of the request that are complete after this batch
};

// Which tokens of prompts are predicted too: [group][token], 0 = not. Null: none.
using PromptWeights = std::vector<std::vector<float>>;

// Checks ids and lengths (RLVR_BAD_ARGUMENT, naming `call`), then packs whole groups into batches of at most max_rows
// rows. A group that is larger alone is split into its prompt with some of its completions, at least one. Prefixes are
// batches of their own before the groups that continue them, and their pages are free after the last of these: batches
// must then run in order on one pool.
std::vector<GroupBatch> PackGroups(const std::vector<Group>& groups, const std::vector<Prefix>& prefixes,
                                   const PromptWeights* prompt_weights, int64_t max_rows, const DecoderSpec& spec,
                                   const char* call);

}  // namespace rlvr
