#include "model/linear.h"

namespace rlvr {

LinearPart LinearLayer::Part(const Tensor& u, const Tensor& y) const {
  return {weight, bias, lora, rank() > 0 ? u : Tensor(), y};
}

void LinearLayer::Forward(Ops& ops, const Tensor& x, const Tensor& u, const Tensor& y) const {
  const LinearPart part = Part(u, y);
  ops.Linears(x, {&part, 1});
}

void LinearLayer::Backward(Ops& ops, const Tensor& x, const Tensor& u, const Tensor& dy, const Tensor& du,
                           bool accumulate, const Tensor& dx) const {
  if (dx.defined()) ops.LinearInputGrad(dy, weight, accumulate, dx);
  if (u.defined() && rank() > 0) ops.LoraBackward(x, u, dy, lora, du, da, db, dx);
  if (dweight.defined()) ops.LinearWeightGrad(dy, x, dweight);
  if (dbias.defined()) ops.SumRows(dy, dbias);
}

}  // namespace rlvr
