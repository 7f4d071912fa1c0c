#include "backends/cuda/attention_batch.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"

namespace rlvr::cuda {

namespace {

int32_t PagesOf(int32_t keys) { return (keys + static_cast<int32_t>(kKvBlock) - 1) / static_cast<int32_t>(kKvBlock); }

// Pages of a chunk: by the span's own keys alone, so that a row's sums do not depend on the rest of the batch.
int32_t ChunkPages(const Span& span) {
  return std::max<int32_t>(kChunkPages, (PagesOf(span.keys()) + kMaxChunks - 1) / kMaxChunks);
}

int32_t Chunks(const Span& span) {
  const int32_t pages = ChunkPages(span);
  return (PagesOf(span.keys()) + pages - 1) / pages;
}

// The chosen rows in an order in which each span's are followed by its descendants': those that see a key of span s are
// order[first[s], first[s] + count[s]).
struct TreeOrder {
  std::vector<int32_t> first, count, order;

  TreeOrder(const SpanView& view, const std::vector<bool>& chosen) : first(view.count), count(view.count) {
    const auto rows = [&](int64_t s) { return chosen[s] ? view.spans[s].rows : 0; };
    for (int64_t s = view.count - 1; s >= 0; --s) {
      count[s] += rows(s);
      if (view.spans[s].parent >= 0) count[view.spans[s].parent] += count[s];
    }
    std::vector<int32_t> next(view.count);  // where the next child of a span begins
    int32_t next_root = 0;
    for (int64_t s = 0; s < view.count; ++s) {
      const int32_t parent = view.spans[s].parent;
      int32_t& begin = parent >= 0 ? next[parent] : next_root;
      first[s] = begin;
      begin += count[s];
      next[s] = first[s] + rows(s);
    }
    order.resize(next_root);
    for (int64_t s = 0; s < view.count; ++s) {
      for (int32_t j = 0; j < rows(s); ++j) order[first[s] + j] = view.spans[s].first_row + j;
    }
  }
};

// Lists laid one after another as they will lie on the device.
class Upload {
 public:
  Upload(std::byte* device, std::vector<std::byte>& bytes) : device_(device), bytes_(bytes) { bytes_.clear(); }
  template <typename T>
  const T* Add(const T* data, size_t count) {
    const size_t at = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(at + count * sizeof(T));
    if (count > 0) std::memcpy(bytes_.data() + at, data, count * sizeof(T));
    return reinterpret_cast<const T*>(device_ + at);
  }
  template <typename T>
  const T* Add(const std::vector<T>& list) {
    return Add(list.data(), list.size());
  }

 private:
  std::byte* device_;
  std::vector<std::byte>& bytes_;
};

class Planner {
 public:
  Planner(const SpanView& view, Upload& upload) : view_(view), upload_(upload), history_parts_(view.count) {
    batch_.view = view;
    for (int64_t s = 0; s < view.count; ++s) {
      const Span& span = view.spans[s];
      history_parts_[s] = Chunks(span) + (span.parent >= 0 ? history_parts_[span.parent] : 0);
      decoded_.push_back(span.rows > 0 && span.rows <= kDecodeRows && history_parts_[s] <= kMaxParts);
      batch_.has_history = batch_.has_history || span.keys_before > 0;
    }
  }

  AttentionBatch Plan() {
    ListRows();
    ListQueryTiles();
    ListKeyTiles();
    ListWaves();
    return std::move(batch_);
  }

 private:
  void ListRows() {
    int32_t pages = 0;
    for (int64_t s = 0; s < view_.count; ++s) {
      const Span& span = view_.spans[s];
      pages = std::max(pages, span.first_page + PagesOf(span.keys()));
      for (int32_t j = 0; j < span.rows; ++j) {
        const int32_t key = span.keys_before + j;
        const int32_t page = view_.pages[span.first_page + key / kKvBlock];
        const int32_t block = static_cast<int32_t>(kKvBlock);
        rows_.push_back({static_cast<int32_t>(s), key, span.first_position + key, page * block + key % block});
      }
    }
    RLVR_CHECK(static_cast<int64_t>(rows_.size()) == view_.rows, "spans with ", rows_.size(), " rows of ", view_.rows);
    batch_.device.spans = upload_.Add(view_.spans, view_.count);
    batch_.device.pages = upload_.Add(view_.pages, pages);
    batch_.device.rows = upload_.Add(rows_);
  }

  // The tiles that see most keys come first, so that the last blocks to finish are short.
  void ListQueryTiles() {
    std::vector<QueryTile> tiles;
    std::vector<int64_t> history(view_.count);
    for (int64_t s = 0; s < view_.count; ++s) {
      const Span& span = view_.spans[s];
      history[s] = span.parent >= 0 ? history[span.parent] + view_.spans[span.parent].keys() : 0;
      for (int32_t first = 0; first < span.rows; first += kTileRows) tiles.push_back({static_cast<int32_t>(s), first});
    }
    const auto keys = [&](const QueryTile& t) { return history[t.span] + view_.spans[t.span].keys_before + t.first; };
    std::stable_sort(tiles.begin(), tiles.end(), [&](const QueryTile& a, const QueryTile& b) {
      return decoded_[a.span] != decoded_[b.span] ? decoded_[b.span] : keys(a) > keys(b);
    });
    batch_.query_tiles = static_cast<int64_t>(tiles.size());
    batch_.many_row_tiles =
        std::count_if(tiles.begin(), tiles.end(), [&](const QueryTile& t) { return !decoded_[t.span]; });
    batch_.device.query_tiles = upload_.Add(tiles);
  }

