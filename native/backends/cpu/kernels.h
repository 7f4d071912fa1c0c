// What a file of one instruction set offers: a table of functions on plain pointers. Threads, checks and memory are the
// business of the callers (cpu_*.cc); a kernel computes the items [begin, end) of an operation, and an item's result
// depends on nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "ops/ops.h"
#include "ops/span_view.h"

namespace rlvr::cpu {

// A matrix of floats: rows, columns, elements from one row to the next.
struct Floats {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;
  float* Row(int64_t r) const { return data + r * stride; }
};

// The right-hand side [inner, n] of a product.
struct Factor {
  enum class Kind : uint8_t { kPacked, kPackedTransposed, kPlain } kind = Kind::kPlain;
  DType dtype = DType::kF32;          // packed
  const std::byte* packed = nullptr;  // packed: B = W^T; transposed: B = W
  int64_t in = 0;                     // packed: columns of W
  const float* plain = nullptr;       // plain: B[k, j] = plain[k * stride + j]
  int64_t stride = 0;
};

// y[m, j] (+)= sum over k in order of x_scale * X[m, k] * B[k, j], then + bias[j].
struct Product {
  const float* x = nullptr;
  int64_t x_row = 0;  // X[m, k] = x[m * x_row + k * x_inner]
  int64_t x_inner = 1;
  float x_scale = 1;
  int64_t m = 0, n = 0, inner = 0;
  Factor b;
  float* y = nullptr;
  int64_t y_row = 0;
  bool accumulate = false;  // the sum continues from y
  const float* bias = nullptr;
  int64_t row_block = 0;  // rows of an item; items run over row blocks, and within one over panels of 32 columns
  int threads = 1;        // that share the items
};

// Few rows X [m, inner] times several weights that read them, each with its LoRA:
// y = x W^T + bias, then y += scale (x A^T) B^T with u = x A^T kept. The bits are those of the products one by one.
constexpr int64_t kFewRows = 64;
constexpr int64_t kFewRowsMaxRank = 64;
constexpr int kFewRowsParts = 4;
struct FewRowsPart {
  DType dtype = DType::kF32;
  const std::byte* weight = nullptr;  // packed [out, inner]
  int64_t out = 0;
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t y_row = 0;
  int64_t rank = 0;            // 0: no LoRA
  const float* a_t = nullptr;  // [inner, rank]
  int64_t a_row = 0;
  const float* b_t = nullptr;  // [rank, out]
  int64_t b_row = 0;
  float scale = 0;
  float* u = nullptr;  // [m, rank]
  int64_t u_row = 0;
};
struct FewRows {
  const float* x = nullptr;
  int64_t x_row = 0;
  int64_t m = 0, inner = 0;
  const FewRowsPart* parts = nullptr;
  int parts_count = 0;
  bool lora = false;  // any part has one
  int threads = 1;
};
// What the threads of a call share; starts as zeros.
struct FewRowsProgress {
  int64_t next = 0;
  int32_t ready[kFewRowsParts] = {};  // 1 when the part's u is there
};
// Waits, without giving up the core at first, until another thread has stored a 1.
void WaitUntilSet(const int32_t* flag);

// Bytes of scratch that a kernel may use on each thread.
constexpr int64_t kInnerBlock = 1024;        // the inner dimension is cut here: a panel of F32 takes 128 KiB
constexpr int64_t kPackedRows = 128 * 1024;  // floats of packed X, 512 KiB: with the panel it fits an L2 of 1 MiB
constexpr size_t kProductScratch = (kPackedRows + 12 * kInnerBlock + kInnerBlock * 32 + 64 * 32) * sizeof(float);

constexpr int kMaxDepth = 256;        // spans from a root to a leaf
constexpr int64_t kItemVectors = 48;  // query vectors of an attention item: four tiles of twelve

struct AttentionArgs {
  const float* q = nullptr;
  int64_t q_row = 0;
  const float* k_pages = nullptr;
  const float* v_pages = nullptr;
  SpanView batch;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  float scale = 1, softcap = 0;
  int64_t window = 0;
  float* out = nullptr;
  int64_t out_row = 0;
  float* lse = nullptr;  // null: not wanted
  int64_t lse_row = 0;
  int64_t item_rows = 1, item_heads = 1;  // of an item at most; a vector is one (row, head)
  // backward
  const float* dout = nullptr;
  int64_t dout_row = 0;
  float* dq = nullptr;
  int64_t dq_row = 0;
  float* dk = nullptr;
  int64_t dk_row = 0;
  float* dv = nullptr;
  int64_t dv_row = 0;
  int64_t whole_trees = 0;  // so many (tree, KV head) are each done by one thread
};

// The head's chunk of the vocabulary. Sums over the vocabulary are taken chunk by chunk, then over the chunks in order.
constexpr int64_t kHeadChunk = 512;

struct ChunkSum {
  float max = 0;       // of the chunk's logits
  float sum = 0;       // of exp(x - max)
  float weighted = 0;  // of exp(x - max) * (x - max)
  int32_t argmax = 0;  // the first that has it, when asked
};

// Softcap and temperature on a run of logits in place, then their ChunkSum.
struct ChunkArgs {
  float* logits = nullptr;
  int64_t count = 0;
  float softcap = 0;
  float inverse_temperature = 1;
  bool entropy = false;
  bool argmax = false;
};

struct Candidate {
  float x;  // logit over temperature
  int32_t token;
};

struct AdamWArgs {
  float* p = nullptr;
  const float* g = nullptr;
  float* m = nullptr;
  float* v = nullptr;
  float decay = 1;  // 1 - lr * weight_decay
  float beta1 = 0, beta2 = 0;
  float rest1 = 0, rest2 = 0;    // 1 - beta, rounded once from double
  float step_size = 0;           // lr / (1 - beta1^t)
  float inverse_correction = 1;  // 1 / sqrt(1 - beta2^t)
  float eps = 0;
  float gradient_scale = 1;
};

struct Kernels {
  const char* name;
  int64_t tile_rows;  // rows of a register tile; row blocks are multiples of it

