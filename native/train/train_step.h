// Scoring and gradient accumulation over groups: pack, forward, fused head, backward.
#pragma once

#include "core/call_context.h"
#include "model/decoder.h"
#include "train/batch_shape.h"

namespace rlvr {

// Logprobs of completions, computed like rollouts but in one pass.
class ScoreStep {
 public:
  // `call` is named in errors.
  ScoreStep(const ScoreRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows,
            const char* call);
  const BatchShape& shape() const { return shape_; }
  ScoreResult Run(Arena& arena, const CallContext& context);

 private:
  const ScoreRequest& request_;
  const Model& model_;
  Decoder& decoder_;
  Ops& ops_;
  std::vector<GroupBatch> batches_;
  BatchShape shape_;
};

// Loss and gradients; the gradients add up in the model's parameters until the next update.
class TrainStep {
 public:
  TrainStep(const AccumulateRequest& request, const Model& model, Decoder& decoder, Ops& ops, int64_t max_rows);
  const BatchShape& shape() const { return shape_; }
  // Keeping every activation or recomputing layers in the backward: the same numbers, memory against time.
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
  BatchShape shape_;
};

}  // namespace rlvr