  // Of spans with rows; the keys that most rows see come first.
  void ListKeyTiles() {
    const TreeOrder tree(view_, std::vector<bool>(view_.count, true));
    std::vector<KeyTile> tiles;
    for (int64_t s = 0; s < view_.count; ++s) {
      const Span& span = view_.spans[s];
      const int32_t block = static_cast<int32_t>(kKvBlock);
      for (int32_t page = span.keys_before / block; page * block < span.keys() && span.rows > 0; ++page) {
        const int32_t before = std::max(page * block - span.keys_before, 0);  // rows too early to see it
        tiles.push_back({static_cast<int32_t>(s), page, tree.first[s] + before, tree.first[s] + tree.count[s]});
      }
    }
    std::stable_sort(tiles.begin(), tiles.end(), [](const KeyTile& a, const KeyTile& b) {
      return a.end_row - a.first_row > b.end_row - b.first_row;
    });
    batch_.key_tiles = static_cast<int64_t>(tiles.size());
    batch_.device.key_tiles = upload_.Add(tiles);
    batch_.device.tree_rows = upload_.Add(tree.order);
  }

  void ListWaves() {
    const TreeOrder tree(view_, decoded_);
    batch_.device.decode_rows = upload_.Add(tree.order);
    const int32_t rows = static_cast<int32_t>(tree.order.size());
    for (int32_t first = 0, end = 0; first < rows; first = end) {
      for (int64_t parts = 0; end < rows; ++end) {
        parts += history_parts_[rows_[tree.order[end]].span];
        if (parts > kMaxParts) break;
      }
      batch_.waves.push_back(PlanWave(tree, first, end));
    }
  }

  DecodeWave PlanWave(const TreeOrder& tree, int32_t first, int32_t end) {
    DecodeWave wave{.first_row = first, .rows = end - first};
    std::vector<DecodeItem> single, shared;
    std::vector<std::vector<int32_t>> parts_of(wave.rows);
    int32_t part = 0;
    for (int64_t s = 0; s < view_.count; ++s) {
      const int32_t begin = std::max(first, tree.first[s]);
      const int32_t rows = std::min(end, tree.first[s] + tree.count[s]) - begin;
      if (rows <= 0) continue;
      int32_t earliest = rows_[tree.order[begin]].position;
      for (int32_t i = 1; i < rows; ++i) earliest = std::min(earliest, rows_[tree.order[begin + i]].position);
      const int32_t pages = PagesOf(view_.spans[s].keys()), step = ChunkPages(view_.spans[s]);
      for (int32_t page = 0; page < pages; page += step) {
        const DecodeItem item = {
            static_cast<int32_t>(s), page, std::min(page + step, pages), begin, rows, part, earliest, 0};
        (rows > 1 ? shared : single).push_back(item);
        wave.most_rows = std::max(wave.most_rows, rows);
        for (int32_t i = 0; i < rows; ++i) parts_of[begin - first + i].push_back(part++);
      }
    }
    std::vector<int32_t> starts = {0}, parts;
    for (const std::vector<int32_t>& own : parts_of) {
      parts.insert(parts.end(), own.begin(), own.end());
      starts.push_back(static_cast<int32_t>(parts.size()));
    }
    wave.singles = static_cast<int32_t>(single.size());
    wave.shared = static_cast<int32_t>(shared.size());
    wave.single_items = upload_.Add(single);
    wave.shared_items = upload_.Add(shared);
    wave.part_starts = upload_.Add(starts);
    wave.parts = upload_.Add(parts);
    return wave;
  }

  SpanView view_;
  Upload& upload_;
  std::vector<int64_t> history_parts_;  // partial results of a row of the span
  std::vector<bool> decoded_;
  std::vector<RowPlace> rows_;
  AttentionBatch batch_;
};

}  // namespace

AttentionBatch PlanAttention(const SpanView& view, std::byte* device, size_t capacity, std::vector<std::byte>& bytes) {
  Upload upload(device, bytes);
  AttentionBatch batch = Planner(view, upload).Plan();
  if (bytes.size() > capacity) {
    throw Error(ErrorCode::kUnsupported,
                Concat("[cuda] a batch of ", view.count, " spans and ", view.rows, " rows needs ", bytes.size(),
                       " bytes of lists; there is room for ", capacity,
                       ". Choose fewer rows of a forward (maxBatchRows) or fewer sequences at a time (maxLive)."));
  }
  return batch;
}

}  // namespace rlvr::cuda
