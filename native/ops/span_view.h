// The only shape of input that attention knows: packed rows and a forest of spans (design, idea 2).
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace rlvr {

// Keys are stored, and attention sums, in blocks of this many keys, aligned to the start of each span. The sampler and
// the trainer therefore add in the same order. 32: two AVX-512 registers of scores, one CUDA warp.
constexpr int64_t kKvBlock = 32;

// A run of tokens whose history is the keys of its ancestors, root first, then its own.
// Own key i has position first_position + i. Row j of the span in this batch has key index keys_before + j; it sees all
// keys of its ancestors and its own keys up to and including itself; with a window W only those at positions > p - W.
struct Span {
  int32_t parent = -1;         // index of the parent span, smaller than its own index; -1 at a root
  int32_t first_position = 0;  // position of own key 0
  int32_t first_row = 0;       // first packed row
  int32_t rows = 0;            // rows in this batch; 0 for a span that only lends its keys
  int32_t keys_before = 0;     // own keys already in the pool
  int32_t first_page = 0;      // index into SpanView::pages; ceil(keys() / kKvBlock) pages follow
  int32_t keys() const { return keys_before + rows; }
};

struct SpanView {
  const Span* spans = nullptr;  // parents before children; rows of consecutive spans are consecutive
  int64_t count = 0;
  const int32_t* pages = nullptr;  // page numbers in the pool
  int64_t rows = 0;                // packed rows of the batch
};

// Keys and values of one layer. Page p holds kKvBlock keys of every KV head:
//   k: rows [(p * kv_heads + h) * head_dim, + head_dim), each of kKvBlock columns: keys transposed, one column a key
//   v: rows [(p * kv_heads + h) * kKvBlock, + kKvBlock), each of head_dim columns: one row a key
// Slots past a span's last key hold zeros or stale finite numbers, never NaN.
struct KvView {
  Tensor k;
  Tensor v;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

}  // namespace rlvr
