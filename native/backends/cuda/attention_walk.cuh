// The vectors of a block whose rows are of one span, and the pages of keys they see.
#pragma once

#include "backends/cuda/attention_tile.cuh"

namespace rlvr::cuda {

// Vectors [first, first + a block's worth) of those of a list entry's rows.
struct VectorTile {
  Span span;
  int first_row;  // packed, of vector 0
  int first_key;  // own key index of that row
  int first;
  int count;  // of the entry
  int group;

  DEVICE bool Has(int v) const { return first + v < count; }
  DEVICE VectorRow RowOf(int v) const {
    if (!Has(v)) return {-1, 0};
    return {first_row + (first + v) / group, (first + v) % group};
  }
  // Of a vector that is there, else of the last that is.
  DEVICE int KeyOf(int v) const { return first_key + (Has(v) ? first + v : count - 1) / group; }
};

// Blocks that share a list entry, at so many vectors each.
HOST_DEVICE int BlocksOfEntry(int group, int vectors) { return (kTileRows * group + vectors - 1) / vectors; }

template <int kVectors>
DEVICE VectorTile LoadTile(const DeviceBatch& batch, int group) {
  const int blocks = BlocksOfEntry(group, kVectors);
  const QueryTile* entry = batch.query_tiles + blockIdx.x / blocks;
  const int span_index = LoadForWarp(&entry->span), first = LoadForWarp(&entry->first);
  const Span span = LoadSpan(batch.spans, span_index);
  const int rows = span.rows - first < kTileRows ? span.rows - first : kTileRows;
  return {span,
          span.first_row + first,
          span.keys_before + first,
          static_cast<int>(blockIdx.x) % blocks * kVectors,
          rows * group,
          group};
}

// The pages that the first `vectors` vectors of a tile see: of its own span, then of its parent and so on to the root;
// without those that a window hides from all of them.
class PageWalk {
 public:
  DEVICE PageWalk(const DeviceBatch& batch, const VectorTile& tile, int vectors, int window)
      : batch_(batch),
        window_(window),
        first_key_(tile.KeyOf(0)),
        first_(tile.span.first_position + first_key_),
        last_(tile.span.first_position + tile.KeyOf(vectors - 1)),
        span_(tile.span) {
    Enter(tile.KeyOf(vectors - 1) + 1);
  }
  DEVICE bool done() const { return page_ == end_; }
  DEVICE void Next() {
    if (++page_ < end_) return;
    while (page_ == end_ && span_.parent >= 0) {
      span_ = LoadSpan(batch_.spans, span_.parent);
      is_own_ = false;
      Enter(KeysOf(span_));
    }
  }
  DEVICE int64_t Page() const { return LoadForWarp(batch_.pages + span_.first_page + page_); }
  // Index in its span of the page's first key.
  DEVICE int key() const { return page_ * kKeys; }
  // Keys of the page's span that the row with this own key sees.
  DEVICE KeyRange Seen(int own_key) const {
    const int position = first_ + own_key - first_key_;
    return RangeOf(position, is_own_ ? own_key + 1 : KeysOf(span_), span_.first_position, window_);
  }
  // Whether all vectors see the whole page.
  DEVICE bool IsFull() const {
    const int hi = is_own_ ? first_key_ + 1 : KeysOf(span_);
    return key() + kKeys <= hi && RangeOf(last_, hi, span_.first_position, window_).lo <= key();
  }

 private:
  DEVICE void Enter(int seen) {
    const int oldest = RangeOf(first_, seen, span_.first_position, window_).lo;
    end_ = (seen + kKeys - 1) / kKeys;
    page_ = oldest > 0 ? oldest / kKeys : 0;
    if (page_ > end_) page_ = end_;
  }

  const DeviceBatch& batch_;
  int window_;
  int first_key_;     // own key of vector 0
  int first_, last_;  // positions of the first and the last vector
  Span span_;
  bool is_own_ = true;
  int page_ = 0, end_ = 0;
};

}  // namespace rlvr::cuda
