#include "train/batch_shape.h"

#include <algorithm>

#include "model/decoder.h"

namespace rlvr {

namespace {
constexpr int kHeadVectors = 12;  // [1, R] arrays that a head call needs at most

// matrices: [R, D] tensors of the head call.
size_t HeadBytes(const Model& model, DType dtype, int64_t rows, int matrices) {
  return static_cast<size_t>(matrices) * Arena::MatrixBytes(dtype, rows, model.spec().dim) +
         kHeadVectors * Arena::MatrixBytes(DType::kF64, 1, rows);
}
}  // namespace

BatchShape ShapeOf(const std::vector<GroupBatch>& batches) {
  BatchShape shape;
  for (const GroupBatch& b : batches) {
    shape.rows = std::max(shape.rows, b.spans.rows());
    shape.head_rows = std::max(shape.head_rows, static_cast<int64_t>(b.targets.size()));
    shape.pages = std::max(shape.pages, b.pages);
  }
  return shape;
}

BatchShape BoundOf(const GroupLimits& limits, int64_t max_rows) {
  const auto [groups, completions, prompt, completion] = limits;
  const int64_t completion_rows = std::max<int64_t>(0, completion - 1);
  const int64_t all = groups * completions;
  BatchShape bound;
  // Batches are filled up to max_rows; a prompt with one completion may pass it.
  bound.rows =
      std::min(groups * (prompt + completions * completion_rows), std::max(max_rows, prompt + completion_rows));
  // A completion is predicted from its rows and from the last one of its prompt, which has a row at least.
  bound.head_rows = std::min(all * completion, bound.rows + groups * std::max<int64_t>(0, completions - 1));
  // Each span rounds up to whole pages, and a span has a row.
  const int64_t spans = std::min(groups + all, bound.rows);
  bound.pages =
      std::min(groups * (PagesFor(prompt) + completions * PagesFor(completion_rows)), bound.rows / kKvBlock + spans);
  return bound;
}

size_t ScoreBytes(const Model& model, const Ops& ops, const BatchShape& shape) {
  const DType dtype = ops.ActivationType();
  return KvPool::Bytes(model.spec(), dtype, shape.pages, model.spec().layers) +
         Decoder::InferBytes(model, ops, shape.rows) + HeadBytes(model, dtype, shape.head_rows, 1);
}

size_t TrainBytes(const Model& model, const Ops& ops, const BatchShape& shape, bool recompute) {
  const DType dtype = ops.ActivationType();
  const int64_t layers = recompute ? 1 : model.spec().layers;
  return KvPool::Bytes(model.spec(), dtype, shape.pages, layers) +
         Decoder::TraceBytes(model, ops, shape.rows, recompute) + HeadBytes(model, dtype, shape.head_rows, 4);
}

}  // namespace rlvr
