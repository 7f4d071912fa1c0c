// Ops at the layer shapes of real models, as a training step and a decoding step call them. Widths are the models' own;
// where a matrix would not fit beside the others (Gemma-3-12b's vocabulary), rows of it are left out and the name says
// so.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "bench/native/data.h"
#include "ops/ops.h"

namespace rlvr::bench {

struct ModelShape {
  std::string name;
  int64_t dim, hidden, heads, kv_heads, head_dim, vocab;
  DType dtype, head;  // of its usual quantised file
  Activation act;
};

inline std::vector<ModelShape> ModelShapes() {
  return {
      {"SmolLM2-135M", 576, 1536, 9, 3, 64, 49152, DType::kQ4_1, DType::kQ8_0, Activation::kSilu},
      {"Gemma-3-270m", 640, 2048, 4, 1, 256, 262144, DType::kQ4_K, DType::kQ8_0, Activation::kGeluTanh},
      {"Gemma-3-12b", 3840, 15360, 16, 8, 256, 32768, DType::kQ4_K, DType::kQ6_K,
       Activation::kGeluTanh},  // an eighth of the vocabulary
  };
}

struct BenchCase {
  std::string name;
  std::function<void(Ops&)> run;
};

// K formats need inputs in blocks of 256; quantisers store other matrices as Q5_0.
inline DType StoredAs(DType dtype, int64_t in) { return in % Info(dtype).block == 0 ? dtype : DType::kQ5_0; }

inline std::string Label(const std::string& op, const std::string& model, std::array<int64_t, 3> shape, DType dtype) {
  return Concat(op, ": ", model, " ", shape[0], "x", shape[1], "x", shape[2], " ", Info(dtype).name);
}

// A linear layer, forward and input gradient.
inline BenchCase LinearShape(const std::string& model, int64_t rows, int64_t in, int64_t out, DType dtype) {
  return {Label("linear", model, {rows, in, out}, dtype), [=](Ops& ops) {
            Data data;
            const Tensor x = data.Random(rows, in), y = data.Random(rows, out);
            const PackedWeight w = data.Weight(ops, dtype, out, in);
            ops.Linear(x, w, {}, y);
            if (rows > 1) ops.LinearInputGrad(y, w, false, x);
          }};
}

inline BenchCase LoraShape(const std::string& model, int64_t rows, int64_t in, int64_t out) {
  return {Label("lora", model, {rows, in, out}, DType::kF32), [=](Ops& ops) {
            constexpr int64_t kRank = 16;
            Data data;
            const Tensor x = data.Random(rows, in), y = data.Random(rows, out), u = data.Random(rows, kRank);
            const LoraView lora = {data.Random(kRank, in), data.Random(out, kRank), data.Random(in, kRank),
                                   data.Random(kRank, out), 1e-3};
            ops.Lora(x, lora, u, y);
            if (rows == 1) return;
            ops.LoraBackward(x, u, y, lora, data.Random(rows, kRank), data.Zeros(kRank, in), data.Zeros(out, kRank),
                             data.Zeros(rows, in));
          }};
}

inline BenchCase RowsShape(const ModelShape& m, int64_t rows) {
  return {Label("rows", m.name, {rows, m.dim, m.hidden}, DType::kF32), [=](Ops& ops) {
            Data data;
            const Tensor x = data.Random(rows, m.dim), y = data.Random(rows, m.dim), weight = data.Random(1, m.dim);
            ops.RmsNorm(x, weight, 1e-6, 1, y);
            ops.RmsNormBackward(x, weight, 1e-6, 1, y, true, data.Zeros(rows, m.dim), {});
            ops.Add(x, data.Zeros(rows, m.dim));
            ops.Copy(x, y);
            const Tensor q = data.Random(rows, m.heads * m.head_dim);
            const int64_t half = m.head_dim / 2;
            ops.Rope(q, data.Constant(rows, half, 0.8), data.Constant(rows, half, 0.6), m.heads, m.head_dim, false);
            const Tensor gate = data.Random(rows, m.hidden), up = data.Random(rows, m.hidden);
            const Tensor out = data.Random(rows, m.hidden);
            ops.GatedActivation(gate, up, m.act, out);
            ops.GatedActivationBackward(gate, up, m.act, out, data.Zeros(rows, m.hidden), data.Zeros(rows, m.hidden));
          }};
}

// A prompt with three rollouts, computed at once; or each rollout's last row, decoded.
inline BenchCase AttentionShape(const ModelShape& m, int64_t prompt, int64_t rollout, bool decode) {
  return {Concat("attention: ", m.name, decode ? " decoding " : " group ", prompt, "+3x", rollout), [=](Ops& ops) {
            constexpr int kRollouts = 3;
            Data data;
            const Forest forest(prompt, rollout, kRollouts, decode);
            const SpanView batch = forest.view();
            const int64_t q_cols = m.heads * m.head_dim, kv_cols = m.kv_heads * m.head_dim;
            KvView kv;
            kv.k = data.Random(forest.pages() * m.kv_heads * m.head_dim, kKvBlock);
            kv.v = data.Random(forest.pages() * m.kv_heads * kKvBlock, m.head_dim);
            kv.kv_heads = m.kv_heads;
            kv.head_dim = m.head_dim;
            const AttentionParams params = {.heads = m.heads, .scale = 1 / std::sqrt(double(m.head_dim))};
            const Tensor q = data.Random(batch.rows, q_cols), out = data.Random(batch.rows, q_cols);
            const Tensor k = data.Random(batch.rows, kv_cols), v = data.Random(batch.rows, kv_cols);
            const Tensor lse = data.Zeros(batch.rows, m.heads);
            ops.WriteKv(k, v, batch, kv);
            ops.Attention(q, kv, batch, params, out, lse);
            if (decode) return;
            ops.AttentionBackward(q, kv, batch, params, out, lse, data.Random(batch.rows, q_cols),
                                  data.Zeros(batch.rows, q_cols), k, v);
          }};
}

inline BenchCase HeadShape(const ModelShape& m, int64_t rows, DType dtype) {
  return {Label("head", m.name, {rows, m.dim, m.vocab}, dtype), [=](Ops& ops) {
            Data data;
            const Tensor hidden = data.Random(rows, m.dim);
            const HeadParams head = {data.Weight(ops, dtype, m.vocab, m.dim), 0};
            const Tensor tokens = data.Ids(rows, m.vocab);
            HeadOutputs out;
            out.logprob = data.Zeros(1, rows);
            ops.HeadSample(hidden, head, {}, data.Uniform(rows), tokens, out);
            ops.HeadLogprobs(hidden, head, {}, tokens, out);
            HeadTargets targets;
            targets.target = tokens;
            targets.old_logprob = data.Constant(1, rows, -10);
            targets.advantage = data.Constant(1, rows, 1);
            targets.weight = data.Constant(1, rows, 1);
            ops.HeadLoss(hidden, head, {}, targets, {}, out, data.Zeros(rows, m.dim), {});
          }};
}

// x [rows, in] times a matrix, the shapes that other programs' F32 products are compared at.
inline std::vector<BenchCase> ProductShapes() {
  std::vector<BenchCase> cases;
  for (const auto& [rows, in, out] : std::vector<std::array<int64_t, 3>>{{512, 576, 1536},
                                                                         {512, 1536, 576},
                                                                         {512, 640, 2048},
                                                                         {512, 2048, 640},
                                                                         {512, 576, 49152},
                                                                         {128, 640, 262144}}) {
    cases.push_back(LinearShape("products", rows, in, out, DType::kF32));
  }
  return cases;
}

inline std::vector<BenchCase> ShapeCases() {
  std::vector<BenchCase> cases = ProductShapes();
  for (const ModelShape& m : ModelShapes()) {
    const int64_t q = m.heads * m.head_dim, kv = m.kv_heads * m.head_dim;
    const bool large = m.dim > 2048;
    for (int64_t rows : {1, 9, large ? 64 : 512}) {
      for (const auto& [in, out] : std::vector<std::pair<int64_t, int64_t>>{
               {m.dim, q + 2 * kv}, {q, m.dim}, {m.dim, m.hidden}, {m.hidden, m.dim}}) {
        cases.push_back(LinearShape(m.name, rows, in, out, StoredAs(m.dtype, in)));
        cases.push_back(LoraShape(m.name, rows, in, out));
      }
      cases.push_back(RowsShape(m, rows));
      cases.push_back(
          HeadShape(m, large ? std::min<int64_t>(rows, 16) : std::min<int64_t>(rows, 128), StoredAs(m.head, m.dim)));
    }
    cases.push_back(AttentionShape(m, 128, 128, false));
    cases.push_back(AttentionShape(m, 512, 256, true));
  }
  return cases;
}

}  // namespace rlvr::bench
