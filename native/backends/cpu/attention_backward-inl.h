// Backward of attention. With p the probability, computed again from the saved log-sum-exp, dp = dout . v and delta =
// dout . out: ds = p (dp - delta) scale (times the softcap's slope). The sums are chains of a fixed order: dq over the
// key blocks in forward order, dk and dv over the rows that see a key in row order, descendants' included. Two ways
// give the same bits:
//   1  two passes that write disjoint outputs: items of rows for dq, key blocks for dk and dv. Seven products, any
//   number
//      of threads
//   2  all gradients of a tree's KV head on one thread, rows outside and key blocks inside: five products. Taken for as
//      many of these as share out evenly over the threads; 1.5 times as fast as way 1
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

constexpr int64_t kBlocksOfItem = 2;  // key blocks of an item of way 1: a gather of rows serves both

inline float DotRow(const float* a, const float* b, int64_t count) {
  V sum = Zero();
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t n = Smaller(16, count - i);
    sum = Fma(LoadN(a + i, n), LoadN(b + i, n), sum);
  }
  return ReduceAdd(sum);
}

struct VectorNumbers {
  float lse[kItemVectors], delta[kItemVectors];
};

// q and dout of the item's vectors, as rows and as tiles, and their numbers.
inline void GatherItem(const AttentionArgs& args, const Item& item, AttentionScratch& s, VectorNumbers& numbers) {
  const int64_t dim = args.head_dim, width = Padded(dim), vectors = item.vectors();
  GatherVectors(item, args.q, args.q_row, dim, s.raw[0]);
  GatherVectors(item, args.dout, args.dout_row, dim, s.raw[1]);
  for (int i = 0; i < 2; ++i) PackTiles(s.raw[i], width, vectors, dim, s.packed[i]);
  for (int64_t v = 0; v < vectors; ++v) {
    const int64_t row = item.PackedRow(v), head = item.Head(v);
    numbers.lse[v] = args.lse[row * args.lse_row + head];
    numbers.delta[v] = DotRow(s.raw[1] + v * width, args.out + row * args.out_row + head * dim, dim);
  }
}

// Probabilities to s.scores and ds to s.slopes ([vectors][kKvBlock] both) of the rows that see the block.
inline void BlockGradients(const AttentionArgs& args, const Item& item, const BlockView& view, const float* k,
                           const float* v_transposed, const VectorNumbers& numbers, AttentionScratch& s) {
  const V scale = Set1(args.scale), one = Set1(1.0f);
  ForTiles(item, view, [&](int64_t first, int64_t n, int64_t tile) {
    float *scores = s.scores + first * kKvBlock, *slopes = s.slopes + first * kKvBlock;
    TileScores(item, s.packed[0], first, n, tile, args.head_dim, k, scores);
    TileScores(item, s.packed[1], first, n, tile, args.head_dim, v_transposed, slopes);
    for (int64_t i = 0; i < n; ++i) {
      float *p_row = scores + i * kKvBlock, *d_row = slopes + i * kKvBlock;
      const KeyRange& range = view.range[(first + i) / item.heads];
      V a, b;
      FinishScores(args, p_row, a, b);
      V slope_a = scale, slope_b = scale;
      if (args.softcap > 0) {
        const V inverse = Set1(1.0f / args.softcap), ta = Mul(a, inverse), tb = Mul(b, inverse);
        slope_a = Mul(scale, Sub(one, Mul(ta, ta)));
        slope_b = Mul(scale, Sub(one, Mul(tb, tb)));
      }
      const V lse = Set1(numbers.lse[first + i]), delta = Set1(numbers.delta[first + i]);
      a = Exp(Sub(a, lse));
      b = Exp(Sub(b, lse));
      HideKeys(range, a, b, Zero());
      Store(p_row, a);
      Store(p_row + 16, b);
      V da = Mul(Mul(a, Sub(Load(d_row), delta)), slope_a), db = Mul(Mul(b, Sub(Load(d_row + 16), delta)), slope_b);
      HideKeys(range, da, db, Zero());
      Store(d_row, da);
      Store(d_row + 16, db);
    }
  });
}

