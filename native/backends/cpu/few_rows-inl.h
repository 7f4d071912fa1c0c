// Y = X W^T + bias (+ LoRA) with few rows of X, for several weights that read the same X: decoding.
// Every thread calls with the same counters and takes panels of 32 outputs as it comes free; what one computes is the
// chain of linear-inl.h. X is packed once a thread, not once a group of panels, and q, k and v, or gate and up, with
// their LoRA are one region.
// 1  weights are unpacked to registers and used for up to kDirectRows rows at once; one row works on two panels,
//    because the latency of one panel's two chains is as long as its unpacking
// 2  more rows: the first tile unpacks so and also stores the floats, which later tiles read from the L1 or L2.
//    Unpacking again for each tile took 11 % more time at 16 rows and 7 % at 24 (Q4_1, Zen 4)
// 3  instruction sets with 16 registers unpack in a pass of its own as soon as there are more than kDirectRows rows
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::FewRows;
using cpu::FewRowsPart;
using cpu::FewRowsProgress;

#if defined(RLVR_ISA_AVX512)
constexpr int64_t kDirectRows = 12;  // 24 accumulators; scales become memory operands
#else
constexpr int64_t kDirectRows = 4;  // more spill
#endif
constexpr int64_t kStridedRows = 4;  // so few are read where they lie; more are packed

// A tile of rows for the kernels: row i, input k is x[i * row + k * inner].
struct RowTile {
  const float* x;
  int64_t row, inner;
  int64_t first, rows;
};

// y[MR rows][NP panels] (+)= x w for inputs [k0, k0 + count) of the weight; rows past `rows` are not stored.
// keep: where the floats of the panel go as well, or null.
template <int MR, int NP, DType T, bool kKeep>
void DirectPanels(const std::byte* panel, size_t panel_bytes, const RowTile& t, int64_t k0, int64_t count,
                  bool accumulate, float* keep, float* y, int64_t y_row, int64_t cols) {
  constexpr bool kPacked = MR > kStridedRows;
  constexpr Format kFormat = FormatOf(T);
  V acc[MR][2 * NP];
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < 2 * NP; ++j) {
      acc[i][j] = accumulate && i < t.rows ? LoadN(y + i * y_row + 16 * j, cols - 16 * j) : Zero();
    }
  }
  const float* x[kPacked ? 1 : MR];
#pragma GCC unroll 4
  for (int i = 0; i < (kPacked ? 1 : MR); ++i) x[i] = t.x + i * t.row + k0 * (kPacked ? MR : 1);
  const auto add = [&](int64_t k, const V* w) __attribute__((always_inline)) {
    if constexpr (kKeep) {
      Store(keep + k * kPanel, w[0]);
      Store(keep + k * kPanel + 16, w[1]);
    }
#pragma GCC unroll 12
    for (int i = 0; i < MR; ++i) {
      const V xi = Set1(kPacked ? x[0][k * MR + i] : x[kPacked ? 0 : i][k]);
#pragma GCC unroll 4
      for (int j = 0; j < 2 * NP; ++j) acc[i][j] = Fma(xi, w[j], acc[i][j]);
    }
  };
  if constexpr (kFormat.quantised) {
    Reader<T> reader[NP];
    for (int64_t k = 0; k < count; k += kBlock) {
#pragma GCC unroll 2
      for (int n = 0; n < NP; ++n) reader[n].Begin(panel + static_cast<size_t>(n) * panel_bytes, k0 + k);
      for (int64_t q = 0; q < kBlock / kQuad; ++q) {
#pragma GCC unroll 2
        for (int n = 0; n < NP; ++n) reader[n].Next(q);
#pragma GCC unroll 4
        for (int i = 0; i < kQuad; ++i) {
          V w[2 * NP];
#pragma GCC unroll 2
          for (int n = 0; n < NP; ++n) reader[n].Get(q, i, w[2 * n], w[2 * n + 1]);
          add(k + kQuad * q + i, w);
        }
      }
    }
  } else {
    const std::byte* p = panel + static_cast<size_t>(k0) * kPanel * kFormat.element;
    for (int64_t k = 0; k < count; ++k, p += kPanel * kFormat.element) {
      V w[2 * NP];
#pragma GCC unroll 2
      for (int n = 0; n < NP; ++n) {
        w[2 * n] = LoadPlain<T>(p + static_cast<size_t>(n) * panel_bytes);
        w[2 * n + 1] = LoadPlain<T>(p + static_cast<size_t>(n) * panel_bytes + 16 * kFormat.element);
      }
      add(k, w);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
    if (i >= t.rows) break;
#pragma GCC unroll 4
    for (int j = 0; j < 2 * NP; ++j) StoreN(y + i * y_row + 16 * j, acc[i][j], cols - 16 * j);
  }
}

