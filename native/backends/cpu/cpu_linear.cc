// Linear layers, embeddings and LoRA: which product each is, and how its items are split over threads.
#include <algorithm>
#include <atomic>

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/pack.h"
#include "backends/cpu/weight_layout.h"

namespace rlvr::cpu {

size_t CpuBackend::PackedBytes(DType dtype, int64_t out, int64_t in) const { return cpu::PackedBytes(dtype, out, in); }

void CpuBackend::Pack(const WeightSource& source, PackedWeight& w) { cpu::Pack(pool_, source, w); }

// Rows of an item: as many as fit the packed rows beside their inner block, fewer when that leaves threads idle.
void CpuBackend::PlanRows(Product& product, int threads) const {
  const int64_t tile = kernels_.tile_rows;
  const int64_t inner = std::clamp<int64_t>((product.inner + kBlock - 1) / kBlock * kBlock, kBlock, kInnerBlock);
  int64_t rows = std::max(tile, kPackedRows / inner / tile * tile);
  const int64_t items = 4 * threads;  // enough that the last one out is not waited for long
  const int64_t panels = Panels(product.n);
  if (threads > 1 && panels < items) {
    const int64_t blocks = (items + panels - 1) / panels;
    rows = std::min(rows, std::max(tile, (product.m / blocks + tile - 1) / tile * tile));
  }
  // Few rows stay one item whatever the register tile: they may be unpacked for all at once.
  product.row_block = product.m <= kFewRows ? product.m : rows;
}

void CpuBackend::Multiply(Product product) {
  if (product.m == 0 || product.n == 0) return;
  RLVR_CHECK(scratch_ != nullptr, "an op before SetWorkspace()");
  constexpr int64_t kWorthHandingOut = 128 * 1024;  // multiply-adds: about three microseconds
  const bool alone = pool_.threads() == 1 || product.m * product.n * product.inner < kWorthHandingOut;
  if (alone) return MultiplyHere(product, Scratch(0));
  PlanRows(product, pool_.threads());
  const int64_t blocks = (product.m + product.row_block - 1) / product.row_block;
  const int64_t items = blocks * Panels(product.n);
  // Groups of items are taken as threads come free: a core may be shared with other programs. Every group packs its
  // rows again, so few rows, whose packing weighs more, make fewer groups.
  const int64_t groups = std::min(items, int64_t{pool_.threads()} * (product.m <= kFewRows ? 2 : 4));
  std::atomic<int64_t> next{0};
  pool_.ParallelFor(std::min<int64_t>(pool_.threads(), groups), [&](int64_t, int64_t, int thread) {
    for (int64_t g; (g = next.fetch_add(1, std::memory_order_relaxed)) < groups;) {
      kernels_.product(product, items * g / groups, items * (g + 1) / groups, Scratch(thread));
    }
  });
}

void CpuBackend::MultiplyHere(Product product, std::byte* scratch) const {
  PlanRows(product, 1);
  const int64_t blocks = (product.m + product.row_block - 1) / product.row_block;
  kernels_.product(product, 0, blocks * Panels(product.n), scratch);
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
