// Which pages of a KV pool are free. Knows numbers only; model/kv_pool.h has the memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "core/error.h"
#include "ops/span_view.h"

namespace rlvr {

inline int64_t PagesFor(int64_t keys) { return (keys + kKvBlock - 1) / kKvBlock; }

// All keys of page `from` go to page `to`, in every layer.
struct PageCopy {
  int32_t from = 0, to = 0;
};

// The lowest free numbers are given out first, so `most()` is what a pool must hold.
class PageList {
 public:
  explicit PageList(int64_t limit = std::numeric_limits<int32_t>::max()) : limit_(limit) {}

  int64_t free() const { return limit_ - next_ + static_cast<int64_t>(returned_.size()); }
  // Pages that were taken at one time or another.
  int64_t most() const { return next_; }

  std::vector<int32_t> Take(int64_t count) {
    RLVR_CHECK(count <= free(), "KV pool: ", count, " pages wanted, ", free(), " free");
    std::vector<int32_t> taken;
    for (int64_t i = 0; i < count; ++i) {
      if (returned_.empty()) {
        taken.push_back(static_cast<int32_t>(next_++));
      } else {
        std::pop_heap(returned_.begin(), returned_.end(), std::greater<>());
        taken.push_back(returned_.back());
        returned_.pop_back();
      }
    }
    return taken;
  }
  void Return(std::span<const int32_t> pages) {
    for (const int32_t page : pages) {
      returned_.push_back(page);
      std::push_heap(returned_.begin(), returned_.end(), std::greater<>());
    }
  }

 private:
  int64_t limit_;
  int64_t next_ = 0;
  std::vector<int32_t> returned_;  // a heap, the lowest first
};

}  // namespace rlvr