// A kernel for each row count would not pay for its code: some tiles are filled up with rows of zeros.
inline int64_t DirectWidth(int64_t rows) { return rows <= 4 ? rows : rows <= 6 ? 6 : rows <= 9 ? Larger(8, rows) : 12; }

template <DType T, bool kKeep>
void DirectTile(int64_t width, const std::byte* panel, size_t panel_bytes, int64_t panels, const RowTile& t, int64_t k0,
                int64_t count, bool accumulate, float* keep, float* y, int64_t y_row, int64_t cols) {
  const auto run = [&]<int MR, int NP>() {
    DirectPanels<MR, NP, T, kKeep>(panel, panel_bytes, t, k0, count, accumulate, keep, y, y_row, cols);
  };
  if constexpr (kKeep) {
    return width == 8 ? run.template operator()<8, 1>() : run.template operator()<12, 1>();
  } else {
    switch (width) {
      case 1: return panels == 2 ? run.template operator()<1, 2>() : run.template operator()<1, 1>();
      case 2: return run.template operator()<2, 1>();
      case 3: return run.template operator()<3, 1>();
      case 4: return run.template operator()<4, 1>();
      default: break;
    }
    if constexpr (kDirectRows > 4) {
      switch (width) {
        case 6: return run.template operator()<6, 1>();
        case 8: return run.template operator()<8, 1>();
        case 9: return run.template operator()<9, 1>();
        default: return run.template operator()<12, 1>();
      }
    }
  }
}

// The rows of a call as tiles, packed in scratch where they are read so.
class FewRowTiles {
 public:
  FewRowTiles(const FewRows& g, float* packed) : strided_(g.m <= kStridedRows && g.m <= kDirectRows) {
    if (strided_) {
      Add({g.x, g.x_row, 1, 0, g.m}, DirectWidth(g.m));
      return;
    }
    Product rows;
    rows.x = g.x;
    rows.x_row = g.x_row;
    const auto add = [&](int64_t count, int64_t width) {
      PackTileOfRows(rows, done_, count, width, 0, g.inner, packed);
      Add({packed, 1, width, done_, count}, width);
      packed += width * g.inner;
    };
    if (g.m <= kDirectRows) {
      add(g.m, DirectWidth(g.m));
      return;
    }
    if constexpr (kDirectRows > 4) {
      const int64_t width = g.m <= 16 ? 8 : 12;
      add(width, width);
    }
    // The rest in even tiles.
    for (int64_t tiles = DivideUp(g.m - done_, kTileRows); tiles > 0; --tiles) {
      const int64_t rest = DivideUp(g.m - done_, tiles);
      add(rest, rest);
    }
  }
  bool strided() const { return strided_; }
  int count() const { return count_; }
  const RowTile& tile(int i) const { return tiles_[i]; }
  int64_t width(int i) const { return widths_[i]; }

 private:
  void Add(const RowTile& tile, int64_t width) {
    tiles_[count_] = tile;
    widths_[count_++] = width;
    done_ += tile.rows;
  }
  bool strided_;
  int count_ = 0;
  int64_t done_ = 0;
  RowTile tiles_[cpu::kFewRows / kTileRows + 2];
  int64_t widths_[cpu::kFewRows / kTileRows + 2];
};

