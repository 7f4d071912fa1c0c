// The attention ops: checks, arguments, and which kernels run.
//
// Rows of spans with few rows are decoded (attention_decode.cu), all others go through attention_forward.cu; which one
// is decided by the span and its ancestors alone.
#include <vector>

#include "backends/cuda/attention_args.h"
#include "backends/cuda/cuda_backend.h"

namespace rlvr::cuda {

namespace {

constexpr int64_t kHeadStep = 16;  // of mma
constexpr int64_t kWidestHead = 256;

// Rows that 16-byte accesses may start at any head of.
Rows RowsOf(const Tensor& t, const char* what) {
  RLVR_CHECK(t.dtype() == DType::kBF16 && t.stride() % 8 == 0 && reinterpret_cast<uintptr_t>(t.data()) % 16 == 0, what,
             " of ", Info(t.dtype()).name, ", ", t.stride(), " elements a row, at ", t.data());
  return {static_cast<const Bf16*>(t.data()), t.stride()};
}

OutRows OutRowsOf(const Tensor& t, const char* what) {
  const Rows rows = RowsOf(t, what);
  return {const_cast<Bf16*>(rows.data), rows.stride};
}

bool IsFp8(const KvView& kv) {
  const bool is_fp8 = Info(kv.k.dtype()).block_bytes == 1;
  RLVR_CHECK(kv.k.contiguous() && kv.v.contiguous() && kv.k.dtype() == kv.v.dtype());
  RLVR_CHECK(is_fp8 || kv.k.dtype() == DType::kBF16, "pages of ", Info(kv.k.dtype()).name);
  return is_fp8;
}

const AttentionBatch& Begun(const AttentionScratch& scratch, const SpanView& batch) {
  RLVR_CHECK(scratch.batch.Is(batch), "BeginBatch was not called for this batch");
  return scratch.batch;
}

// Scores as exponents of powers of two: the kernels use exp2.
ScoreRule RuleOf(const AttentionParams& params) {
  constexpr double kLog2E = 1.4426950408889634;
  if (params.softcap > 0) {
    return {static_cast<float>(params.scale / params.softcap), static_cast<float>(params.softcap * kLog2E)};
  }
  return {static_cast<float>(params.scale * kLog2E), 0};
}

AttentionArgs ArgsOf(const Tensor& q, const KvView& kv, const AttentionBatch& batch, const AttentionParams& params,
                     const Tensor& out, const Tensor& lse) {
  RLVR_CHECK(kv.head_dim > 0 && kv.head_dim % kHeadStep == 0 && kv.head_dim <= kWidestHead, "heads of ", kv.head_dim);
  RLVR_CHECK(kv.kv_heads > 0 && params.heads % kv.kv_heads == 0, params.heads, " heads, ", kv.kv_heads, " KV heads");
  RLVR_CHECK(q.rows() == batch.view.rows && q.cols() == params.heads * kv.head_dim);
  RLVR_CHECK(out.rows() == q.rows() && out.cols() == q.cols());
  RLVR_CHECK(!lse.defined() || (lse.dtype() == DType::kF32 && lse.rows() == q.rows() && lse.cols() == params.heads));
  AttentionArgs args = {};
  args.q = RowsOf(q, "q");
  args.k = kv.k.data();
  args.v = kv.v.data();
  args.out = OutRowsOf(out, "out");
  args.lse = static_cast<float*>(lse.data());
  args.lse_stride = lse.stride();
  args.heads = static_cast<int>(params.heads);
  args.kv_heads = static_cast<int>(kv.kv_heads);
  args.group = static_cast<int>(params.heads / kv.kv_heads);
  args.dim = static_cast<int>(kv.head_dim);
  args.window = static_cast<int>(params.window);
  args.rule = RuleOf(params);
  args.batch = batch.device;
  return args;
}

}  // namespace

void CudaBackend::UploadBatch(const SpanView& batch) {
  AttentionScratch& scratch = scratch_.attention;
  RLVR_CHECK(scratch.lists != nullptr, "a batch before the workspace");
  std::vector<std::byte> upload;
  scratch.batch = PlanAttention(batch, scratch.lists, scratch.list_bytes, upload);
  if (!upload.empty()) memory_->Upload(upload.data(), scratch.lists, upload.size());
}

void CudaBackend::WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) {
  const AttentionBatch& begun = Begun(scratch_.attention, batch);
  RLVR_CHECK(k.rows() == batch.rows && v.rows() == batch.rows);
  RLVR_CHECK(k.cols() == kv.kv_heads * kv.head_dim && v.cols() == k.cols() && kv.head_dim % kHeadStep == 0);
  LaunchWriteKv(RowsOf(k, "k"), RowsOf(v, "v"), kv, IsFp8(kv), begun, stream_);
}

void CudaBackend::Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                            const Tensor& out, const Tensor& lse) {
  const AttentionBatch& begun = Begun(scratch_.attention, batch);
  const AttentionArgs args = ArgsOf(q, kv, begun, params, out, lse);
  LaunchManyRows(args, begun, IsFp8(kv), stream_);
  LaunchDecode(args, scratch_.attention, IsFp8(kv), stream_);
}

void CudaBackend::AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                    const AttentionParams& params, const Tensor& out, const Tensor& lse,
                                    const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  const AttentionBatch& begun = Begun(scratch_.attention, batch);
  RLVR_CHECK(!begun.has_history, "a gradient needs every key's row in the batch");
  RLVR_CHECK(lse.defined() && !IsFp8(kv), "the backward needs the log-sum-exp of the forward, and BF16 pages");
  RLVR_CHECK(dout.rows() == q.rows() && dq.rows() == q.rows() && dout.cols() == q.cols() && dq.cols() == q.cols());
  RLVR_CHECK(dk.rows() == q.rows() && dv.rows() == q.rows() && dk.cols() == kv.kv_heads * kv.head_dim &&
             dv.cols() == dk.cols());
  AttentionGradArgs args = {};
  args.forward = ArgsOf(q, kv, begun, params, out, lse);
  args.dout = RowsOf(dout, "dout");
  args.out_products = scratch_.attention.out_products;
  args.dq = OutRowsOf(dq, "dq");
  args.dk = OutRowsOf(dk, "dk");
  args.dv = OutRowsOf(dv, "dv");
  args.scale = static_cast<float>(params.scale);
  LaunchOutProducts(args, batch.rows, stream_);
  LaunchQueryGrads(args, begun, stream_);
  LaunchKeyGrads(args, begun, stream_);
}

}  // namespace rlvr::cuda
