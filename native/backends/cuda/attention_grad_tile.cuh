// What the backward kernels share. With p = exp2(s - lse) and dp = dout . v of a query and a key:
// ds = p (dp - dout . out), times the slope of the soft cap.
#pragma once

#include "backends/cuda/attention_tile.cuh"

namespace rlvr::cuda {

// What the backward knows of a vector. One that is not there has lse +inf and sees nothing.
struct alignas(16) VectorState {
  float lse;          // as an exponent of a power of two
  float out_product;  // dout . out
  int lo, hi;         // the keys it sees, by index in their span
};

DEVICE VectorState NoVector() { return {INFINITY, 0, 0, 0}; }

DEVICE void LoadState(const AttentionGradArgs& args, int64_t row, int head, VectorState& state) {
  state.lse = LoadGlobal(args.forward.lse + row * args.forward.lse_stride + head) * kLog2E;
  state.out_product = LoadGlobal(args.out_products + row * args.forward.heads + head);
}

// Replaces a raw dot product by p, and dp by ds.
DEVICE void DifferentiateScore(float& dot, float& dp, const ScoreRule& rule, const VectorState& state, int key) {
  float score = dot * rule.in_scale, slope = 1;
  if (rule.cap > 0) {
    const float t = tanhf(score);
    score = rule.cap * t;
    slope = fmaf(-t, t, 1.0f);
  }
  const bool is_seen = key >= state.lo && key < state.hi;
  const float p = is_seen ? exp2f(score - state.lse) : 0.0f;
  dot = p;
  dp = p * (dp - state.out_product) * slope;
}

}  // namespace rlvr::cuda
