// Attention over span trees: online softmax over blocks of kKvBlock keys, ancestors first, then own keys.
// A query vector is one (row, head). The vectors of consecutive rows that share a KV head go through each key block
// together, in register tiles, so that keys and values are read once for many of them; each vector's own operations are
// the same whether it comes alone (decoding) or with others (prefill, training), and a block that it may not see leaves
// its bits alone. Scores: lanes along keys (K is stored transposed), one chain over head_dim. Output: lanes along
// head_dim, one chain over keys, rescaled when the maximum moves.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::AttentionArgs;
using cpu::kMaxDepth;

constexpr int64_t kVectors = 48;  // query vectors of an item: four tiles; with head_dim 64 all of it stays in the L1

inline int64_t Padded(int64_t head_dim) { return DivideUp(head_dim, 16) * 16; }

// The part of an item that all passes share.
struct Item {
  const Span* span;
  int64_t first_row;  // within the span
  int64_t rows;
  int64_t kv_head;
  int64_t first_head;
  int64_t heads;  // query heads taken; vectors are (row, head), heads innermost
  int64_t vectors() const { return rows * heads; }
  int64_t PackedRow(int64_t v) const { return span->first_row + first_row + v / heads; }
  int64_t Head(int64_t v) const { return first_head + v % heads; }
  int64_t KeyIndex(int64_t v) const { return span->keys_before + first_row + v / heads; }
};

inline int64_t TakeItem(int64_t* next_item) { return __atomic_fetch_add(next_item, 1, __ATOMIC_RELAXED); }

// Calls f(item) for the items that fall to this thread: one at a time, because later rows see more keys.
template <typename F>
inline void ForItems(const AttentionArgs& args, int64_t* next_item, const F& f) {
  const int64_t group = args.heads / args.kv_heads;
  const int64_t heads = Smaller(group, kVectors), rows = kVectors / heads;
  int64_t number = 0, mine = TakeItem(next_item);
  for (int64_t s = 0; s < args.batch.count; ++s) {
    const Span& span = args.batch.spans[s];
    for (int64_t r = 0; r < span.rows; r += rows) {
      for (int64_t h = 0; h < args.kv_heads; ++h) {
        for (int64_t g = 0; g < group; g += heads) {
          if (number++ != mine) continue;
          f(Item{&span, r, Smaller(rows, span.rows - r), h, h * group + g, Smaller(heads, group - g)});
          mine = TakeItem(next_item);
        }
      }
    }
  }
}

struct KeyRange {
  int64_t lo, hi;  // keys of the block that a vector sees
  bool empty() const { return lo >= hi; }
  bool full() const { return lo == 0 && hi == kKvBlock; }
};

// What vector v of the item sees of block `block` of the span `keys`, which is the item's or an ancestor.
inline KeyRange Visible(const AttentionArgs& args, const Item& item, int64_t v, const Span& keys, int64_t block) {
  const int64_t own = item.KeyIndex(v);
  int64_t hi = (&keys == item.span ? own + 1 : keys.keys()) - block * kKvBlock, lo = 0;
  if (args.window > 0) lo = item.span->first_position + own - args.window + 1 - keys.first_position - block * kKvBlock;
  return {Larger(lo, 0), Smaller(hi, kKvBlock)};
}

// raw[v][Padded(head_dim)] from rows of x; the padding is zero.
inline void GatherVectors(const Item& item, const float* x, int64_t x_row, int64_t head_dim, float* raw) {
  const int64_t width = Padded(head_dim);
  for (int64_t v = 0; v < item.vectors(); ++v, raw += width) {
    const float* from = x + item.PackedRow(v) * x_row + item.Head(v) * head_dim;
    for (int64_t d = 0; d < width; d += 16) Store(raw + d, LoadN(from + d, Smaller(16, head_dim - d)));
  }
}

// tile[k][width] from `width` rows of `count` elements; may write up to 16 elements past its end.
inline void PackTile(const float* from, int64_t stride, int64_t width, int64_t count, float* tile) {
  for (int64_t k = 0; k < count; k += 16) {
    V block[16];
    const int64_t n = Smaller(16, count - k);
    for (int64_t i = 0; i < 16; ++i) block[i] = i < width ? LoadN(from + i * stride + k, n) : Zero();
    Transpose16(block);
    for (int64_t i = 0; i < n; ++i) Store(tile + (k + i) * width, block[i]);
  }
}

