// How large the forwards of a call are, known or bounded; its memory follows from that alone.
#pragma once

#include <vector>

#include "model/model.h"
#include "train/group_batch.h"

namespace rlvr {

struct BatchShape {
  int64_t rows = 0;       // packed rows
  int64_t head_rows = 0;  // tokens predicted
  int64_t pages = 0;      // of the KV pool
};

// The largest of the batches in each respect.
BatchShape ShapeOf(const std::vector<GroupBatch>& batches);

// Groups of a call at their most.
struct GroupLimits {
  int64_t groups = 0;
  int64_t completions = 0;  // of a group
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

// No batch that PackGroups() makes within the limits, of any mixture of lengths and with no token of a prompt
// predicted, is larger in any respect. Shorter groups pack more tightly than the longest, so this is no packing of the
// longest.
BatchShape BoundOf(const GroupLimits& limits, int64_t max_rows);

// Arena bytes of scoring and of training batches of this shape. recompute: layers keep only their inputs.
size_t ScoreBytes(const Model& model, const Ops& ops, const BatchShape& shape);
size_t TrainBytes(const Model& model, const Ops& ops, const BatchShape& shape, bool recompute);

}  // namespace rlvr
