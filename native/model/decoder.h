// The one decoder: forward over a span batch, and its hand-written backward (design, ideas 2 and 4).
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "model/activations.h"
#include "model/kv_pool.h"
#include "model/model.h"
#include "model/span_batch.h"

namespace rlvr {

// Called before each layer's work; throws to stop.
using LayerCheck = std::function<void()>;

class Decoder {
 public:
  Decoder(const Model& model, Ops& ops) : model_(model), ops_(ops) {}

  // Runs every layer without keeping anything but the keys and values. Returns the residual stream [T, D] after the
  // last layer, in the arena; the caller rewinds the arena.
  Tensor Infer(const SpanBatch& batch, KvPool& pool, Arena& arena, bool adapter, const LayerCheck& check);
  static size_t InferBytes(const Model& model, const Ops& ops, int64_t rows);

  // Head input of the given rows of the residual stream: final norm of the gathered rows, [R, D].
  Tensor HeadInput(const Tensor& residual, const Tensor& rows, Arena& arena, Tensor* gathered = nullptr);

  // Training: keeps each layer's activations, or with `recompute` only each layer's input.
  struct Trace {
    bool recompute = false;
    std::vector<LayerActivations> layers;
    LayerScratch scratch;
    BackwardScratch backward;
    Tensor residual;   // [T, D] after the last layer
    Tensor dresidual;  // [T, D]
    Tensor ids;        // I32 [1, T]
    Tensor cos[2], sin[2];
  };
  static size_t TraceBytes(const Model& model, const Ops& ops, int64_t rows, bool recompute);
  Trace Forward(const SpanBatch& batch, KvPool& pool, Arena& arena, bool recompute, const LayerCheck& check);
  // trace.dresidual holds dLoss/dresidual; it becomes dLoss/dembedding. Adds to the gradients of what is trained.
  void Backward(const SpanBatch& batch, KvPool& pool, Trace& trace, const LayerCheck& check);

 private:
  void EmbedRows(const SpanBatch& batch, Arena& arena, Tensor& ids, const Tensor& x);
  void RopeTables(const SpanBatch& batch, Arena& arena, Tensor cos[2], Tensor sin[2]);
  // y may be a.x: the layer's input is then overwritten by its output.
  void LayerForward(const SpanBatch& batch, int64_t index, const LayerActivations& a, const LayerScratch& scratch,
                    const KvView& kv, const Tensor cos[2], const Tensor sin[2], const Tensor& y);
  void LayerBackward(const SpanBatch& batch, int64_t index, const LayerActivations& a, const KvView& kv, Trace& trace);
  void AttentionBranchBackward(const SpanBatch& batch, int64_t index, const LayerActivations& a, const KvView& kv,
                               Trace& trace);
  void FfnBranchBackward(int64_t index, const LayerActivations& a, Trace& trace);
  AttentionParams ParamsOf(int64_t layer) const;
  int TableOf(int64_t layer) const { return model_.spec().sliding[static_cast<size_t>(layer)] ? 1 : 0; }

  const Model& model_;
  Ops& ops_;
  std::vector<float> table_cos_[2], table_sin_[2];  // by position, grown on demand
};

}  // namespace rlvr