// Panels [p, p + panels) of a weight for all rows.
template <DType T>
void WeightPanels(const FewRows& g, const FewRowsPart& part, const FewRowTiles& tiles, int64_t p, int64_t panels,
                  float* keep) {
  constexpr Format kFormat = FormatOf(T);
  const size_t panel_bytes = cpu::PanelBytes(kFormat, g.inner);
  const std::byte* panel = part.weight + static_cast<size_t>(p) * panel_bytes;
  float* y = part.y + p * kPanel;
  const int64_t cols = Smaller(panels * kPanel, part.out - p * kPanel);
  if (g.m <= kDirectRows) {
    return DirectTile<T, false>(tiles.width(0), panel, panel_bytes, panels, tiles.tile(0), 0, g.inner, false, nullptr,
                                y, part.y_row, cols);
  }
  // An even cut of the inner dimension in multiples of 32, so that the panel's floats fit their place.
  const int64_t cuts = Larger(1, DivideUp(g.inner, cpu::kInnerBlock));
  const int64_t inner_block = Larger(kBlock, DivideUp(DivideUp(g.inner, cuts), kBlock) * kBlock);
  for (int64_t k0 = 0; k0 < g.inner; k0 += inner_block) {
    const int64_t count = Smaller(inner_block, g.inner - k0);
    const float* floats = keep;
    int i = 0;
    if constexpr (T == DType::kF32) {
      floats = reinterpret_cast<const float*>(panel) + k0 * kPanel;
    } else if constexpr (kDirectRows > 4) {
      DirectTile<T, true>(tiles.width(0), panel, panel_bytes, 1, tiles.tile(0), k0, count, k0 > 0, keep, y, part.y_row,
                          cols);
      i = 1;
    } else {
      UnpackRun<T>(panel, k0, count, keep);
    }
    for (; i < tiles.count(); ++i) {
      const RowTile& t = tiles.tile(i);
      const int64_t width = tiles.width(i);
      kTiles[width - 1](t.x + k0 * width, width, floats, kPanel, count, k0 > 0, y + t.first * part.y_row, part.y_row,
                        cols);
    }
  }
}

inline void PrefetchRow(const float* p, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(p + i, 0, 2);
}

// u = x A^T of one part, by one thread.
void LoraInput(const FewRows& g, const FewRowsPart& part, const FewRowTiles& tiles, float* tile) {
  // A is not in any cache and there is nothing to do meanwhile, so all of it is asked for at once.
  for (int64_t k = 0; k < g.inner; ++k) PrefetchRow(part.a_t + k * part.a_row, part.rank);
  Product u;
  u.inner = g.inner;
  u.m = g.m;
  u.n = part.rank;
  u.b.plain = part.a_t;
  u.b.stride = part.a_row;
  for (int64_t p = 0; p < DivideUp(part.rank, kPanel); ++p) {
    const int64_t cols = Smaller(kPanel, part.rank - p * kPanel);
    for (int64_t k0 = 0; k0 < g.inner; k0 += cpu::kInnerBlock) {
      const int64_t count = Smaller(cpu::kInnerBlock, g.inner - k0);
      int64_t stride;
      const float* b = PanelOf(u, p, k0, count, tile, stride);
      for (int i = 0; i < tiles.count(); ++i) {
        const RowTile& t = tiles.tile(i);
        float* to = part.u + t.first * part.u_row + p * kPanel;
        if (tiles.strided()) {  // one row at a time
          for (int64_t r = 0; r < t.rows; ++r) {
            kTiles[0](t.x + r * t.row + k0, 1, b, stride, count, k0 > 0, to + r * part.u_row, part.u_row, cols);
          }
        } else {
          for (int64_t r = 0; r < t.rows; r += kTileRows) {
            const int64_t rows = Smaller(kTileRows, t.rows - r), width = tiles.width(i);
            kTiles[rows - 1](t.x + k0 * width + r, width, b, stride, count, k0 > 0, to + r * part.u_row, part.u_row,
                             cols);
          }
        }
      }
    }
  }
}

