// Pages of keys and values for every layer. One page number names the same slots in all layers.
#pragma once

#include <vector>

#include "core/buffer.h"
#include "model/decoder_spec.h"
#include "model/page_list.h"
#include "ops/ops.h"

namespace rlvr {

class KvPool {
 public:
  // layers: of the model, or 1 when layers are recomputed and share one set of pages.
  static size_t Bytes(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers);
  // Takes its memory from the arena and zeroes it: stale slots must be finite (see KvView).
  KvPool(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers, Arena& arena, Ops& ops);

  const KvView& layer(int64_t index) const { return layers_[static_cast<size_t>(index) % layers_.size()]; }
  void Copy(const PageCopy& copy, Ops& ops) const;

 private:
  std::vector<KvView> layers_;
};

}  // namespace rlvr
