// Y (+)= X B with B a packed weight, its transpose, or a plain matrix: linear layers, LoRA, and all their gradients.
// Every element of Y is one chain of fused multiply-adds over the inner dimension in index order, so its bits do not
// depend on the number of rows, on the tiling, or on the threads: cutting the chain stores and reloads an F32.
// 1  a register tile of kTileRows rows x 32 columns over panels of B [inner][32]; X packed [inner][rows] once a row
//    block, because rows that lie a multiple of 4 KiB apart would evict each other from the L1
// 2  quantised panels are unpacked once a row block to a tile in the L2, and the F32 kernel runs on it; few rows have
//    kernels of their own (few_rows-inl.h)
// 3  cutting the inner dimension at 128 to keep unpacked panels in the L1 was slower than way 2 at every row count
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::Factor;
using cpu::kInnerBlock;
using cpu::kPackedRows;
using cpu::Product;

// y[i][0..NV*16) (+)= sum over k of x[k * xs + i] * b[k * bs ..]
template <int MR, int NV>
inline void TileKernel(const float* x, int64_t xs, const float* b, int64_t bs, int64_t inner, bool accumulate, float* y,
                       int64_t ys) {
  V acc[MR][NV];
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) acc[i][j] = accumulate ? Load(y + i * ys + 16 * j) : Zero();
  }
  for (int64_t k = 0; k < inner; ++k, x += xs, b += bs) {
    V w[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) w[j] = Load(b + 16 * j);
#pragma GCC unroll 12
    for (int i = 0; i < MR; ++i) {
      const V xi = Set1(x[i]);
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) acc[i][j] = Fma(xi, w[j], acc[i][j]);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < MR; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) Store(y + i * ys + 16 * j, acc[i][j]);
  }
}

// The same for 1..32 columns; b has 16-column groups whole.
template <int MR>
void TileRows(const float* x, int64_t xs, const float* b, int64_t bs, int64_t inner, bool accumulate, float* y,
              int64_t ys, int64_t cols) {
  if constexpr (kTileVectors == 2) {
    if (cols == 32) return TileKernel<MR, 2>(x, xs, b, bs, inner, accumulate, y, ys);
  }
  for (int64_t c = 0; c < cols; c += 16) {
    if (cols - c >= 16) {
      TileKernel<MR, 1>(x, xs, b + c, bs, inner, accumulate, y + c, ys);
    } else {
      float edge[MR][16];
      for (int i = 0; i < MR && accumulate; ++i) Store(edge[i], LoadN(y + i * ys + c, cols - c));
      TileKernel<MR, 1>(x, xs, b + c, bs, inner, accumulate, edge[0], 16);
      for (int i = 0; i < MR; ++i) StoreN(y + i * ys + c, Load(edge[i]), cols - c);
    }
  }
}

using TileFunction = void (*)(const float*, int64_t, const float*, int64_t, int64_t, bool, float*, int64_t, int64_t);
#if defined(RLVR_ISA_AVX512)
constexpr TileFunction kTiles[kTileRows] = {TileRows<1>, TileRows<2>,  TileRows<3>,  TileRows<4>,
                                            TileRows<5>, TileRows<6>,  TileRows<7>,  TileRows<8>,
                                            TileRows<9>, TileRows<10>, TileRows<11>, TileRows<12>};
#elif defined(RLVR_ISA_AVX2)
constexpr TileFunction kTiles[kTileRows] = {TileRows<1>, TileRows<2>, TileRows<3>,
                                            TileRows<4>, TileRows<5>, TileRows<6>};
#else
constexpr TileFunction kTiles[kTileRows] = {TileRows<1>, TileRows<2>};
#endif

// Rows [first, first + rows) and inputs [k0, k0 + count) of X as one tile [count][width]; rows up to width are zero.
// May write up to 15 elements past its end.
inline void PackTileOfRows(const Product& g, int64_t first, int64_t rows, int64_t width, int64_t k0, int64_t count,
                           float* to) {
  const float* from = g.x + first * g.x_row + k0 * g.x_inner;
  const V scale = Set1(g.x_scale);
  int64_t k = 0;
  // Stores of 16 lanes run over into the next inputs' places, which are written after them.
  if (g.x_inner == 1 && width > 1) {
    for (; k + 16 <= count; k += 16) {
      V block[16];
      for (int64_t i = 0; i < 16; ++i) block[i] = i < rows ? Mul(Load(from + i * g.x_row + k), scale) : Zero();
      Transpose16(block);
      for (int64_t i = 0; i < 16; ++i) Store(to + (k + i) * width, block[i]);
    }
  } else if (g.x_row == 1 && width == rows) {  // columns of a matrix: an input's rows lie together
    for (; k + 16 < count; ++k) Store(to + k * width, Mul(LoadN(from + k * g.x_inner, width), scale));
  }
  for (; k < count; ++k) {
    for (int64_t i = 0; i < width; ++i) {
      to[k * width + i] = i < rows ? g.x_scale * from[i * g.x_row + k * g.x_inner] : 0.0f;
    }
  }
}

// The same as tiles of kTileRows; the last one is narrower.
inline void PackRows(const Product& g, int64_t first, int64_t rows, int64_t k0, int64_t count, float* to) {
  for (int64_t r = 0; r < rows; r += kTileRows) {
    const int64_t width = Smaller(kTileRows, rows - r);
    PackTileOfRows(g, first + r, width, width, k0, count, to);
    to += count * width;
  }
}

