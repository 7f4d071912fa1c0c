#include "ops/op_call.h"

#include <algorithm>

#include "quant/codec.h"

namespace rlvr {

namespace {
double Bytes(const Tensor& t) {
  return static_cast<double>(BytesOf(t.dtype(), t.cols())) * static_cast<double>(t.rows());
}
double Product(double a, double b, double c) { return 2 * a * b * c; }

// Sum over i in [0, count) of min(first + i, limit): rows whose history grows by one key each.
double SumOfLengths(int64_t first, int64_t count, int64_t limit) {
  const int64_t growing = std::clamp<int64_t>(limit - first, 0, count);
  const auto g = static_cast<double>(growing);
  return g * static_cast<double>(first) + g * (g - 1) / 2 +
         static_cast<double>(count - growing) * static_cast<double>(limit);
}
}  // namespace

double VisibleKeys(const SpanView& batch, int64_t window) {
  double keys = 0;
  for (int64_t s = 0; s < batch.count; ++s) {
    const Span& span = batch.spans[s];
    // A position sees itself and all before it: the ancestors of a span have every earlier position.
    const int64_t first = span.first_position + span.keys_before + 1;
    keys += SumOfLengths(first, span.rows, window > 0 ? window : first + span.rows);
  }
  return keys;
}

namespace op_call {

OpCall Pack(const WeightSource& source, size_t packed_bytes) {
  const double stored = static_cast<double>(MatrixBytes(source.dtype, source.out, source.in));
  return {"Pack", {source.out, source.in}, source.dtype, 0, stored + static_cast<double>(packed_bytes)};
}

OpCall Embed(const Tensor& y, const PackedWeight& w) {
  const double rows = static_cast<double>(MatrixBytes(w.dtype, y.rows(), w.in));
  return {"Embed", {y.rows(), w.in, w.out}, w.dtype, static_cast<double>(y.size()), rows + Bytes(y)};
}

OpCall Linear(const char* name, const Tensor& x, const Tensor& y, const PackedWeight& w) {
  const double weight = static_cast<double>(MatrixBytes(w.dtype, w.out, w.in));
  return {name, {x.rows(), w.in, w.out}, w.dtype, Product(x.rows(), w.in, w.out), Bytes(x) + Bytes(y) + weight};
}

OpCall Linears(const Tensor& x, std::span<const LinearPart> parts) {
  OpCall sum;
  for (const LinearPart& part : parts) {
    const OpCall linear = Linear("Linears", x, part.y, part.weight);
    const int64_t out = sum.shape[2] + part.y.cols();
    sum = {linear.name,
           {x.rows(), x.cols(), out},
           parts[0].weight.dtype,
           sum.flops + linear.flops,
           sum.bytes + linear.bytes};
    if (!part.u.defined()) continue;
    const OpCall lora = Lora(x, part.u, part.y);
    sum.flops += lora.flops;
    sum.bytes += lora.bytes;
  }
  return sum;
}

OpCall LinearWeightGrad(const Tensor& dy, const Tensor& x) {
  const double dw = 2.0 * static_cast<double>(BytesOf(x.dtype(), x.cols())) * static_cast<double>(dy.cols());
  return {"LinearWeightGrad",
          {x.rows(), x.cols(), dy.cols()},
          x.dtype(),
          Product(x.rows(), x.cols(), dy.cols()),
          Bytes(x) + Bytes(dy) + dw};
}

OpCall Lora(const Tensor& x, const Tensor& u, const Tensor& y) {
  const double matrices = static_cast<double>(BytesOf(x.dtype(), (x.cols() + y.cols()) * u.cols()));
  return {"Lora",
          {x.rows(), x.cols(), y.cols()},
          x.dtype(),
          Product(x.rows(), u.cols(), x.cols() + y.cols()),
          Bytes(x) + 2 * Bytes(u) + 2 * Bytes(y) + matrices};
}

OpCall LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, bool input_grad) {
  const double a = static_cast<double>(BytesOf(x.dtype(), x.cols() * u.cols()));
  const double b = static_cast<double>(BytesOf(x.dtype(), dy.cols() * u.cols()));
  const double one = Product(x.rows(), u.cols(), x.cols()), other = Product(x.rows(), u.cols(), dy.cols());
  return {"LoraBackward",
          {x.rows(), x.cols(), dy.cols()},
          x.dtype(),
          (input_grad ? 2 : 1) * one + 2 * other,
          Bytes(x) * (input_grad ? 3 : 1) + 3 * Bytes(u) + Bytes(dy) + a * (input_grad ? 3 : 2) + 3 * b};
}

OpCall Elementwise(const char* name, const Tensor& y, double flops, double tensors) {
  return {name, {y.rows(), y.cols()}, y.dtype(), flops * static_cast<double>(y.size()), tensors * Bytes(y)};
}

namespace {
OpCall AttentionOf(const char* name, const Tensor& q, const KvView& kv, const SpanView& batch,
                   const AttentionParams& params, double products, double row_tensors, double key_tensors) {
  const double scores = VisibleKeys(batch, params.window) * static_cast<double>(params.heads);
  const double each = 2 * products * static_cast<double>(kv.head_dim) + kExpFlops;
  int64_t keys = 0;
  for (int64_t s = 0; s < batch.count; ++s) keys += batch.spans[s].keys();
  const double key_bytes = static_cast<double>(BytesOf(q.dtype(), keys * kv.kv_heads * kv.head_dim));
  return {name,
          {batch.rows, params.heads, kv.head_dim},
          q.dtype(),
          scores * each,
          row_tensors * Bytes(q) + key_tensors * key_bytes};
}
}  // namespace

OpCall Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params) {
  return AttentionOf("Attention", q, kv, batch, params, 2, 2, 2);  // scores and values; q, out; k, v
}

OpCall AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params) {
  return AttentionOf("AttentionBackward", q, kv, batch, params, 5, 4, 4);  // scores, dp, dq, dk, dv
}

OpCall Head(const char* name, const Tensor& hidden, const HeadParams& head, double products) {
  const PackedWeight& w = head.weight;
  const double weight = static_cast<double>(MatrixBytes(w.dtype, w.out, w.in));
  const double logits = static_cast<double>(hidden.rows()) * static_cast<double>(w.out);
  const double gradient =
      products > 2 ? 2.0 * static_cast<double>(BytesOf(hidden.dtype(), w.in)) * static_cast<double>(w.out) : 0;
  return {name,
          {hidden.rows(), w.in, w.out},
          w.dtype,
          logits * (2 * products * static_cast<double>(w.in) + kExpFlops),
          weight + gradient + Bytes(hidden) * (products > 1 ? 2 : 1)};
}

}  // namespace op_call
}  // namespace rlvr
