// What an op call is and what it needs at least: the arithmetic of its formula and the bytes of its operands, each
// moved once. Benchmarks hold times against these numbers; profiles show them beside each zone.
#pragma once

#include <array>
#include <cstdint>

#include "ops/ops.h"

namespace rlvr {

struct OpCall {
  const char* name = "";              // as in the contract: "Linear"
  std::array<int64_t, 3> shape = {};  // rows first, then what the op has: in and out, width, head_dim; 0: nothing
  DType dtype = DType::kF32;          // of the weight, in its stored form
  double flops = 0;                   // a multiply-add is two; see kExpFlops
  double bytes = 0;                   // read and written
  int64_t rows() const { return shape[0]; }
};

// A plain polynomial of degree six with its range reduction, and a tanh or a logistic function made of one.
constexpr double kExpFlops = 20;
constexpr double kSigmoidFlops = 24;

// Keys that the rows of the batch see, summed over the rows, within the window.
double VisibleKeys(const SpanView& batch, int64_t window);

namespace op_call {
OpCall Pack(const WeightSource& source, size_t packed_bytes);
OpCall Embed(const Tensor& y, const PackedWeight& w);
// Linear, LinearInputGrad: x: [T, in], y: [T, out].
OpCall Linear(const char* name, const Tensor& x, const Tensor& y, const PackedWeight& w);
// Several at once; `out` is their sum, and dtype that of the first.
OpCall Linears(const Tensor& x, std::span<const LinearPart> parts);
OpCall LinearWeightGrad(const Tensor& dy, const Tensor& x);
OpCall Lora(const Tensor& x, const Tensor& u, const Tensor& y);
OpCall LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, bool input_grad);
// An op on the elements of y: so many flops for an element, so many tensors of y's size read or written.
OpCall Elementwise(const char* name, const Tensor& y, double flops, double tensors);
OpCall Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params);
OpCall AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params);
// products: how often each weight is multiplied with each row: 1 for logits, 2 with dhidden, 3 with dweight.
OpCall Head(const char* name, const Tensor& hidden, const HeadParams& head, double products);
}  // namespace op_call

}  // namespace rlvr
