// Attention over span trees: online softmax over blocks of kKvBlock keys, ancestors first, then own keys.
// A query vector is one (row, head). The vectors of an item share a KV head and go through each key block together, in
// register tiles, so that keys and values are read once for many of them; each vector's own operations are the same
// whether it comes alone (decoding) or with others (prefill, training), and a block that it may not see leaves its bits
// alone. Scores: lanes along keys (K is stored transposed), one chain over head_dim. Output: lanes along head_dim, one
// chain over keys, rescaled when the maximum moves.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

inline int64_t Padded(int64_t head_dim) { return DivideUp(head_dim, 16) * 16; }

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

// y[i][0..NV*16) += sum over keys [k0, k1) of scores[i][k] * values[k][..]: rows of scores are read as they lie.
template <int MR, int NV>
inline void WeighTile(const float* scores, int64_t k0, int64_t k1, const float* values, int64_t width, float* y) {
  V acc[MR][NV];
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) acc[i][j] = Load(y + i * width + 16 * j);
  }
  for (int64_t k = k0; k < k1; ++k) {
    V v[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) v[j] = Load(values + k * width + 16 * j);
#pragma GCC unroll 12
    for (int i = 0; i < MR; ++i) {
      const V p = Set1(scores[i * kKvBlock + k]);
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) acc[i][j] = Fma(p, v[j], acc[i][j]);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) Store(y + i * width + 16 * j, acc[i][j]);
  }
}

template <int MR>
void WeighRows(const float* scores, int64_t k0, int64_t k1, const float* values, int64_t width, float* y) {
  int64_t c = 0;
  if constexpr (kTileVectors == 2) {
    for (; c + 32 <= width; c += 32) WeighTile<MR, 2>(scores, k0, k1, values + c, width, y + c);
  }
  for (; c < width; c += 16) WeighTile<MR, 1>(scores, k0, k1, values + c, width, y + c);
}

// y[n][width] += scores[n][kKvBlock] values[kKvBlock][width] over keys [k0, k1); n at most kTileRows.
inline void Weigh(int64_t n, const float* scores, int64_t k0, int64_t k1, const float* values, int64_t width,
                  float* y) {
  using Function = void (*)(const float*, int64_t, int64_t, const float*, int64_t, float*);
#if defined(RLVR_ISA_AVX512)
  constexpr Function kFunctions[kTileRows] = {WeighRows<1>, WeighRows<2>,  WeighRows<3>,  WeighRows<4>,
                                              WeighRows<5>, WeighRows<6>,  WeighRows<7>,  WeighRows<8>,
                                              WeighRows<9>, WeighRows<10>, WeighRows<11>, WeighRows<12>};
#elif defined(RLVR_ISA_AVX2)
  constexpr Function kFunctions[kTileRows] = {WeighRows<1>, WeighRows<2>, WeighRows<3>,
                                              WeighRows<4>, WeighRows<5>, WeighRows<6>};
#else
  constexpr Function kFunctions[kTileRows] = {WeighRows<1>, WeighRows<2>};
#endif
  kFunctions[n - 1](scores, k0, k1, values, width, y);
}

// Towards the L2. Pages lie anywhere in the pool, so the processor does not foresee the next: 20 % of a decode step
// whose keys are not in the caches.
inline void Prefetch(const float* p, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(p + i, 0, 2);
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
  float *raw[2], *packed[2], *out, *scores, *slopes, *keys, *values;
  AttentionScratch(std::byte* memory, int64_t head_dim) {
    const int64_t width = Padded(head_dim);
    const auto take = [&](int64_t count) {
      float* p = memory == nullptr ? nullptr : reinterpret_cast<float*>(memory + bytes);
      bytes += static_cast<size_t>(count + 16) * sizeof(float);
      return p;
    };
    for (int i = 0; i < 2; ++i) raw[i] = take(kItemVectors * width);
    for (int i = 0; i < 2; ++i) packed[i] = take(kItemVectors * width);
    out = take(kItemVectors * width);
    scores = take(kItemVectors * kKvBlock);
    slopes = take(kItemVectors * kKvBlock);
    keys = take(kKvBlock * width);
    values = take(kKvBlock * width);
  }
};

size_t AttentionScratchBytes(int64_t head_dim) { return AttentionScratch(nullptr, head_dim).bytes; }

// Calls f(first, count, tile) for the vectors of rows [view.first, view.last), cut at the tiles in which queries are
// packed; `tile` is the first vector of the one that holds them.
template <typename F>
inline void ForTiles(const Item& item, const BlockView& view, const F& f) {
  const int64_t end = view.last * item.heads;
  for (int64_t v = view.first * item.heads; v < end;) {
    const int64_t tile = v / kTileRows * kTileRows, next = Smaller(tile + kTileRows, end);
    f(v, next - v, tile);
    v = next;
  }
}

// Raw products of packed vectors [first, first + n) with a block: to[n][kKvBlock]. block: [head_dim][kKvBlock].
inline void TileScores(const Item& item, const float* packed, int64_t first, int64_t n, int64_t tile, int64_t dim,
                       const float* block, float* to) {
  const int64_t in_tile = Smaller(kTileRows, item.vectors() - tile);
  MultiplyTile(packed + tile * dim + first - tile, in_tile, n, block, kKvBlock, dim, false, to, kKvBlock, kKvBlock);
}

