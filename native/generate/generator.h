// Rollouts by continuous batching: a prompt is computed once, its rollouts are child spans that share its keys, and a
// finished rollout makes room for the next at once.
#pragma once

#include "core/call_context.h"
#include "generate/generate_request.h"
#include "model/decoder.h"

namespace rlvr {

struct GeneratorLimits {
  int64_t max_batch_rows = 0;
  int64_t max_live = 0;
};

class Generator {
 public:
  // Checks the request (token ids, lengths) and throws RLVR_BAD_ARGUMENT.
  Generator(const GenerateRequest& request, const Model& model, Decoder& decoder, Ops& ops,
            const GeneratorLimits& limits);
  // Arena bytes of the whole call, and the most rows of one forward.
  size_t ArenaBytes() const;
  int64_t MaxRows() const;
  int64_t MaxHeadRows() const;
  GenerateResult Run(Arena& arena, const CallContext& context);

 private:
  struct Resident {  // a prompt whose keys are in the pool
    PageTable table;
    int64_t unfinished = 0;
    bool loaded = false;
  };
  struct Live {  // a rollout that is being decoded
    int64_t prompt = 0, rollout = 0;
    std::vector<int32_t> pages;
  };

  int64_t PromptPages(int64_t prompt) const;
  int64_t RolloutPages(int64_t prompt) const;
  int64_t PrefixPoolPages(int64_t groups) const;
  int64_t PoolPages() const;
  int64_t MaxNewTokens(int64_t prompt) const {
    const int64_t own = PromptAt(prompt).max_new_tokens;
    return own > 0 ? own : request_.max_new_tokens;
  }
  // Keys of a prompt with what it continues.
  int64_t PromptKeys(int64_t prompt) const;
  void Admit();
  void LoadPrefix(int32_t prefix, const PageTable& table);
  void Prefill(const std::vector<int64_t>& prompts);
  void PrefillBatch(SpanBatch& batch, const std::vector<int64_t>& complete, const std::vector<int32_t>& last_rows);
  void DecodeStep();
  // Samples one token for each (rollout, head row) pair and appends it.
  void Sample(const Tensor& residual, const std::vector<int32_t>& rows,
              const std::vector<std::pair<int64_t, int64_t>>& who);
  bool IsFinished(int64_t prompt, int64_t rollout);
  void Finish(Live& live);
  const Prompt& PromptAt(int64_t prompt) const { return request_.prompts[static_cast<size_t>(prompt)]; }
  Rollout& At(int64_t prompt, int64_t rollout) {
    return result_.groups[static_cast<size_t>(prompt)][static_cast<size_t>(rollout)];
  }

  const GenerateRequest& request_;
  const Model& model_;
  Decoder& decoder_;
  Ops& ops_;
  GeneratorLimits limits_;
  PrefixTree prefixes_;
  std::vector<bool> stops_;  // by token id

  // While Run() runs:
  Arena* arena_ = nullptr;
  KvPool* pool_ = nullptr;
  PageList* pages_ = nullptr;
  PrefixPages* shared_ = nullptr;
  const CallContext* context_ = nullptr;
  GenerateResult result_;
  std::vector<Resident> residents_;
  std::vector<Live> live_;
  int64_t next_prompt_ = 0, next_rollout_ = 0;  // the queue: prompts in order, rollouts of a prompt in order
  int64_t done_ = 0;
};

}  // namespace rlvr