  // Each of the threads calls these with the same counters, which start at 0 and give out the items.
  void (*product)(const Product&, int64_t* next_item, std::byte* scratch);
  void (*few_rows)(const FewRows&, FewRowsProgress*, std::byte* scratch);  // m <= kFewRows, m * inner <= kPackedRows
  void (*embed)(const Factor& w, const int32_t* ids, float scale, Floats y, int64_t begin, int64_t end);
  void (*transpose)(Floats from, Floats to, int64_t begin, int64_t end);

  void (*rms_norm)(Floats x, const float* weight, float eps, float offset, Floats y, int64_t begin, int64_t end);
  void (*rms_scales)(Floats x, float eps, float* scales, int64_t begin, int64_t end);
  void (*rms_norm_backward)(Floats x, const float* weight, float eps, float offset, Floats dy, bool accumulate,
                            Floats dx, int64_t begin, int64_t end);
  // Columns [begin, end) of dweight.
  void (*rms_norm_dweight)(Floats x, const float* scales, Floats dy, float* dweight, int64_t begin, int64_t end);
  void (*rope)(Floats x, Floats cos, Floats sin, int64_t heads, int64_t head_dim, bool inverse, int64_t begin,
               int64_t end);
  void (*gated)(Floats gate, Floats up, Activation act, Floats y, int64_t begin, int64_t end);
  void (*gated_backward)(Floats gate, Floats up, Activation act, Floats dy, Floats dgate, Floats dup, int64_t begin,
                         int64_t end);
  void (*axpy)(float a, const float* x, float* y, int64_t count);  // y += a x
  void (*scale)(float a, float* x, int64_t count);                 // x *= a
  void (*adamw)(const AdamWArgs&, int64_t begin, int64_t end);

  // Bytes of scratch a thread needs for these head sizes.
  size_t (*attention_scratch)(int64_t head_dim);
  // Each of the threads calls these with the same counters (the backward has three), which start at 0 and give out the
  // items.
  void (*attention)(const AttentionArgs&, int64_t* next_item, std::byte* scratch);
  void (*attention_backward)(const AttentionArgs&, int64_t* next_items, std::byte* scratch);

  ChunkSum (*head_sum)(const ChunkArgs&);  // also applies softcap and temperature in place
  // x[i] <- exp(x[i] - max) * factor, times the softcap's derivative: what a logit's gradient is proportional to.
  void (*head_softmax)(const ChunkArgs&, float max, float factor);
  // Tokens first + i with x[i] >= least, in order; returns their count.
  int64_t (*head_select)(const float* x, int64_t count, float least, int64_t first, Candidate* to);
  // One row of a packed weight.
  void (*head_row)(const Factor& w, int64_t row, float* out);
};

// The tables of the instruction sets that this build has; null where the processor family has none.
const Kernels* BaselineKernels();
const Kernels* Avx2Kernels();
const Kernels* Avx512Kernels();

}  // namespace rlvr::cpu
