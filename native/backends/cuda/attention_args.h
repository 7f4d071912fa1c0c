// What the attention kernels are given, and the launchers of their files.
#pragma once

#include "backends/cuda/attention_scratch.h"
#include "backends/cuda/device.h"
#include "ops/ops.h"

namespace rlvr::cuda {

// Rows of BF16 that lie `stride` elements apart.
struct Rows {
  const Bf16* data;
  int64_t stride;
};
struct OutRows {
  Bf16* data;
  int64_t stride;
};

// A packed row and a head of the group; row -1: none.
struct VectorRow {
  int64_t row;
  int head;
};

// Scores are exponents of powers of two: s -> in_scale * s, or cap * tanh(in_scale * s) when cap > 0.
struct ScoreRule {
  float in_scale;
  float cap;
};

struct AttentionArgs {
  Rows q;
  const void* k;  // pages: Bf16, or uint8_t of E4M3
  const void* v;
  OutRows out;
  float* lse;  // or null
  int64_t lse_stride;
  int heads;
  int kv_heads;
  int group;  // query heads of a KV head
  int dim;
  int window;  // 0: none
  ScoreRule rule;
  DeviceBatch batch;
};

struct AttentionGradArgs {
  AttentionArgs forward;  // out is read
  Rows dout;
  float* out_products;  // [T, heads]
  OutRows dq, dk, dv;
  float scale;
};

void LaunchWriteKv(const Rows& k, const Rows& v, const KvView& kv, bool is_fp8, const AttentionBatch& batch,
                   cudaStream_t stream);
// Each launches the kernels for its share of the begun batch. is_fp8: of the pages.
void LaunchManyRows(const AttentionArgs& args, const AttentionBatch& batch, bool is_fp8, cudaStream_t stream);
void LaunchDecode(const AttentionArgs& args, const AttentionScratch& scratch, bool is_fp8, cudaStream_t stream);
void LaunchOutProducts(const AttentionGradArgs& args, int64_t rows, cudaStream_t stream);
void LaunchQueryGrads(const AttentionGradArgs& args, const AttentionBatch& batch, cudaStream_t stream);
void LaunchKeyGrads(const AttentionGradArgs& args, const AttentionBatch& batch, cudaStream_t stream);

// Calls f(constant) with the narrowest compiled width that holds heads of `dim` elements; they are padded with zeros.
template <typename F>
void WithHeadWidth(int dim, const F& f) {
  if (dim <= 32) return f(std::integral_constant<int, 32>());
  if (dim <= 64) return f(std::integral_constant<int, 64>());
  if (dim <= 96) return f(std::integral_constant<int, 96>());
  if (dim <= 128) return f(std::integral_constant<int, 128>());
  f(std::integral_constant<int, 256>());
}

}  // namespace rlvr::cuda