// Columns of panel p and inputs [k0, k0 + count) of B, `stride` elements from one input to the next; `tile` is used
// where B does not lie so already.
inline const float* PanelOf(const Product& g, int64_t p, int64_t k0, int64_t count, float* tile, int64_t& stride) {
  const Factor& b = g.b;
  stride = kPanel;
  if (b.kind == Factor::Kind::kPacked) {
    const Format f = FormatOf(b.dtype);
    const std::byte* panel = b.packed + static_cast<size_t>(p) * cpu::PanelBytes(f, b.in);
    if (!f.quantised && f.element == 4) return reinterpret_cast<const float*>(panel) + k0 * kPanel;
    Unpack(b.dtype, panel, k0, count, tile);
    return tile;
  }
  if (b.kind == Factor::Kind::kPlain) {
    const int64_t cols = Smaller(kPanel, g.n - p * kPanel);
    const float* from = b.plain + k0 * b.stride + p * kPanel;
    if (cols % 16 == 0 && (g.m <= 2 * kTileRows || b.stride <= kPanel)) {  // a copy would be used too seldom
      stride = b.stride;
      return from;
    }
    for (int64_t k = 0; k < count; ++k, from += b.stride) {
      Store(tile + k * kPanel, cols >= 16 ? Load(from) : LoadN(from, cols));
      Store(tile + k * kPanel + 16, cols == 32 ? Load(from + 16) : LoadN(from + (cols > 16 ? 16 : 0), cols - 16));
    }
    return tile;
  }
  // W itself: inner = outputs, columns = inputs [32 p, + 32). k0 is a multiple of 32.
  const size_t panel_bytes = cpu::PanelBytes(FormatOf(b.dtype), b.in);
  float* square = tile + kInnerBlock * kPanel;
  const int64_t inputs = Smaller(kBlock, b.in - p * kPanel);
  for (int64_t i = inputs * kPanel; i < kBlock * kPanel; ++i) square[i] = 0;
  for (int64_t k = 0; k < count; k += kPanel) {
    Unpack(b.dtype, b.packed + static_cast<size_t>((k0 + k) / kPanel) * panel_bytes, p * kPanel, inputs, square);
    Transpose32(square, tile + k * kPanel, kPanel);
  }
  return tile;
}

// Panel p of y, rows [first, first + rows).
inline void AddBias(const float* bias, float* y, int64_t y_row, int64_t n, int64_t first, int64_t rows, int64_t p) {
  if (bias == nullptr) return;
  const int64_t begin = p * kPanel, end = Smaller(n, begin + kPanel);
  for (int64_t r = first; r < first + rows; ++r) {
    for (int64_t j = begin; j < end; ++j) y[r * y_row + j] += bias[j];
  }
}

void RunProduct(const Product& g, int64_t* next_item, std::byte* scratch) {
  float* packed = reinterpret_cast<float*>(scratch);
  float* tile = packed + kPackedRows + 12 * kInnerBlock;
  const int64_t panels = DivideUp(g.n, kPanel), items = DivideUp(g.m, g.row_block) * panels;
  // An even cut of the inner dimension in multiples of 32.
  const int64_t cuts = Larger(1, DivideUp(g.inner, kInnerBlock));
  const int64_t inner_block = Larger(kBlock, DivideUp(DivideUp(g.inner, cuts), kBlock) * kBlock);
  int64_t packed_first = -1, packed_k0 = -1;
  for (;;) {
    // Large pieces first, then smaller ones, so that no thread waits long for the last.
    const int64_t seen = __atomic_load_n(next_item, __ATOMIC_RELAXED);
    const int64_t take = Larger(1, (items - seen) / (2 * g.threads));
    int64_t item = __atomic_fetch_add(next_item, take, __ATOMIC_RELAXED);
    const int64_t end = Smaller(items, item + take);
    if (item >= items) return;
    while (item < end) {
      const int64_t first = item / panels * g.row_block, rows = Smaller(g.row_block, g.m - first);
      const int64_t p0 = item % panels, p1 = Smaller(panels, p0 + end - item);
      item += p1 - p0;
      // With an empty inner dimension the loop still runs once, to write zeros and the bias.
      for (int64_t k0 = 0; k0 == 0 || k0 < g.inner; k0 += inner_block) {
        const int64_t count = Smaller(inner_block, g.inner - k0);
        if (packed_first != first || packed_k0 != k0) PackRows(g, first, rows, k0, count, packed);
        packed_first = first;
        packed_k0 = k0;
        for (int64_t p = p0; p < p1; ++p) {
          int64_t stride;
          const float* b = PanelOf(g, p, k0, count, tile, stride);
          const int64_t cols = Smaller(kPanel, g.n - p * kPanel);
          for (int64_t r = 0; r < rows; r += kTileRows) {
            const int64_t width = Smaller(kTileRows, rows - r);
            kTiles[width - 1](packed + r * count, width, b, stride, count, g.accumulate || k0 > 0,
                              g.y + (first + r) * g.y_row + p * kPanel, g.y_row, cols);
          }
          if (k0 + count >= g.inner) AddBias(g.bias, g.y, g.y_row, g.n, first, rows, p);
        }
      }
    }
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
