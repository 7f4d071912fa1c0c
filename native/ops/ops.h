// The op contract (design, idea 5). A backend implements all of it; the model is written on top of it once.
//
// Shapes: T packed rows, R head rows, D model width, V vocabulary, H query heads, KV key/value heads.
// "activation" tensors have the backend's ActivationType(), "parameter" tensors its ParameterType(): what is trained,
// its gradients and moments, norm weights, biases, and the numbers of a head row. Tensors lie in memory(). Ops take
// views and numbers, allocate nothing and keep nothing, except the workspace that SetWorkspace() gave. Outputs may not
// alias inputs unless said. Batch invariance: each output row depends on its own inputs alone, bit for bit, whatever
// the number of rows, the number of threads, or the other rows. An output element is accumulated over its inner
// dimension in index order.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/device_memory.h"
#include "core/tensor.h"
#include "ops/span_view.h"

namespace rlvr {

// A frozen or trained matrix [out, in] in the layout of the backend that packed it.
struct PackedWeight {
  DType dtype = DType::kF32;  // the stored element type, as in the file
  int64_t out = 0;
  int64_t in = 0;
  std::byte* data = nullptr;
  size_t bytes = 0;
  bool defined() const { return data != nullptr; }
};

// Where a packed weight comes from: rows of `dtype` blocks as in the file, or the planar NF4 of quant/nf4.h;
// MatrixBytes() of quant/codec.h is its size. Packed row r is source row row_order[r].
struct WeightSource {
  DType dtype = DType::kF32;
  int64_t out = 0;
  int64_t in = 0;
  const void* data = nullptr;
  const int32_t* row_order = nullptr;  // null: the identity
};

// LoRA of one linear: y += scale * (x A^T) B^T. The transposes are copies kept by the model (Transpose op after each
// update), because the fast kernels want them; so are a and b where parameters have another type than activations.
struct LoraView {
  Tensor a;    // activation [rank, in]
  Tensor b;    // activation [out, rank]
  Tensor a_t;  // activation [in, rank]
  Tensor b_t;  // activation [rank, out]
  double scale = 0;
};

// One of several linear layers that read the same input.
struct LinearPart {
  PackedWeight weight;
  Tensor bias;  // parameter [1, out] or undefined
  LoraView lora;
  Tensor u;  // activation [T, rank], kept for the backward; undefined: no LoRA
  Tensor y;  // activation [T, out]
};

enum class Activation : uint8_t { kSilu, kGeluTanh };

struct AttentionParams {
  int64_t heads = 0;  // a multiple of KvView::kv_heads; query head h reads KV head h / (heads / kv_heads)
  double scale = 1;
  int64_t window = 0;  // 0: none
  double softcap = 0;  // 0: none, else s -> softcap * tanh(s / softcap)
};

// The head: logits = hidden * weight^T, then softcap, of which distributions are taken.
struct HeadParams {
  PackedWeight weight;  // [V, D]
  double softcap = 0;   // 0: none
};

// The distribution that tokens are sampled from, and whose logprobs everything means (design, idea 1): logits /
// temperature; then, of those sorted descending (ties: smaller id first), the first top_k; of these the shortest prefix
// whose probability reaches top_p (the one that crosses included); of these those with probability >= min_p * the
// largest; renormalised. temperature <= 0 is greedy: argmax, and logprobs are those of temperature 1 untruncated.
struct SamplingParams {
  double temperature = 1;
  int64_t top_k = 0;  // 0: all
  double top_p = 1;
  double min_p = 0;
  bool truncates() const { return top_k > 0 || top_p < 1 || min_p > 0; }
  bool greedy() const { return temperature <= 0; }
};

enum class KlEstimator : uint8_t { kK1, kK2, kK3 };

// What HeadLoss does with a token's logprob lp. `weight` is the token's share of the loss (mask times normaliser).
//   kPolicy:  ratio = exp(clamp(lp - old, +-log_ratio_clamp)); surrogate s = min(ratio * A, clip(ratio, 1 -
//   epsilon_low,
//             1 + epsilon_high) * A); with delta > 0 and A < 0 the ratio in the first term is at most delta;
//             loss = weight * (-s + beta * kl), kl of (ref, lp): d = ref - lp; k1: -d, k2: d^2 / 2, k3: exp(d) - d - 1
//   kSupervised: loss = -weight * lp
//   kGiven:   the caller's dLoss/dlp is in `advantage`; loss = 0 (the two-pass route)
struct TokenLoss {
  enum class Kind : uint8_t { kPolicy, kSupervised, kGiven } kind = Kind::kPolicy;
  double epsilon_low = 0.2;
  double epsilon_high = 0.2;
  double delta = 0;
  double beta = 0;
  KlEstimator kl = KlEstimator::kK3;
  double log_ratio_clamp = 20;
};

// One entry per head row, [1, R] each, parameter type unless said.
struct HeadTargets {
  Tensor target;       // I32
  Tensor old_logprob;  // kPolicy
  Tensor ref_logprob;  // kPolicy with beta != 0
  Tensor advantage;    // kPolicy, kGiven
  Tensor weight;       // kPolicy, kSupervised
};

// Outputs of the head ops, [1, R] each, parameter type; undefined tensors are not written.
struct HeadOutputs {
  Tensor logprob;
  Tensor entropy;  // of the (truncated) distribution, nats
  Tensor loss;     // weighted
  Tensor kl;       // unweighted kl term
  Tensor clipped;  // 1 where the clip was active (the gradient of the surrogate is zero because of it)
};

struct AdamWParams {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  int64_t step = 1;           // from 1
  double gradient_scale = 1;  // the gradient is multiplied by this first (clipping)
};

struct WorkspaceLimits {
  int64_t max_rows = 0;  // of any packed batch
  int64_t max_in = 0;    // the widest linear input
  int64_t max_out = 0;   // the widest linear output but the head
  int64_t vocab = 0;
  int64_t dim = 0;
  int64_t max_head_rows = 0;
  int64_t max_rank = 0;
  int64_t head_dim = 0;
  int64_t heads = 0;
  size_t head_chunk_bytes = 16u << 20;  // logits alive at any time never pass this, or one row if that is more
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual const char* name() const = 0;
  // The instruction set or card in use, for reports.
  virtual const char* isa() const { return name(); }
  virtual DType ActivationType() const = 0;
  virtual DType ParameterType() const { return ActivationType(); }
  // Of the keys and values that WriteKv() stores.
  virtual DType KvType() const { return ActivationType(); }
  virtual DeviceMemory& memory() { return HostMemory(); }
  // The batch of the WriteKv, Attention and AttentionBackward calls that follow, until the next one. Its arrays are the
  // caller's and live as long.
  virtual void BeginBatch(const SpanView&) {}
  // Calls `pass`, whose ops and uploads a backend may record and submit at once; it reads nothing back.
  virtual void RunPass(const std::function<void()>& pass) { pass(); }
  // Bytes of workspace for these limits, and the memory itself. Called before the first op, and again, between ops,
  // when the limits grow.
  virtual size_t WorkspaceBytes(const WorkspaceLimits& limits) const = 0;
  virtual void SetWorkspace(const WorkspaceLimits& limits, std::byte* memory, size_t bytes) = 0;
  // The most bytes of logits that were alive at one time since the start (design, idea 3).
  virtual size_t PeakLogitsBytes() const = 0;

