// How far two right answers may lie apart, and why.
#pragma once

namespace rlvr::test {

// |a - b| <= relative * (|b| + rms of b's tensor + floor). The rms holds elements near zero of a sum of large terms to
// the size of their tensor; the floor is the size of what went in, where the exact answer may be zero altogether.
struct Tolerance {
  double relative;
  double floor = 0;
};

// Copies, gathers, transposes, zero, tokens, and single additions (a double sum rounded to F32 is the F32 sum).
constexpr Tolerance kExact{0};

// A few F32 operations on each element (norm scale, rotation, optimizer): half an ulp (6e-8) each, up to eight of them.
constexpr Tolerance kElementwise{5e-7};

// exp and tanh by polynomials: published kernels of this kind are within 2 to 4 ulp, and gelu multiplies two of them.
constexpr Tolerance kTranscendental{2e-6};

// Sums over an inner dimension of up to 2048 in one F32 chain: random rounding grows as sqrt(n) * 6e-8 = 2.7e-6. Every
// weight dtype has this one tolerance, because the same decoded F32 values are multiplied whatever the storage.
constexpr Tolerance kSum{1e-5};

// Logprobs, entropies, losses of a few nats: a logit sum, exp and log over the vocabulary.
constexpr Tolerance kLogprob{1e-5, 1};

// Gradients through a softmax: scores of up to 60 are off by an ulp or two (4e-6 each), which is the relative error of
// a probability, and dp - sum p dp is a difference of nearly equal numbers.
constexpr Tolerance kSoftmaxGradient{1e-4, 0.1};

// Fourth-order central differences in F64 with steps of 2e-5: rounding 1e-16 / 2e-5 is 5e-12 of the loss, whose
// directional derivative may be a thousandth of it.
constexpr double kFiniteDifference = 1e-6;

}  // namespace rlvr::test