// y += (scale u) B^T for panel p; `rows` is scale u, packed as tiles of kTileRows.
void LoraOutput(const FewRows& g, const FewRowsPart& part, const float* rows, int64_t p, float* tile) {
  Product y;
  y.m = g.m;
  y.n = part.out;
  y.b.plain = part.b_t;
  y.b.stride = part.b_row;
  int64_t stride;
  const float* b = PanelOf(y, p, 0, part.rank, tile, stride);
  const int64_t cols = Smaller(kPanel, part.out - p * kPanel);
  for (int64_t r = 0; r < g.m; r += kTileRows) {
    const int64_t width = Smaller(kTileRows, g.m - r);
    kTiles[width - 1](rows + r * part.rank, width, b, stride, part.rank, true, part.y + r * part.y_row + p * kPanel,
                      part.y_row, cols);
  }
}

void RunFewRows(const FewRows& g, FewRowsProgress* progress, std::byte* scratch) {
  float* packed = reinterpret_cast<float*>(scratch);
  float* tile = packed + kPackedRows + 12 * kInnerBlock;
  const FewRowTiles tiles(g, packed);
  int64_t end_of[cpu::kFewRowsParts + 1] = {0};  // items: the u of each part, then panels
  for (int i = 0; i < g.parts_count; ++i) end_of[i + 1] = end_of[i] + DivideUp(g.parts[i].out, kPanel);
  const int64_t inputs = g.lora ? g.parts_count : 0, items = inputs + end_of[g.parts_count];
  const int64_t pair = g.m == 1 ? 2 : 1;
  float lora_rows[cpu::kFewRows * cpu::kFewRowsMaxRank + 16];
  int lora_part = -1;
  for (;;) {
    // Large pieces first, then smaller ones, so that no thread waits long for the last.
    const int64_t seen = __atomic_load_n(&progress->next, __ATOMIC_RELAXED);
    const int64_t take = seen < inputs ? 1 : Larger(pair, (items - seen) / (2 * g.threads));
    const int64_t begin = __atomic_fetch_add(&progress->next, take, __ATOMIC_RELAXED);
    const int64_t end = Smaller(items, begin + take);
    if (begin >= items) return;
    for (int64_t item = begin; item < end;) {
      if (item < inputs) {
        if (g.parts[item].rank > 0) LoraInput(g, g.parts[item], tiles, tile);
        __atomic_store_n(&progress->ready[item], 1, __ATOMIC_RELEASE);
        ++item;
        continue;
      }
      int part_index = 0;
      while (item - inputs >= end_of[part_index + 1]) ++part_index;
      const FewRowsPart& part = g.parts[part_index];
      const int64_t p = item - inputs - end_of[part_index];
      const int64_t panels = Smaller(pair, Smaller(end - item, end_of[part_index + 1] - end_of[part_index] - p));
      for (int64_t r = 0; r < part.rank; ++r) {  // rows of B^T lie a page apart; they come while the weight is read
        PrefetchRow(part.b_t + r * part.b_row + p * kPanel, Smaller(panels * kPanel, part.out - p * kPanel));
      }
      WithType(part.dtype, [&]<DType T>() { WeightPanels<T>(g, part, tiles, p, panels, tile); });
      for (int64_t n = p; n < p + panels; ++n) {
        AddBias(part.bias, part.y, part.y_row, part.out, 0, g.m, n);
        if (part.rank == 0) continue;
        if (lora_part != part_index) {
          // Whoever computes u took it before any panel was given out.
          cpu::WaitUntilSet(&progress->ready[part_index]);
          Product u;
          u.x = part.u;
          u.x_row = part.u_row;
          u.x_scale = part.scale;
          PackRows(u, 0, g.m, 0, part.rank, lora_rows);
          lora_part = part_index;
        }
        LoraOutput(g, part, lora_rows, n, tile);
      }
      item += panels;
    }
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
