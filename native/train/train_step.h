// Scoring and gradient accumulation over groups: pack, forward, fused head, backward.
#pragma once

#include "core/call_context.h"
#include "model/decoder.h"
#include "train/group_batch.h"

namespace rlvr {

// Logprobs of completions, computed like rollouts but in one pass.
class ScoreStep {
 public:
  // `call` is named in errors.
  ScoreStep(const ScoreRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows,
            const char* call);
  size_t ArenaBytes() const;
  int64_t MaxRows() const;
  int64_t MaxHeadRows() const;
  ScoreResult Run(Arena& arena, const CallContext& context);

 private:
  const ScoreRequest& request_;
  const Model& model_;
  Decoder& decoder_;
  Ops& ops_;
  std::vector<GroupBatch> batches_;
};

// Loss and gradients; the gradients add up in the model's parameters until the next update.
class TrainStep {
 public:
  TrainStep(const AccumulateRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows);
  // Keeping every activation or recomputing layers in the backward: the same numbers, memory against time.
  size_t ArenaBytes(bool recompute) const;
  int64_t MaxRows() const;
  int64_t MaxHeadRows() const;
  AccumulateResult Run(Arena& arena, bool recompute, const CallContext& context);

 private:
  struct HeadArrays;
  HeadArrays FillTargets(const GroupBatch& batch, Arena& arena) const;
  void RunBatch(const GroupBatch& batch, Arena& arena, bool recompute, const CallContext& context,
                AccumulateResult& result);
  void Collect(const GroupBatch& batch, const HeadArrays& arrays, AccumulateResult& result) const;

  const AccumulateRequest& request_;
  const Model& model_;
  Decoder& decoder_;
  Ops& ops_;
  std::vector<GroupBatch> batches_;
};

}  // namespace rlvr