// The softmax's running numbers of an item's vectors, with room for a whole vector past the last.
struct OnlineSoftmax {
  float most[kItemVectors + 16], sum[kItemVectors + 16];
};

// Scores of vectors [first, first + n) of one block to probabilities below the running maximum; moves that maximum, and
// brings sums and outputs to it.
inline void SoftmaxTile(const AttentionArgs& args, const Item& item, const BlockView& view, int64_t first, int64_t n,
                        float* scores, OnlineSoftmax& soft, float* out, int64_t width) {
  float block_most[16], base[16], rescale[16];
  for (int64_t i = 0; i < n; ++i) {
    V a, b;
    float* row = scores + i * kKvBlock;
    FinishScores(args, row, a, b);
    HideKeys(view.range[(first + i) / item.heads], a, b, Set1(-kInfinity));
    Store(row, a);
    Store(row + 16, b);
    block_most[i] = ReduceMax(Max(a, b));
  }
  const V hidden = Set1(-kInfinity), before = Load(soft.most + first), block = LoadN(block_most, n);
  const V now = IfLess(before, block, block, before);
  const V from = IfLess(hidden, now, now, Zero());  // nothing seen yet: every term is exp(-inf) = 0
  Store(base, from);
  Store(rescale, IfLess(before, now, Exp(Sub(before, from)), Set1(1.0f)));
  StoreN(soft.most + first, now, n);
  for (int64_t i = 0; i < n; ++i) {
    float* row = scores + i * kKvBlock;
    const V a = Exp(Sub(Load(row), Set1(base[i]))), b = Exp(Sub(Load(row + 16), Set1(base[i])));
    Store(row, a);
    Store(row + 16, b);
    soft.sum[first + i] = soft.sum[first + i] * rescale[i] + ReduceAdd(Add(a, b));
    if (rescale[i] == 1) continue;
    float* o = out + (first + i) * width;
    for (int64_t d = 0; d < width; d += 16) Store(o + d, Mul(Load(o + d), Set1(rescale[i])));
  }
}

// Keys that some of the vectors see; the others' probabilities are 0 there.
inline KeyRange SeenBy(const Item& item, const BlockView& view, int64_t first, int64_t n) {
  KeyRange seen{kKvBlock, 0};
  for (int64_t r = first / item.heads; r <= (first + n - 1) / item.heads; ++r) {
    if (view.range[r].empty()) continue;
    seen = {Smaller(seen.lo, view.range[r].lo), Larger(seen.hi, view.range[r].hi)};
  }
  return seen;
}

void AttentionItem(const AttentionArgs& args, const Item& item, AttentionScratch& s) {
  const int64_t dim = args.head_dim, width = Padded(dim), vectors = item.vectors();
  OnlineSoftmax soft;
  GatherVectors(item, args.q, args.q_row, dim, s.raw[0]);
  PackTiles(s.raw[0], width, vectors, dim, s.packed[0]);
  for (int64_t v = 0; v < vectors; v += 16) {
    Store(soft.most + v, Set1(-kInfinity));
    Store(soft.sum + v, Zero());
  }
  for (int64_t i = 0; i < vectors * width; i += 16) Store(s.out + i, Zero());

  RunView(args, item.run).ForKeyBlocks([&](const Span& keys, int64_t block, const BlockView& view) {
    const float* k = KeyPage(args, keys, block, item.kv_head);
    const float* values = ValuePage(args, keys, block, item.kv_head);
    Prefetch(values, dim * kKvBlock);
    if ((block + 1) * kKvBlock < keys.keys()) Prefetch(KeyPage(args, keys, block + 1, item.kv_head), dim * kKvBlock);
    if (width != dim) {  // rows of odd width: copied, so that whole vectors can be read
      for (int64_t i = 0; i < kKvBlock; ++i) {
        for (int64_t d = 0; d < width; d += 16) {
          Store(s.values + i * width + d, LoadN(values + i * dim + d, Smaller(16, dim - d)));
        }
      }
      values = s.values;
    }
    ForTiles(item, view, [&](int64_t first, int64_t n, int64_t tile) {
      const KeyRange seen = SeenBy(item, view, first, n);
      if (seen.empty()) return;
      TileScores(item, s.packed[0], first, n, tile, dim, k, s.scores);
      SoftmaxTile(args, item, view, first, n, s.scores, soft, s.out, width);
      Weigh(n, s.scores, seen.lo, seen.hi, values, width, s.out + first * width);
    });
  });

  for (int64_t v = 0; v < vectors; ++v) {
    const V inverse = Set1(1.0f / soft.sum[v]);
    float* to = args.out + item.PackedRow(v) * args.out_row + item.Head(v) * dim;
    for (int64_t d = 0; d < dim; d += 16) {
      StoreN(to + d, Mul(Load(s.out + v * width + d), inverse), Smaller(16, dim - d));
    }
    if (args.lse != nullptr) {
      args.lse[item.PackedRow(v) * args.lse_row + item.Head(v)] = soft.most[v] + __builtin_logf(soft.sum[v]);
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