// dq of the rows that see the block, in s.out, from s.slopes and the block's keys as rows.
inline void AddQueryGradients(const Item& item, const BlockView& view, const float* keys, int64_t width,
                              AttentionScratch& s) {
  ForTiles(item, view, [&](int64_t first, int64_t n, int64_t) {
    const KeyRange seen = SeenBy(item, view, first, n);
    if (!seen.empty()) Weigh(n, s.slopes + first * kKvBlock, seen.lo, seen.hi, keys, width, s.out + first * width);
  });
}

// dk and dv of the block's keys, in place, from s.scores and s.slopes.
inline void AddKeyGradients(const AttentionArgs& args, const Item& item, const BlockView& view, const Span& keys,
                            int64_t block, AttentionScratch& s) {
  const int64_t dim = args.head_dim, width = Padded(dim);
  const int64_t begin = view.first * item.heads, count = (view.last - view.first) * item.heads;
  const int64_t first_row = keys.first_row + block * kKvBlock, rows = Smaller(kKvBlock, keys.rows - block * kKvBlock);
  const float *p = s.scores + begin * kKvBlock, *ds = s.slopes + begin * kKvBlock;
  const float *q = s.raw[0] + begin * width, *dout = s.raw[1] + begin * width;
  float* dk = args.dk + first_row * args.dk_row + item.kv_head * dim;
  float* dv = args.dv + first_row * args.dv_row + item.kv_head * dim;
  for (int64_t i = 0; i < rows; i += kTileRows) {
    const int64_t n = Smaller(kTileRows, rows - i);
    MultiplyTile(p + i, kKvBlock, n, dout, width, count, true, dv + i * args.dv_row, args.dv_row, dim);
    MultiplyTile(ds + i, kKvBlock, n, q, width, count, true, dk + i * args.dk_row, args.dk_row, dim);
  }
}

// Zeros to dk and dv of key blocks [begin, end) of a span.
inline void ClearKeyGradients(const AttentionArgs& args, const Span& keys, int64_t begin, int64_t end,
                              int64_t kv_head) {
  for (int64_t i = begin * kKvBlock; i < Smaller(end * kKvBlock, keys.rows); ++i) {
    float* dk = args.dk + (keys.first_row + i) * args.dk_row + kv_head * args.head_dim;
    float* dv = args.dv + (keys.first_row + i) * args.dv_row + kv_head * args.head_dim;
    for (int64_t d = 0; d < args.head_dim; d += 16) {
      const int64_t n = Smaller(16, args.head_dim - d);
      StoreN(dk + d, Zero(), n);
      StoreN(dv + d, Zero(), n);
    }
  }
}

// The gradient of the item's queries; of the keys as well when asked.
void QueryItem(const AttentionArgs& args, const Item& item, bool with_keys, AttentionScratch& s) {
  const int64_t dim = args.head_dim, width = Padded(dim), vectors = item.vectors();
  VectorNumbers numbers;
  GatherItem(args, item, s, numbers);
  for (int64_t i = 0; i < vectors * width; i += 16) Store(s.out + i, Zero());
  RunView(args, item.run).ForKeyBlocks([&](const Span& keys, int64_t block, const BlockView& view) {
    const float* k = KeyPage(args, keys, block, item.kv_head);
    TransposeMatrix(ValuePage(args, keys, block, item.kv_head), dim, kKvBlock, dim, s.values, kKvBlock);
    TransposeMatrix(k, kKvBlock, dim, kKvBlock, s.keys, width);
    BlockGradients(args, item, view, k, s.values, numbers, s);
    AddQueryGradients(item, view, s.keys, width, s);
    if (with_keys) AddKeyGradients(args, item, view, keys, block, s);
  });
  for (int64_t v = 0; v < vectors; ++v) {
    float* to = args.dq + item.PackedRow(v) * args.dq_row + item.Head(v) * dim;
    for (int64_t d = 0; d < dim; d += 16) StoreN(to + d, Load(s.out + v * width + d), Smaller(16, dim - d));
  }
}

