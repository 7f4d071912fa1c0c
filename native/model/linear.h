// y = x W^T + b (+ LoRA): a frozen or trained matrix with what is learned on top of it.
#pragma once

#include <string>

#include "model/parameters.h"
#include "ops/ops.h"

namespace rlvr {

struct LinearLayer {
  std::string name;  // module path, such as "model.layers.0.self_attn.q_proj"
  PackedWeight weight;
  Tensor bias;                          // [1, out] or undefined
  LoraView lora;                        // a undefined: none
  Tensor trained_a, trained_b, da, db;  // what `lora` is made of after each update, and its gradients
  Tensor master;                        // [out, in], full training: what `weight` is packed from after each update
  Tensor dweight, dbias;

  int64_t out() const { return weight.out; }
  int64_t in() const { return weight.in; }
  int64_t rank() const { return lora.a.rows(); }  // 0: no adapter

  // u: [T, rank], kept for the backward; undefined without an adapter or when it is switched off.
  LinearPart Part(const Tensor& u, const Tensor& y) const;
  void Forward(Ops& ops, const Tensor& x, const Tensor& u, const Tensor& y) const;
  // Adds to the gradients of what is trained; dx (+)= the input's gradient when dx is defined.
  // du: scratch [T, rank].
  void Backward(Ops& ops, const Tensor& x, const Tensor& u, const Tensor& dy, const Tensor& du, bool accumulate,
                const Tensor& dx) const;
};

}  // namespace rlvr