inline void PackTiles(const float* raw, int64_t stride, int64_t vectors, int64_t count, float* packed) {
  for (int64_t t = 0; t < vectors; t += kTileRows) {
    PackTile(raw + t * stride, stride, Smaller(kTileRows, vectors - t), count, packed + t * count);
  }
}

// to[j][i] = from[i][j] for from [rows][cols]; to's rows have 16-wide groups, padded from what LoadN gives: zeros.
inline void TransposeMatrix(const float* from, int64_t stride, int64_t rows, int64_t cols, float* to,
                            int64_t to_stride) {
  for (int64_t i = 0; i < rows; i += 16) {
    for (int64_t j = 0; j < cols; j += 16) {
      V block[16];
      for (int64_t n = 0; n < 16; ++n) {
        block[n] = i + n < rows ? LoadN(from + (i + n) * stride + j, Smaller(16, cols - j)) : Zero();
      }
      Transpose16(block);
      for (int64_t n = 0; n < 16 && j + n < cols; ++n) Store(to + (j + n) * to_stride + i, block[n]);
    }
  }
}

// y[width][cols] (+)= x^T b with x [inner][width] and b of whole 16-column groups.
inline void MultiplyTile(const float* x, int64_t xs, int64_t width, const float* b, int64_t bs, int64_t inner,
                         bool accumulate, float* y, int64_t ys, int64_t cols) {
  for (int64_t c = 0; c < cols; c += kPanel) {
    kTiles[width - 1](x, xs, b + c, bs, inner, accumulate, y + c, ys, Smaller(kPanel, cols - c));
  }
}

inline const float* KeyPage(const AttentionArgs& args, const Span& span, int64_t block, int64_t kv_head) {
  const int64_t page = args.batch.pages[span.first_page + block];
  return args.k_pages + (page * args.kv_heads + kv_head) * args.head_dim * kKvBlock;
}
inline const float* ValuePage(const AttentionArgs& args, const Span& span, int64_t block, int64_t kv_head) {
  const int64_t page = args.batch.pages[span.first_page + block];
  return args.v_pages + (page * args.kv_heads + kv_head) * args.head_dim * kKvBlock;
}

// Calls f(span, block) for the key blocks that some row of the item may see, in the order of the sums.
template <typename F>
inline void ForKeyBlocks(const AttentionArgs& args, const Item& item, const F& f) {
  const Span* chain[kMaxDepth];
  int depth = 0;
  for (const Span* s = item.span;; s = args.batch.spans + s->parent) {
    chain[depth++] = s;
    if (s->parent < 0) break;
  }
  const int64_t last = item.vectors() - 1;
  while (depth-- > 0) {
    const Span& keys = *chain[depth];
    const int64_t count = &keys == item.span ? item.KeyIndex(last) + 1 : keys.keys();
    for (int64_t block = 0; block * kKvBlock < count; ++block) {
      // The first row sees the oldest keys, so a window that hides the block from it hides it from all.
      if (args.window > 0 && Visible(args, item, 0, keys, block).lo >= kKvBlock) continue;
      f(keys, block);
    }
  }
}

// Scaled, soft-capped scores of a tile's row i in place of raw products.
inline void FinishScores(const AttentionArgs& args, float* row, V& a, V& b) {
  a = Mul(Load(row), Set1(args.scale));
  b = Mul(Load(row + 16), Set1(args.scale));
  if (args.softcap > 0) {
    const V cap = Set1(args.softcap), inverse = Set1(1.0f / args.softcap);
    a = Mul(cap, Tanh(Mul(a, inverse)));
    b = Mul(cap, Tanh(Mul(b, inverse)));
  }
}

inline void HideKeys(const KeyRange& range, V& a, V& b, V hidden) {
  if (range.full()) return;
  a = KeepRange(a, range.lo, range.hi, hidden);
  b = KeepRange(b, range.lo - 16, range.hi - 16, hidden);
}

// Floats for one thread: a ladder of arrays, each with room for the overrun of PackTile. Without memory: its size.
struct AttentionScratch {
  size_t bytes = 0;
  float *raw[2], *packed[2], *out, *scores, *slopes, *tile, *keys, *values, *dk, *dv;
  AttentionScratch(std::byte* memory, int64_t head_dim) {
    const int64_t width = Padded(head_dim);
    const auto take = [&](int64_t count) {
      float* p = memory == nullptr ? nullptr : reinterpret_cast<float*>(memory + bytes);
      bytes += static_cast<size_t>(count + 16) * sizeof(float);
      return p;
    };
    for (int i = 0; i < 2; ++i) raw[i] = take(kVectors * width);
    for (int i = 0; i < 2; ++i) packed[i] = take(kVectors * width);
    out = take(kVectors * width);
    scores = take(kVectors * kKvBlock);
    slopes = take(kVectors * kKvBlock);
    tile = take(kTileRows * kKvBlock);
    keys = take(kKvBlock * width);
    values = take(kKvBlock * width);
    dk = take(kKvBlock * width);
    dv = take(kKvBlock * width);
  }
};

