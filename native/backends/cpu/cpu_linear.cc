// Linear layers, embeddings and LoRA: which product each is, and how its items are split over threads.
#include <algorithm>
#include <array>
#include <thread>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/pack.h"
#include "backends/cpu/weight_layout.h"

namespace rlvr::cpu {

size_t CpuBackend::PackedBytes(DType dtype, int64_t out, int64_t in) const { return cpu::PackedBytes(dtype, out, in); }

void CpuBackend::Pack(const WeightSource& source, PackedWeight& w) { cpu::Pack(pool_, source, w); }

void WaitUntilSet(const int32_t* flag) {
  for (int spin = 0; __atomic_load_n(flag, __ATOMIC_ACQUIRE) == 0; ++spin) {
    if (spin > 1000) std::this_thread::yield();  // the core is shared: let the other thread have it
  }
}

namespace {
// Multiply-adds that are worth handing out: about three microseconds.
constexpr int64_t kWorthHandingOut = 128 * 1024;

// Rows that FewRows takes; three are for the zeros that fill up a tile.
bool AreFew(int64_t rows, int64_t inner) { return rows <= kFewRows && (rows + 3) * inner <= kPackedRows; }

FewRows FewRowsOf(const Product& product, FewRowsPart& part) {
  part.dtype = product.b.dtype;
  part.weight = product.b.packed;
  part.out = product.n;
  part.bias = product.bias;
  part.y = product.y;
  part.y_row = product.y_row;
  FewRows few;
  few.x = product.x;
  few.x_row = product.x_row;
  few.m = product.m;
  few.inner = product.inner;
  few.parts = &part;
  few.parts_count = 1;
  return few;
}

bool IsFewRows(const Product& product) {
  return product.b.kind == Factor::Kind::kPacked && !product.accumulate && product.x_inner == 1 &&
         product.x_scale == 1 && AreFew(product.m, product.inner);
}
}  // namespace

// Rows of an item: as many as fit the packed rows beside their inner block, fewer when that leaves threads idle.
void CpuBackend::PlanRows(Product& product, int threads) const {
  const int64_t tile = kernels_.tile_rows;
  const int64_t inner = std::clamp<int64_t>((product.inner + kBlock - 1) / kBlock * kBlock, kBlock, kInnerBlock);
  const int64_t rows = std::max(tile, kPackedRows / inner / tile * tile);
  int64_t blocks = (product.m + rows - 1) / rows;
  const int64_t items = 4 * threads;  // enough that the last one out is not waited for long
  const int64_t panels = Panels(product.n);
  if (threads > 1) blocks = std::max(blocks, (items + panels - 1) / panels);
  // Even blocks of whole tiles.
  product.row_block = std::max(tile, ((product.m + blocks - 1) / blocks + tile - 1) / tile * tile);
  product.threads = threads;
}

void CpuBackend::Multiply(Product product) {
  if (product.m == 0 || product.n == 0) return;
  RLVR_CHECK(scratch_ != nullptr, "an op before SetWorkspace()");
  const bool alone = pool_.threads() == 1 || product.m * product.n * product.inner < kWorthHandingOut;
  if (alone) return MultiplyHere(product, Scratch(0));
  if (IsFewRows(product)) {
    FewRowsPart part;
    return MultiplyFewRows(FewRowsOf(product, part));
  }
  PlanRows(product, pool_.threads());
  int64_t next_item = 0;
  pool_.ParallelFor(pool_.threads(),
                    [&](int64_t, int64_t, int thread) { kernels_.product(product, &next_item, Scratch(thread)); });
}

void CpuBackend::MultiplyHere(Product product, std::byte* scratch) const {
  if (IsFewRows(product)) {
    FewRowsPart part;
    FewRowsProgress progress;
    return kernels_.few_rows(FewRowsOf(product, part), &progress, scratch);
  }
  PlanRows(product, 1);
  int64_t next_item = 0;
  kernels_.product(product, &next_item, scratch);
}

void CpuBackend::MultiplyFewRows(FewRows rows) {
  int64_t work = 0;
  for (int i = 0; i < rows.parts_count; ++i) work += rows.m * rows.inner * rows.parts[i].out;
  FewRowsProgress progress;
  if (pool_.threads() == 1 || work < kWorthHandingOut) return kernels_.few_rows(rows, &progress, Scratch(0));
  rows.threads = pool_.threads();
  pool_.ParallelFor(pool_.threads(),
                    [&](int64_t, int64_t, int thread) { kernels_.few_rows(rows, &progress, Scratch(thread)); });
}

namespace {
// y (+)= scale * x b.
Product RowsTimes(const Floats& x, double scale, const Factor& b, const Floats& y, bool accumulate) {
  Product product;
  product.x = x.data;
  product.x_row = x.stride;
  product.x_scale = static_cast<float>(scale);
  product.m = x.rows;
  product.inner = x.cols;
  product.n = y.cols;
  product.b = b;
  product.y = y.data;
  product.y_row = y.stride;
  product.accumulate = accumulate;
  return product;
}

// y += scale * x^T b.
Product ColumnsTimes(const Floats& x, double scale, const Factor& b, const Floats& y) {
  Product product = RowsTimes(x, scale, b, y, true);
  product.x_row = 1;
  product.x_inner = x.stride;
  product.m = x.cols;
  product.inner = x.rows;
  return product;
}
}  // namespace

void CpuBackend::Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) {
  RLVR_CHECK(x.rows() == y.rows() && x.cols() == w.in && y.cols() == w.out);
  Product product = RowsTimes(View(x), 1, PackedFactor(w, false), View(y), false);
  product.bias = View(bias).data;
  Multiply(product);
}