// Calls f(item) for all rows of the tree with a KV head, in row order.
template <typename F>
inline void ForRowsOfTree(const AttentionArgs& args, int64_t root, int64_t kv_head, const F& f) {
  const int64_t group = args.heads / args.kv_heads, heads = Smaller(group, kItemVectors);
  ForRowRuns(args, kItemVectors / heads, [&](const RowRun& run) {
    if (run.root != root) return;
    for (int64_t g = 0; g < group; g += heads) {
      f(Item{run, kv_head, kv_head * group + g, Smaller(heads, group - g)});
    }
  });
}

inline int64_t RootOf(const AttentionArgs& args, int64_t span) {
  while (args.batch.spans[span].parent >= 0) span = args.batch.spans[span].parent;
  return span;
}

// A tree's KV head: way 2.
void TreeGradients(const AttentionArgs& args, int64_t root, int64_t kv_head, AttentionScratch& s) {
  for (int64_t o = root; o < args.batch.count; ++o) {
    if (RootOf(args, o) == root) ClearKeyGradients(args, args.batch.spans[o], 0, INT64_MAX / kKvBlock, kv_head);
  }
  ForRowsOfTree(args, root, kv_head, [&](const Item& item) { QueryItem(args, item, true, s); });
}

// Key blocks [begin, end) of a span: way 1.
void KeyItem(const AttentionArgs& args, int64_t owner, int64_t begin, int64_t end, int64_t kv_head,
             AttentionScratch& s) {
  const int64_t dim = args.head_dim;
  ClearKeyGradients(args, args.batch.spans[owner], begin, end, kv_head);
  ForRowsOfTree(args, RootOf(args, owner), kv_head, [&](const Item& item) {
    VectorNumbers numbers;
    bool gathered = false;
    RunView(args, item.run).ForBlocksOf(owner, begin, end, [&](const Span& keys, int64_t block, const BlockView& view) {
      if (!gathered) GatherItem(args, item, s, numbers);
      gathered = true;
      TransposeMatrix(ValuePage(args, keys, block, kv_head), dim, kKvBlock, dim, s.values, kKvBlock);
      BlockGradients(args, item, view, KeyPage(args, keys, block, kv_head), s.values, numbers, s);
      AddKeyGradients(args, item, view, keys, block, s);
    });
  });
}

// Trees' KV heads are numbered tree by tree; the first args.whole_trees of them go way 2.
inline bool GoesWhole(const AttentionArgs& args, int64_t root, int64_t kv_head) {
  int64_t tree = 0;
  for (int64_t o = 0; o < root; ++o) tree += args.batch.spans[o].parent < 0;
  return tree * args.kv_heads + kv_head < args.whole_trees;
}

// Calls f(span, block, kv_head) for every `step`-th key block that falls to this thread.
template <typename F>
inline void ForOwners(const AttentionArgs& args, int64_t step, bool roots_only, int64_t* next_item, const F& f) {
  int64_t number = 0, mine = TakeItem(next_item);
  for (int64_t o = 0; o < args.batch.count; ++o) {
    const Span& span = args.batch.spans[o];
    if (roots_only && span.parent >= 0) continue;
    for (int64_t block = 0; block == 0 || block * kKvBlock < span.keys(); block += step) {
      for (int64_t h = 0; h < args.kv_heads; ++h) {
        if (number++ != mine) continue;
        f(o, block, h);
        mine = TakeItem(next_item);
      }
    }
  }
}

// next_items: three counters.
void AttentionBackward(const AttentionArgs& args, int64_t* next_items, std::byte* scratch) {
  AttentionScratch s(scratch, args.head_dim);
  if (args.whole_trees > 0) {
    ForOwners(args, INT64_MAX / kKvBlock, true, &next_items[0], [&](int64_t root, int64_t, int64_t h) {
      if (GoesWhole(args, root, h)) TreeGradients(args, root, h, s);
    });
  }
  ForItems(args, &next_items[1], [&](const Item& item) {
    if (!GoesWhole(args, item.run.root, item.kv_head)) QueryItem(args, item, false, s);
  });
  ForOwners(args, kBlocksOfItem, false, &next_items[2], [&](int64_t o, int64_t block, int64_t h) {
    if (!GoesWhole(args, RootOf(args, o), h)) KeyItem(args, o, block, block + kBlocksOfItem, h, s);
  });
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