  // --- weights ---
  virtual size_t PackedBytes(DType dtype, int64_t out, int64_t in) const = 0;
  // Fills w.data (w.bytes from PackedBytes, zeroed) and w's fields. Every weight type of DType but I32 is accepted.
  virtual void Pack(const WeightSource& source, PackedWeight& w) = 0;
  // The same from a trained matrix of the device, parameter type [out, in]; w.dtype is the activation type.
  virtual void PackMaster(const Tensor& master, PackedWeight& w) {
    Pack({master.dtype(), master.rows(), master.cols(), master.data(), nullptr}, w);
  }
  // y[r, :] = scale * row ids[r] of w. ids: I32 [1, T]. y: activation [T, in].
  virtual void Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) = 0;
  // dw[ids[r], :] += scale * dy[r, :], rows in order. dw: parameter [V, D].
  virtual void EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) = 0;
  // y = x w^T + bias. x: [T, in], y: [T, out], bias: parameter [1, out] or undefined.
  virtual void Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) = 0;
  // dx (+)= dy w. dy: [T, out], dx: [T, in].
  virtual void LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) = 0;
  // dw += dy^T x. dw: parameter [out, in]. The sum over rows is in row order.
  virtual void LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) = 0;
  // u = x A^T; y += (scale * u) B^T. u: [T, rank], kept for the backward.
  virtual void Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) = 0;
  // For each part Linear, then Lora when its u is defined, with the same bits; a backend may do them at once.
  virtual void Linears(const Tensor& x, std::span<const LinearPart> parts) {
    for (const LinearPart& part : parts) {
      Linear(x, part.weight, part.bias, part.y);
      if (part.u.defined()) Lora(x, part.lora, part.u, part.y);
    }
  }
  // du = scale * (dy B); db += scale * dy^T u; da += du^T x; dx += du A when dx is defined. du: scratch [T, rank];
  // da, db: parameter.
  virtual void LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora, const Tensor& du,
                            const Tensor& da, const Tensor& db, const Tensor& dx) = 0;
  // to = from^T; the types may be parameter and activation.
  virtual void Transpose(const Tensor& from, const Tensor& to) = 0;

  // --- elementwise and norms ---
  // y[r, :] = x[r, :] * rsqrt(mean(x[r, :]^2) + eps) * (weight + weight_offset). y may be x. weight: parameter [1,
  // dim]. Gemma-3 checkpoints store weight - 1 and pass weight_offset = 1; Llama and Phi pass 0.
  virtual void RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) = 0;
  // dx (+)= gradient of the above given dy and the op's input x; dweight += when defined. dx may be dy when not
  // accumulating.
  virtual void RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                               const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) = 0;
  // Rotates pairs (i, i + half) of the first 2 * half elements of each head, in place: NeoX order.
  // x: [T, heads * head_dim]; cos, sin: F32 [T, half]. inverse rotates back, which is also the backward.
  virtual void Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                    bool inverse) = 0;
  // y = act(gate) * up. All [T, F].
  virtual void GatedActivation(const Tensor& gate, const Tensor& up, Activation act, const Tensor& y) = 0;
  // dgate, dup from dy. dgate may be gate, dup may be up.
  virtual void GatedActivationBackward(const Tensor& gate, const Tensor& up, Activation act, const Tensor& dy,
                                       const Tensor& dgate, const Tensor& dup) = 0;
  virtual void Add(const Tensor& x, const Tensor& y) = 0;  // y += x
  // y = x, shapes equal, strides free; the types may be parameter and activation.
  virtual void Copy(const Tensor& x, const Tensor& y) = 0;
  virtual void Zero(const Tensor& y) = 0;
  // y[i, :] = x[rows[i], :]; the backward adds in order of i: dx[rows[i], :] += dy[i, :]. rows: I32 [1, R].
  virtual void GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) = 0;
  virtual void GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) = 0;
  // db[0, :] += sum over rows of dy, in row order (bias gradients). db: parameter.
  virtual void SumRows(const Tensor& dy, const Tensor& db) = 0;

  // --- attention over span trees ---
  // Puts the batch's k and v rows ([T, KV * head_dim]) into the pages of their spans.
  virtual void WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) = 0;
  // out, q: [T, H * head_dim]. lse: parameter [T, H], log-sum-exp of the scaled (soft-capped) scores, or undefined.
  virtual void Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                         const Tensor& out, const Tensor& lse) = 0;
  // dq: [T, H * head_dim]; dk, dv: [T, KV * head_dim]; all overwritten. Every span's keys have rows in this batch
  // (keys_before = 0). A key's gradient is the sum over all rows that see it, descendants' included.
  virtual void AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                 const AttentionParams& params, const Tensor& out, const Tensor& lse,
                                 const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) = 0;

  // --- head: logits never exist whole ---
  // Draws one token a row. uniform: F64 [1, R] in [0, 1): the token is the first, in the order of the distribution
  // above (id order when not truncated), whose cumulated probability exceeds it. tokens: I32 [1, R].
  // out.logprob is that of the drawn token and has the bits that HeadLogprobs gives for it; out.entropy optional.
  virtual void HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                          const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) = 0;
  // Logprob of target[r] under the distribution (a target outside the truncated support has that of the untruncated
  // one), and entropy when asked. hidden: [R, D].
  virtual void HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                            const Tensor& target, const HeadOutputs& out) = 0;
  // Loss, its terms, and dhidden [R, D] (overwritten) in one pass over the vocabulary; parameter dweight [V, D] +=
  // when defined (full training, untruncated only).
  virtual void HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                        const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out,
                        const Tensor& dhidden, const Tensor& dweight) = 0;

  // --- optimizer ---
  virtual double SumSquares(const Tensor& x) = 0;  // in double, in a fixed order
  // Decoupled weight decay as in PyTorch's AdamW: p *= 1 - lr * wd; m, v; p -= lr * m_hat / (sqrt(v_hat) + eps).
  // All of parameter type and of one shape.
  virtual void AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) = 0;
};

}  // namespace rlvr
