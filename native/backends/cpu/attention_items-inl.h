// How attention is cut into items, and which keys the rows of an item see.
// An item is a run of packed rows of one tree with some query heads of one KV head. Its rows may belong to several
// spans: the rollouts of a prompt bring one row each while they are decoded, and go through the prompt's keys together.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::AttentionArgs;
using cpu::kItemVectors;
using cpu::kMaxDepth;

// Consecutive packed rows of one tree.
struct RowRun {
  int64_t root;
  int64_t first_span;  // of its first row
  int64_t first_row;
  int64_t rows;
};

struct Item {
  RowRun run;
  int64_t kv_head;
  int64_t first_head;
  int64_t heads;  // query heads taken; vectors are (row, head), heads innermost
  int64_t vectors() const { return run.rows * heads; }
  int64_t PackedRow(int64_t v) const { return run.first_row + v / heads; }
  int64_t Head(int64_t v) const { return first_head + v % heads; }
};

inline int64_t TakeItem(int64_t* next_item) { return __atomic_fetch_add(next_item, 1, __ATOMIC_RELAXED); }

// Calls f(run) for runs of at most `most` rows, in row order. The spans of a run have at most kMaxDepth ancestors and
// themselves together, so that they can be listed.
template <typename F>
inline void ForRowRuns(const AttentionArgs& args, int64_t most, const F& f) {
  RowRun run{};
  int64_t listed = 0;
  const auto end_run = [&] {
    if (run.rows > 0) f(run);
    run.rows = listed = 0;
  };
  for (int64_t s = 0; s < args.batch.count; ++s) {
    const Span& span = args.batch.spans[s];
    if (span.rows == 0) continue;
    int64_t root = s, depth = 1;
    for (; args.batch.spans[root].parent >= 0; root = args.batch.spans[root].parent) ++depth;
    if (root != run.root || listed + depth > kMaxDepth) end_run();
    listed += depth;
    for (int64_t r = 0; r < span.rows;) {
      if (run.rows == 0) run = {root, s, span.first_row + r, 0};
      const int64_t take = Smaller(span.rows - r, most - run.rows);
      run.rows += take;
      r += take;
      if (run.rows < most) continue;
      end_run();
      listed = r < span.rows ? depth : 0;
    }
  }
  end_run();
}

// Calls f(item) for the items that fall to this thread: one at a time, because later rows see more keys.
template <typename F>
inline void ForItems(const AttentionArgs& args, int64_t* next_item, const F& f) {
  const int64_t group = args.heads / args.kv_heads;
  int64_t number = 0, mine = TakeItem(next_item);
  for (int64_t h = 0; h < args.kv_heads; ++h) {
    for (int64_t g = 0; g < group; g += args.item_heads) {
      ForRowRuns(args, args.item_rows, [&](const RowRun& run) {
        if (number++ != mine) return;
        f(Item{run, h, h * group + g, Smaller(args.item_heads, group - g)});
        mine = TakeItem(next_item);
      });
    }
  }
}

struct KeyRange {
  int64_t lo = 0, hi = 0;  // keys of the block that a row sees
  bool empty() const { return lo >= hi; }
  bool full() const { return lo == 0 && hi == kKvBlock; }
};

// Rows of a run that see some of a block's keys: all of [first, last) are listed, those between may see none.
struct BlockView {
  KeyRange range[kItemVectors];
  int64_t first = 0, last = 0;
  bool empty() const { return first >= last; }
};

// The rows of a run, and the spans whose keys they see, ancestors first.
class RunView {
 public:
  RunView(const AttentionArgs& args, const RowRun& run) : args_(args) {
    int64_t s = run.first_span;
    for (int64_t i = 0; i < run.rows;) {
      while (args.batch.spans[s].first_row + args.batch.spans[s].rows <= run.first_row + i) ++s;
      const Span& span = args.batch.spans[s];
      const int64_t begin = i;
      for (; i < run.rows && run.first_row + i < span.first_row + span.rows; ++i) {
        span_[i] = static_cast<int32_t>(s);
        key_[i] = static_cast<int32_t>(span.keys_before + run.first_row + i - span.first_row);
      }
      for (int64_t a = s; a >= 0; a = args.batch.spans[a].parent) List(static_cast<int32_t>(a), begin, i);
    }
  }

  // Calls f(keys, block, view) for the key blocks that some row sees, in the order of the sums.
  template <typename F>
  void ForKeyBlocks(const F& f) const {
    for (int64_t n = 0; n < count_; ++n) ForBlocksOf(chain_[n], 0, INT64_MAX, f);
  }

  // The same for blocks [begin, end) of one span.
  template <typename F>
  void ForBlocksOf(int64_t span, int64_t begin, int64_t end, const F& f) const {
    for (int64_t n = 0; n < count_; ++n) {
      if (chain_[n].span == span) ForBlocksOf(chain_[n], begin, end, f);
    }
  }

 private:
  struct Listed {
    int32_t span;
    int32_t first, last;  // rows that descend from it lie in [first, last)
  };

  void List(int32_t span, int64_t first, int64_t last) {
    int64_t n = count_;
    while (n > 0 && chain_[n - 1].span > span) --n;
    if (n > 0 && chain_[n - 1].span == span) {
      chain_[n - 1].last = static_cast<int32_t>(last);
      return;
    }
    for (int64_t i = count_; i > n; --i) chain_[i] = chain_[i - 1];
    chain_[n] = {span, static_cast<int32_t>(first), static_cast<int32_t>(last)};
    ++count_;
  }

  // Keys of `span` that row i sees but for the window.
  int64_t KeysSeen(int64_t i, int32_t span) const {
    int32_t s = span_[i];
    if (s == span) return key_[i] + 1;
    while (s > span) s = args_.batch.spans[s].parent;
    return s == span ? args_.batch.spans[span].keys() : 0;
  }

  template <typename F>
  void ForBlocksOf(const Listed& listed, int64_t begin, int64_t end, const F& f) const {
    const Span& keys = args_.batch.spans[listed.span];
    int64_t seen[kItemVectors], oldest[kItemVectors], most = 0;
    for (int64_t i = listed.first; i < listed.last; ++i) {
      const int64_t position = args_.batch.spans[span_[i]].first_position + key_[i];
      oldest[i] = args_.window > 0 ? position - args_.window + 1 - keys.first_position : 0;
      seen[i] = KeysSeen(i, listed.span);
      most = Larger(most, seen[i]);
    }
    BlockView view;
    for (int64_t block = begin; block < end && block * kKvBlock < most; ++block) {
      view.first = view.last = 0;
      for (int64_t i = listed.first; i < listed.last; ++i) {
        const int64_t base = block * kKvBlock;
        view.range[i] = {Larger(oldest[i] - base, 0), Smaller(seen[i] - base, kKvBlock)};
        if (view.range[i].empty()) continue;
        if (view.empty()) view.first = i;
        view.last = i + 1;
      }
      if (!view.empty()) f(keys, block, view);
    }
  }

  const AttentionArgs& args_;
  int32_t span_[kItemVectors], key_[kItemVectors];  // of a row: its span, and the index of its own key there
  Listed chain_[kMaxDepth];
  int64_t count_ = 0;
};

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
