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
}

void KvPool::Copy(const PageCopy& copy, Ops& ops) const {
  for (const KvView& layer : layers_) {
    const int64_t k = layer.kv_heads * layer.head_dim, v = layer.kv_heads * kKvBlock;
    ops.Copy(layer.k.Rows(copy.from * k, k), layer.k.Rows(copy.to * k, k));
    ops.Copy(layer.v.Rows(copy.from * v, v), layer.v.Rows(copy.to * v, v));
  }
}

}  // namespace rlvr
