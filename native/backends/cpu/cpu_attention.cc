// Attention ops: arguments, checks, threads.
#include <algorithm>

#include "backends/cpu/cpu_backend.h"

namespace rlvr::cpu {

namespace {

AttentionArgs MakeArgs(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                       const Tensor& out, const Tensor& lse) {
  RLVR_CHECK(q.rows() == batch.rows && q.cols() == params.heads * kv.head_dim);
  RLVR_CHECK(kv.kv_heads > 0 && params.heads % kv.kv_heads == 0, params.heads, " heads, ", kv.kv_heads, " KV heads");
  RLVR_CHECK(kv.k.contiguous() && kv.v.contiguous());
  for (int64_t s = 0; s < batch.count; ++s) {
    int depth = 1;
    for (int32_t p = batch.spans[s].parent; p >= 0; p = batch.spans[p].parent) ++depth;
    RLVR_CHECK(depth <= kMaxDepth, "a span tree of depth ", depth);
  }
  AttentionArgs args;
  const Floats query = View(q), result = View(out), sums = View(lse);
  args.q = query.data;
  args.q_row = query.stride;
  args.k_pages = View(kv.k).data;
  args.v_pages = View(kv.v).data;
  args.batch = batch;
  args.heads = params.heads;
  args.kv_heads = kv.kv_heads;
  args.head_dim = kv.head_dim;
  args.scale = static_cast<float>(params.scale);
  args.softcap = static_cast<float>(params.softcap);
  args.window = params.window;
  args.out = result.data;
  args.out_row = result.stride;
  args.lse = sums.data;
  args.lse_row = sums.stride;
  return args;
}

// Cuts the rows into items of a register tile of vectors or more, four for a thread when there are so many. A group of
// heads stays together: cutting it where one sequence leaves a thread idle brought nothing, as its keys are read twice.
void PlanItems(AttentionArgs& args, int64_t tile, int64_t threads) {
  args.item_heads = std::min(args.heads / args.kv_heads, kItemVectors);
  const int64_t vectors = std::clamp(args.batch.rows * args.heads / (4 * threads), tile, kItemVectors);
  args.item_rows = std::max<int64_t>(vectors / args.item_heads, 1);
}

}  // namespace

void CpuBackend::WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) {
  const Floats keys = View(k), values = View(v);
  const int64_t dim = kv.head_dim;
  RLVR_CHECK(k.rows() == batch.rows && k.cols() == kv.kv_heads * dim && v.cols() == k.cols());
  float *k_pages = View(kv.k).data, *v_pages = View(kv.v).data;
  const auto write = [&](const Span& span, int64_t j) {
    const int64_t key = span.keys_before + j, row = span.first_row + j;
    const int64_t page = batch.pages[span.first_page + key / kKvBlock], slot = key % kKvBlock;
    for (int64_t h = 0; h < kv.kv_heads; ++h) {
      float* column = k_pages + (page * kv.kv_heads + h) * dim * kKvBlock + slot;
      const float* from = keys.Row(row) + h * dim;
      for (int64_t d = 0; d < dim; ++d) column[d * kKvBlock] = from[d];
      std::memcpy(v_pages + ((page * kv.kv_heads + h) * kKvBlock + slot) * dim, values.Row(row) + h * dim,
                  static_cast<size_t>(dim) * sizeof(float));
    }
  };
  Split(batch.rows, 16 * batch.rows * k.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t s = 0; s < batch.count; ++s) {
      const Span& span = batch.spans[s];
      const int64_t from = std::max<int64_t>(begin - span.first_row, 0);
      const int64_t to = std::min<int64_t>(end - span.first_row, span.rows);
      for (int64_t j = from; j < to; ++j) write(span, j);
    }
  });
}

void CpuBackend::Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                           const Tensor& out, const Tensor& lse) {
  AttentionArgs args = MakeArgs(q, kv, batch, params, out, lse);
  RLVR_CHECK(kv.head_dim <= limits_.head_dim && scratch_ != nullptr, "a workspace for heads of ", kv.head_dim);
  PlanItems(args, kernels_.tile_rows, pool_.threads());
  int64_t next = 0;
  pool_.ParallelFor(pool_.threads(),
                    [&](int64_t, int64_t, int thread) { kernels_.attention(args, &next, Scratch(thread)); });
}

void CpuBackend::AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                   const AttentionParams& params, const Tensor& out, const Tensor& lse,
                                   const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  AttentionArgs args = MakeArgs(q, kv, batch, params, out, lse);
  RLVR_CHECK(kv.head_dim <= limits_.head_dim && scratch_ != nullptr, "a workspace for heads of ", kv.head_dim);
  RLVR_CHECK(lse.defined(), "the backward needs the log-sum-exp of the forward");
  const Floats gradient = View(dout), query = View(dq), keys = View(dk), values = View(dv);
  args.dout = gradient.data;
  args.dout_row = gradient.stride;
  args.dq = query.data;
  args.dq_row = query.stride;
  args.dk = keys.data;
  args.dk_row = keys.stride;
  args.dv = values.data;
  args.dv_row = values.stride;
  const int64_t threads = pool_.threads();
  PlanItems(args, kernels_.tile_rows, threads);
  int64_t trees = 0;
  for (int64_t s = 0; s < batch.count; ++s) trees += batch.spans[s].parent < 0;
  args.whole_trees = trees * args.kv_heads / threads * threads;
  int64_t next_items[3] = {};
  pool_.ParallelFor(
      threads, [&](int64_t, int64_t, int thread) { kernels_.attention_backward(args, next_items, Scratch(thread)); });
}

}  // namespace rlvr::cpu