size_t AttentionScratchBytes(int64_t head_dim) { return AttentionScratch(nullptr, head_dim).bytes; }

void AttentionItem(const AttentionArgs& args, const Item& item, AttentionScratch& s) {
  const int64_t dim = args.head_dim, width = Padded(dim), vectors = item.vectors();
  float most[kVectors], sum[kVectors];
  GatherVectors(item, args.q, args.q_row, dim, s.raw[0]);
  PackTiles(s.raw[0], width, vectors, dim, s.packed[0]);
  for (int64_t v = 0; v < vectors; ++v) {
    most[v] = -kInfinity;
    sum[v] = 0;
  }
  for (int64_t i = 0; i < vectors * width; i += 16) Store(s.out + i, Zero());

  ForKeyBlocks(args, item, [&](const Span& keys, int64_t block) {
    const float* k = KeyPage(args, keys, block, item.kv_head);
    const float* values = ValuePage(args, keys, block, item.kv_head);
    if (width != dim) {  // rows of odd width: copied, so that whole vectors can be read
      for (int64_t i = 0; i < kKvBlock; ++i) {
        for (int64_t d = 0; d < width; d += 16) {
          Store(s.values + i * width + d, LoadN(values + i * dim + d, Smaller(16, dim - d)));
        }
      }
      values = s.values;
    }
    for (int64_t t = 0; t < vectors; t += kTileRows) {
      const int64_t n = Smaller(kTileRows, vectors - t);
      KeyRange range[kTileRows];
      bool seen = false;
      for (int64_t i = 0; i < n; ++i) {
        range[i] = Visible(args, item, t + i, keys, block);
        seen = seen || !range[i].empty();
      }
      if (!seen) continue;
      MultiplyTile(s.packed[0] + t * dim, n, n, k, kKvBlock, dim, false, s.scores, kKvBlock, kKvBlock);
      for (int64_t i = 0; i < n; ++i) {
        float* row = s.scores + i * kKvBlock;
        V a, b;
        FinishScores(args, row, a, b);
        HideKeys(range[i], a, b, Set1(-kInfinity));
        const float block_most = ReduceMax(Max(a, b));
        const float now = block_most > most[t + i] ? block_most : most[t + i];
        const float base = now == -kInfinity ? 0.0f : now;  // nothing seen yet: every term is exp(-inf) = 0
        float rescale = 1;
        if (now != most[t + i]) {
          float lane[16];
          Store(lane, Exp(Set1(most[t + i] - base)));
          rescale = lane[0];
        }
        most[t + i] = now;
        a = Exp(Sub(a, Set1(base)));
        b = Exp(Sub(b, Set1(base)));
        Store(row, a);
        Store(row + 16, b);
        sum[t + i] = sum[t + i] * rescale + ReduceAdd(Add(a, b));
        if (rescale != 1) {
          float* o = s.out + (t + i) * width;
          for (int64_t d = 0; d < width; d += 16) Store(o + d, Mul(Load(o + d), Set1(rescale)));
        }
      }
      PackTile(s.scores, kKvBlock, n, kKvBlock, s.tile);
      MultiplyTile(s.tile, n, n, values, width, kKvBlock, true, s.out + t * width, width, width);
    }
  });

  for (int64_t v = 0; v < vectors; ++v) {
    const V inverse = Set1(1.0f / sum[v]);
    float* to = args.out + item.PackedRow(v) * args.out_row + item.Head(v) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      StoreN(to + d, Mul(Load(s.out + v * width + d), inverse), Smaller(16, dim - d));
    }
    if (args.lse != nullptr) {
      args.lse[item.PackedRow(v) * args.lse_row + item.Head(v)] = most[v] + __builtin_logf(sum[v]);
    }
  }
}

void Attention(const AttentionArgs& args, int64_t* next_item, std::byte* scratch) {
  AttentionScratch s(scratch, args.head_dim);
  ForItems(args, next_item, [&](const Item& item) { AttentionItem(args, item, s); });
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