void CpuBackend::Linears(const Tensor& x, std::span<const LinearPart> parts) {
  bool together = x.rows() > 0 && parts.size() <= kFewRowsParts && AreFew(x.rows(), x.cols());
  for (const LinearPart& part : parts) together = together && (!part.u.defined() || part.u.cols() <= kFewRowsMaxRank);
  if (!together) return Ops::Linears(x, parts);
  RLVR_CHECK(scratch_ != nullptr, "an op before SetWorkspace()");
  const Floats from = View(x);
  std::array<FewRowsPart, kFewRowsParts> few;
  FewRows rows;
  for (size_t i = 0; i < parts.size(); ++i) {
    const LinearPart& part = parts[i];
    RLVR_CHECK(x.rows() == part.y.rows() && x.cols() == part.weight.in && part.y.cols() == part.weight.out);
    const Floats y = View(part.y);
    few[i] = {part.weight.dtype, part.weight.data, y.cols, View(part.bias).data, y.data, y.stride};
    if (!part.u.defined()) continue;
    const Floats a_t = View(part.lora.a_t), b_t = View(part.lora.b_t), u = View(part.u);
    RLVR_CHECK(a_t.rows == x.cols() && a_t.cols == u.cols && b_t.rows == u.cols && b_t.cols == y.cols);
    RLVR_CHECK(u.rows == x.rows());
    few[i].rank = u.cols;
    few[i].a_t = a_t.data;
    few[i].a_row = a_t.stride;
    few[i].b_t = b_t.data;
    few[i].b_row = b_t.stride;
    few[i].scale = static_cast<float>(part.lora.scale);
    few[i].u = u.data;
    few[i].u_row = u.stride;
    rows.lora = rows.lora || u.cols > 0;
  }
  rows.x = from.data;
  rows.x_row = from.stride;
  rows.m = from.rows;
  rows.inner = from.cols;
  rows.parts = few.data();
  rows.parts_count = static_cast<int>(parts.size());
  MultiplyFewRows(rows);
}

void CpuBackend::LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) {
  RLVR_CHECK(dy.rows() == dx.rows() && dy.cols() == w.out && dx.cols() == w.in);
  Multiply(RowsTimes(View(dy), 1, PackedFactor(w, true), View(dx), accumulate));
}

void CpuBackend::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  RLVR_CHECK(dy.rows() == x.rows() && dw.rows() == dy.cols() && dw.cols() == x.cols());
  Multiply(ColumnsTimes(View(dy), 1, PlainFactor(View(x)), View(dw)));
}

void CpuBackend::Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) {
  RLVR_CHECK(x.cols() == lora.a_t.rows() && u.cols() == lora.a_t.cols() && y.cols() == lora.b_t.cols());
  Multiply(RowsTimes(View(x), 1, PlainFactor(View(lora.a_t)), View(u), false));
  Multiply(RowsTimes(View(u), lora.scale, PlainFactor(View(lora.b_t)), View(y), true));
}

void CpuBackend::LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora,
                              const Tensor& du, const Tensor& da, const Tensor& db, const Tensor& dx) {
  RLVR_CHECK(x.rows() == dy.rows() && u.rows() == dy.rows() && du.rows() == dy.rows());
  Multiply(RowsTimes(View(dy), lora.scale, PlainFactor(View(lora.b)), View(du), false));
  Multiply(ColumnsTimes(View(dy), lora.scale, PlainFactor(View(u)), View(db)));
  Multiply(ColumnsTimes(View(du), 1, PlainFactor(View(x)), View(da)));
  if (dx.defined()) Multiply(RowsTimes(View(du), 1, PlainFactor(View(lora.a)), View(dx), true));
}

void CpuBackend::Transpose(const Tensor& from, const Tensor& to) {
  RLVR_CHECK(from.rows() == to.cols() && from.cols() == to.rows());
  const Floats source = View(from), target = View(to);
  Split((to.rows() + 15) / 16, to.size(), [&](int64_t begin, int64_t end) {
    kernels_.transpose(source, target, begin * 16, std::min(end * 16, target.rows));
  });
}

void CpuBackend::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  RLVR_CHECK(ids.cols() == y.rows() && y.cols() == w.in);
  const int32_t* tokens = ids.I32();
  for (int64_t i = 0; i < ids.cols(); ++i) {
    RLVR_CHECK(tokens[i] >= 0 && tokens[i] < w.out, "token ", tokens[i], " of ", w.out);
  }
  const Floats to = View(y);
  Split(y.rows(), y.size() * 8, [&](int64_t begin, int64_t end) {
    kernels_.embed(PackedFactor(w, false), tokens, static_cast<float>(scale), to, begin, end);
  });
}

// Columns are split, so that a token that comes twice adds up its rows in order.
void CpuBackend::EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) {
  RLVR_CHECK(ids.cols() == dy.rows() && dy.cols() == dw.cols());
  const int32_t* tokens = ids.I32();
  const Floats from = View(dy), to = View(dw);
  Split((to.cols + 15) / 16, dy.size(), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * 16, count = std::min(end * 16, to.cols) - first;
    for (int64_t r = 0; r < from.rows; ++r) {
      RLVR_DCHECK(tokens[r] >= 0 && tokens[r] < to.rows);
      kernels_.axpy(static_cast<float>(scale), from.Row(r) + first, to.Row(tokens[r]) + first, count);
    }
  });
}

}  // namespace rlvr::cpu
