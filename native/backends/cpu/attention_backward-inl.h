// Backward of attention. Probabilities are computed again from the saved log-sum-exp, in two passes that write disjoint
// outputs and therefore need neither atomics nor an order among threads:
//   queries  per (rows, KV head), over the key blocks in forward order: dq
//   keys     per (key block, KV head), over all rows that see it in row order, descendants' included: dk, dv
// With p the probability, dp = dout . v and delta = dout . out: ds = p (dp - delta) scale (times the softcap's slope).
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

inline float DotRow(const float* a, const float* b, int64_t count) {
  V sum = Zero();
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t n = Smaller(16, count - i);
    sum = Fma(LoadN(a + i, n), LoadN(b + i, n), sum);
  }
  return ReduceAdd(sum);
}

struct VectorNumbers {
  float lse[kVectors], delta[kVectors];
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

// For vectors [t, t + n) and one key block: probabilities to s.scores rows, ds to s.slopes rows (both [n][kKvBlock]).
// False when none of them sees any of the keys.
inline bool TileGradients(const AttentionArgs& args, const Item& item, const Span& keys, int64_t block, int64_t t,
                          int64_t n, const float* k, const float* v_transposed, const VectorNumbers& numbers,
                          float* scores, float* slopes, AttentionScratch& s) {
  const int64_t dim = args.head_dim;
  KeyRange range[kTileRows];
  bool seen = false;
  for (int64_t i = 0; i < n; ++i) {
    range[i] = Visible(args, item, t + i, keys, block);
    seen = seen || !range[i].empty();
  }
  if (!seen) return false;
  MultiplyTile(s.packed[0] + t * dim, n, n, k, kKvBlock, dim, false, scores, kKvBlock, kKvBlock);
  MultiplyTile(s.packed[1] + t * dim, n, n, v_transposed, kKvBlock, dim, false, slopes, kKvBlock, kKvBlock);
  const V scale = Set1(args.scale), one = Set1(1.0f);
  for (int64_t i = 0; i < n; ++i) {
    float *p_row = scores + i * kKvBlock, *d_row = slopes + i * kKvBlock;
    V a, b;
    FinishScores(args, p_row, a, b);
    V slope_a = scale, slope_b = scale;
    if (args.softcap > 0) {
      const V inverse = Set1(1.0f / args.softcap), ta = Mul(a, inverse), tb = Mul(b, inverse);
      slope_a = Mul(scale, Sub(one, Mul(ta, ta)));
      slope_b = Mul(scale, Sub(one, Mul(tb, tb)));
    }
    const V lse = Set1(numbers.lse[t + i]), delta = Set1(numbers.delta[t + i]);
    a = Exp(Sub(a, lse));
    b = Exp(Sub(b, lse));
    HideKeys(range[i], a, b, Zero());
    Store(p_row, a);
    Store(p_row + 16, b);
    V da = Mul(Mul(a, Sub(Load(d_row), delta)), slope_a), db = Mul(Mul(b, Sub(Load(d_row + 16), delta)), slope_b);
    HideKeys(range[i], da, db, Zero());
    Store(d_row, da);
    Store(d_row + 16, db);
  }
  return true;
}

void AttentionBackwardQ(const AttentionArgs& args, int64_t* next_item, std::byte* scratch) {
  AttentionScratch s(scratch, args.head_dim);
  const int64_t dim = args.head_dim, width = Padded(dim);
  ForItems(args, next_item, [&](const Item& item) {
    const int64_t vectors = item.vectors();
    VectorNumbers numbers;
    GatherItem(args, item, s, numbers);
    for (int64_t i = 0; i < vectors * width; i += 16) Store(s.out + i, Zero());
    ForKeyBlocks(args, item, [&](const Span& keys, int64_t block) {
      const float* k = KeyPage(args, keys, block, item.kv_head);
      TransposeMatrix(ValuePage(args, keys, block, item.kv_head), dim, kKvBlock, dim, s.values, kKvBlock);
      TransposeMatrix(k, kKvBlock, dim, kKvBlock, s.keys, width);
      for (int64_t t = 0; t < vectors; t += kTileRows) {
        const int64_t n = Smaller(kTileRows, vectors - t);
        if (!TileGradients(args, item, keys, block, t, n, k, s.values, numbers, s.scores, s.slopes, s)) continue;
        PackTile(s.slopes, kKvBlock, n, kKvBlock, s.tile);
        MultiplyTile(s.tile, n, n, s.keys, width, kKvBlock, true, s.out + t * width, width, width);
      }
    });
    for (int64_t v = 0; v < vectors; ++v) {
      float* to = args.dq + item.PackedRow(v) * args.dq_row + item.Head(v) * dim;
      for (int64_t d = 0; d < dim; d += 16) StoreN(to + d, Load(s.out + v * width + d), Smaller(16, dim - d));
    }
  });
}

inline bool DescendsFrom(const AttentionArgs& args, int64_t span, int64_t ancestor) {
  while (span > ancestor) span = args.batch.spans[span].parent;
  return span == ancestor;
}

void KeyBlockGradients(const AttentionArgs& args, int64_t owner, int64_t block, int64_t kv_head, AttentionScratch& s) {
  const Span& keys = args.batch.spans[owner];
  const int64_t dim = args.head_dim, width = Padded(dim), group = args.heads / args.kv_heads;
  const int64_t heads = Smaller(group, kVectors), rows = kVectors / heads;
  const float* k = KeyPage(args, keys, block, kv_head);
  TransposeMatrix(ValuePage(args, keys, block, kv_head), dim, kKvBlock, dim, s.values, kKvBlock);
  for (int64_t i = 0; i < kKvBlock * width; i += 16) {
    Store(s.dk + i, Zero());
    Store(s.dv + i, Zero());
  }
  for (int64_t t = owner; t < args.batch.count; ++t) {
    if (!DescendsFrom(args, t, owner)) continue;
    const Span& span = args.batch.spans[t];
    // Rows before the block's first key do not see it; a window hides it from rows far behind its last.
    int64_t begin = t == owner ? block * kKvBlock - keys.keys_before : 0, end = span.rows;
    if (args.window > 0) {
      const int64_t last_position = keys.first_position + Smaller(keys.keys(), (block + 1) * kKvBlock) - 1;
      end = Smaller(end, last_position + args.window - span.first_position - span.keys_before);
    }
    for (int64_t r = Larger(begin, 0); r < end; r += rows) {
      for (int64_t g = 0; g < group; g += heads) {
        const Item item{&span, r, Smaller(rows, end - r), kv_head, kv_head * group + g, Smaller(heads, group - g)};
        VectorNumbers numbers;
        GatherItem(args, item, s, numbers);
        const int64_t vectors = item.vectors();
        int64_t used = 0;
        for (int64_t v = 0; v < vectors; v += kTileRows) {
          const int64_t n = Smaller(kTileRows, vectors - v);
          float *p = s.scores + v * kKvBlock, *ds = s.slopes + v * kKvBlock;
          if (TileGradients(args, item, keys, block, v, n, k, s.values, numbers, p, ds, s)) {
            used = v + n;
          } else {
            for (int64_t i = 0; i < n * kKvBlock; i += 16) {
              Store(p + i, Zero());
              Store(ds + i, Zero());
            }
          }
        }
        for (int64_t i = 0; i < kKvBlock; i += kTileRows) {
          const int64_t n = Smaller(kTileRows, kKvBlock - i);
          MultiplyTile(s.scores + i, kKvBlock, n, s.raw[1], width, used, true, s.dv + i * width, width, width);
          MultiplyTile(s.slopes + i, kKvBlock, n, s.raw[0], width, used, true, s.dk + i * width, width, width);
        }
      }
    }
  }
  for (int64_t i = 0; i < kKvBlock && block * kKvBlock + i < keys.keys(); ++i) {
    const int64_t row = keys.first_row + block * kKvBlock + i;
    for (int64_t d = 0; d < dim; d += 16) {
      const int64_t n = Smaller(16, dim - d);
      StoreN(args.dk + row * args.dk_row + kv_head * dim + d, Load(s.dk + i * width + d), n);
      StoreN(args.dv + row * args.dv_row + kv_head * dim + d, Load(s.dv + i * width + d), n);
    }
  }
}

void AttentionBackwardKv(const AttentionArgs& args, int64_t* next_item, std::byte* scratch) {
  AttentionScratch s(scratch, args.head_dim);
  int64_t number = 0, mine = TakeItem(next_item);
  for (int64_t o = 0; o < args.batch.count; ++o) {
    for (int64_t block = 0; block * kKvBlock < args.batch.spans[o].keys(); ++block) {
      for (int64_t h = 0; h < args.kv_heads; ++h) {
        if (number++ != mine) continue;
        KeyBlockGradients(args, o, block, h, s);
        mine = TakeItem(next_item);
      }
    }
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
