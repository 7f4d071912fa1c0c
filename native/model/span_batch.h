// Owns the rows of one forward: token ids, positions, spans and their pages.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/span_view.h"

namespace rlvr {

class SpanBatch {
 public:
  // Adds a span whose `ids` are this batch's rows; `pages` hold keys_before + ids.size() keys. Returns its index.
  int32_t Add(int32_t parent, int32_t first_position, int32_t keys_before, std::span<const int32_t> ids,
              std::span<const int32_t> pages) {
    Span span;
    span.parent = parent;
    span.first_position = first_position;
    span.first_row = static_cast<int32_t>(ids_.size());
    span.rows = static_cast<int32_t>(ids.size());
    span.keys_before = keys_before;
    span.first_page = static_cast<int32_t>(pages_.size());
    pages_.insert(pages_.end(), pages.begin(), pages.end());
    for (size_t i = 0; i < ids.size(); ++i) {
      ids_.push_back(ids[i]);
      positions_.push_back(first_position + keys_before + static_cast<int32_t>(i));
    }
    spans_.push_back(span);
    return static_cast<int32_t>(spans_.size()) - 1;
  }
  void Clear() {
    spans_.clear();
    pages_.clear();
    ids_.clear();
    positions_.clear();
  }
  int64_t rows() const { return static_cast<int64_t>(ids_.size()); }
  const Span& span(int32_t index) const { return spans_[static_cast<size_t>(index)]; }
  const std::vector<int32_t>& ids() const { return ids_; }
  const std::vector<int32_t>& positions() const { return positions_; }
  SpanView view() const { return {spans_.data(), static_cast<int64_t>(spans_.size()), pages_.data(), rows()}; }

 private:
  std::vector<Span> spans_;
  std::vector<int32_t> pages_, ids_, positions_;
};

}  // namespace rlvr
