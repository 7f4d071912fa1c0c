// Pages of keys and values for every layer. One page number names the same slots in all layers.
#pragma once

#include <vector>

#include "core/buffer.h"
#include "model/decoder_spec.h"

namespace rlvr {

inline int64_t PagesFor(int64_t keys) { return (keys + kKvBlock - 1) / kKvBlock; }

class KvPool {
 public:
  // layers: of the model, or 1 when layers are recomputed and share one set of pages.
  static size_t Bytes(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers);
  // Takes its memory from the arena and zeroes it: stale slots must be finite (see KvView).
  KvPool(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers, Arena& arena, Ops& ops);

  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  std::vector<int32_t> Take(int64_t pages);
  void Return(std::vector<int32_t>& pages);
  const KvView& layer(int64_t index) const { return layers_[static_cast<size_t>(index) % layers_.size()]; }

 private:
  std::vector<KvView> layers_;
  std::vector<int32_t> free_;  // used as a stack
};

}  // namespace rlvr
