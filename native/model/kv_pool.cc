#include "model/kv_pool.h"

namespace rlvr {

size_t KvPool::Bytes(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers) {
  const int64_t rows = pages * spec.kv_heads;
  return static_cast<size_t>(layers) * (Arena::MatrixBytes(dtype, rows * spec.head_dim, kKvBlock) +
                                        Arena::MatrixBytes(dtype, rows * kKvBlock, spec.head_dim));
}

KvPool::KvPool(const DecoderSpec& spec, DType dtype, int64_t pages, int64_t layers, Arena& arena, Ops& ops) {
  const int64_t rows = pages * spec.kv_heads;
  for (int64_t l = 0; l < layers; ++l) {
    KvView view;
    view.k = arena.Matrix(dtype, rows * spec.head_dim, kKvBlock);
    view.v = arena.Matrix(dtype, rows * kKvBlock, spec.head_dim);
    view.kv_heads = spec.kv_heads;
    view.head_dim = spec.head_dim;
    ops.Zero(view.k);
    ops.Zero(view.v);
    layers_.push_back(view);
  }
  for (int64_t page = pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

std::vector<int32_t> KvPool::Take(int64_t pages) {
  RLVR_CHECK(pages <= free_pages(), "KV pool: ", pages, " pages wanted, ", free_pages(), " free");
  std::vector<int32_t> taken(free_.end() - pages, free_.end());
  free_.resize(free_.size() - static_cast<size_t>(pages));
  return taken;
}

void KvPool::Return(std::vector<int32_t>& pages) {
  free_.insert(free_.end(), pages.begin(), pages.end());
  pages.clear();
}

}  // namespace rlvr
