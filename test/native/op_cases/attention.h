// Cases of WriteKv, Attention and AttentionBackward: forests of spans.
#pragma once

#include "op_cases/op_case.h"

namespace rlvr::test {

struct TreeSpan {
  int32_t parent;
  int32_t rows;
  int32_t keys_before = 0;
  int32_t shares = -1;  // a span whose keys and pages it has: one prompt in two trees
};

// Spans, pages in a shuffled order, and a pool with some pages to spare, all holding stale numbers.
class Tree {
 public:
  explicit Tree(const std::vector<TreeSpan>& spans) {
    int32_t row = 0;
    for (const TreeSpan& t : spans) {
      Span span;
      span.parent = t.parent;
      span.first_position = t.parent < 0 ? 0 : spans_[t.parent].first_position + spans_[t.parent].keys();
      span.first_row = row;
      span.rows = t.rows;
      span.keys_before = t.keys_before;
      span.first_page = t.shares >= 0 ? spans_[t.shares].first_page : static_cast<int32_t>(pages_.size());
      if (t.shares < 0) pages_.resize(pages_.size() + (span.keys() + kKvBlock - 1) / kKvBlock);
      shares_.push_back(t.shares >= 0);
      spans_.push_back(span);
      row += t.rows;
    }
    rows_ = row;
    pool_pages_ = static_cast<int64_t>(pages_.size()) + 2;
    if (pool_pages_ % 5 == 0) ++pool_pages_;  // so that the stride of 5 visits each page once
    for (size_t i = 0; i < pages_.size(); ++i) pages_[i] = static_cast<int32_t>((5 * i + 2) % pool_pages_);
  }
  SpanView view() const { return {spans_.data(), static_cast<int64_t>(spans_.size()), pages_.data(), rows_}; }
  int64_t pool_pages() const { return pool_pages_; }
  int64_t rows() const { return rows_; }
  const std::vector<Span>& spans() const { return spans_; }
  // The same tree when the keys that were there before were written: a batch of those alone.
  Tree History() const {
    Tree past = *this;
    past.rows_ = 0;
    for (size_t s = 0; s < spans_.size(); ++s) {
      Span& span = past.spans_[s];
      span.first_row = static_cast<int32_t>(past.rows_);
      span.rows = shares_[s] ? 0 : span.keys_before;
      span.keys_before = 0;
      past.rows_ += span.rows;
    }
    return past;
  }

 private:
  std::vector<Span> spans_;
  std::vector<int32_t> pages_;
  std::vector<bool> shares_;
  int64_t pool_pages_;
  int64_t rows_;
};

struct AttentionSpec {
  std::string name;
  std::vector<TreeSpan> spans;
  int64_t heads = 2;
  int64_t kv_heads = 1;
  int64_t head_dim = 32;
  int64_t window = 0;
  double softcap = 0;
  bool fused = false;  // q, k, v and their gradients are columns of one matrix
  double q_scale = 3;  // sharp enough that the softmax is not flat
};

class AttentionCase : public OpCase {
 public:
  AttentionCase(Ops& ops, const AttentionSpec& s) : OpCase(ops, 20), s_(s), tree_(s.spans), past_(tree_.History()) {
    const int64_t rows = tree_.rows(), q_cols = s.heads * s.head_dim, kv_cols = s.kv_heads * s.head_dim;
    Tensor whole, dwhole;
    if (s.fused) {
      whole = New(type_, rows, q_cols + 2 * kv_cols);
      dwhole = New(type_, rows, q_cols + 2 * kv_cols);
    }
    q_ = s.fused ? whole.Cols(0, q_cols) : New(type_, rows, q_cols);
    k_ = s.fused ? whole.Cols(q_cols, kv_cols) : New(type_, rows, kv_cols);
    v_ = s.fused ? whole.Cols(q_cols + kv_cols, kv_cols) : New(type_, rows, kv_cols);
    Randomize(q_, s.q_scale);
    Randomize(k_);
    Randomize(v_);
    past_k_ = Random(past_.rows(), kv_cols);
    past_v_ = Random(past_.rows(), kv_cols);
    kv_.k = New(type_, tree_.pool_pages() * s.kv_heads * s.head_dim, kKvBlock);
    kv_.v = New(type_, tree_.pool_pages() * s.kv_heads * kKvBlock, s.head_dim);
    kv_.kv_heads = s.kv_heads;
    kv_.head_dim = s.head_dim;
    Fill(kv_.k, 9);  // what another sequence left there
    Fill(kv_.v, -9);
    const double scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
    params_ = {.heads = s.heads, .scale = scale, .window = s.window, .softcap = s.softcap};
    out_ = Result("out", New(type_, rows, q_cols), kSum);
    lse_ = Result("lse", New(type_, rows, s.heads), kLogprob);
    dout_ = Cotangent(out_);
    has_backward_ = past_.rows() == 0;
    if (!has_backward_) return;
    dq_ = Result("dq", s.fused ? dwhole.Cols(0, q_cols) : New(type_, rows, q_cols), kSoftmaxGradient);
    dk_ = Result("dk", s.fused ? dwhole.Cols(q_cols, kv_cols) : New(type_, rows, kv_cols), kSoftmaxGradient);
    dv_ = Result("dv", s.fused ? dwhole.Cols(q_cols + kv_cols, kv_cols) : New(type_, rows, kv_cols), kSoftmaxGradient);
    Depends("q", q_, dq_);
    Depends("k", k_, dk_);
    Depends("v", v_, dv_);
  }
  void Prepare(Ops& ops) override {
    if (!has_backward_) ops.WriteKv(past_k_, past_v_, past_.view(), kv_);
  }
  void Forward(Ops& ops) override {
    ops.WriteKv(k_, v_, tree_.view(), kv_);
    ops.Attention(q_, kv_, tree_.view(), params_, out_, lse_);
  }
  void Backward(Ops& ops) override {
    if (has_backward_) ops.AttentionBackward(q_, kv_, tree_.view(), params_, out_, lse_, dout_, dq_, dk_, dv_);
  }

 private:
  AttentionSpec s_;
  Tree tree_, past_;
  KvView kv_;
  AttentionParams params_;
  Tensor q_, k_, v_, past_k_, past_v_, out_, lse_, dout_, dq_, dk_, dv_;
  bool has_backward_ = false;
};

inline CaseList AttentionCases() {
  const std::vector<TreeSpan> group = {{-1, 11}, {0, 5}, {0, 1}, {0, 7}};
  const std::vector<TreeSpan> deep = {{-1, 3}, {0, 4}, {1, 2}, {2, 5}, {1, 3}, {-1, 6}, {5, 2}};
  const std::vector<TreeSpan> blocks = {{-1, 70}, {0, 33}, {0, 32}, {0, 31}};
  const std::vector<TreeSpan> decode = {{-1, 0, 45}, {0, 1, 12}, {0, 1, 0}, {0, 1, 31}, {0, 1, 32}};
  const std::vector<TreeSpan> chunked = {{-1, 20, 33}, {-1, 3, 0}, {1, 2, 40}};
  std::vector<TreeSpan> group_decode = {{-1, 0, 70}};
  for (int32_t own : {0, 31, 32, 5, 33, 64, 1, 17, 40, 2, 95, 63}) group_decode.push_back({0, 1, own});
  // A header, two questions under it, their rollouts in turn; and a prompt with rows of its own beside its rollouts.
  const std::vector<TreeSpan> nested = {{-1, 0, 37}, {0, 0, 20}, {0, 0, 45}, {1, 1, 3}, {2, 1, 40},
                                        {1, 1, 33},  {2, 2, 0},  {-1, 3, 9}, {7, 1, 0}, {7, 1, 32}};
  const std::vector<TreeSpan> shared = {{-1, 0, 50}, {0, 1, 12},     {0, 1, 40}, {-1, 0, 50, 0},
                                        {3, 1, 7},   {-1, 0, 50, 0}, {5, 4, 30}};
  std::vector<TreeSpan> short_children = {{-1, 35}};
  for (int32_t c = 0; c < 24; ++c) short_children.push_back({0, 1 + c % 3});
  std::vector<TreeSpan> chain = {{-1, 1}};  // more ancestors than an item of several spans may have
  for (int32_t s = 1; s < 150; ++s) chain.push_back({s - 1, s % 25 == 0 ? 1 : 0, 0});
  for (int32_t c = 0; c < 3; ++c) chain.push_back({149, 2});
  return MakeCases<AttentionCase, AttentionSpec>(
      "attention",
      {
          {.name = "one row", .spans = {{-1, 1}}},
          {.name = "no rows", .spans = {{-1, 0, 4}}},
          {.name = "one sequence", .spans = {{-1, 13}}, .heads = 3, .kv_heads = 3},
          {.name = "a group of rollouts, fused", .spans = group, .heads = 4, .kv_heads = 2, .fused = true},
          {.name = "two deep trees", .spans = deep, .heads = 4, .kv_heads = 1},
          {.name = "spans across key blocks", .spans = blocks, .heads = 2, .kv_heads = 1},
          {.name = "window of one key", .spans = group, .window = 1},
          {.name = "window smaller than a span", .spans = group, .heads = 4, .kv_heads = 2, .window = 4},
          {.name = "window that ends in the parent's middle", .spans = blocks, .window = 40},
          {.name = "window wider than the tree", .spans = deep, .window = 1000},
          {.name = "soft cap", .spans = deep, .softcap = 2},
          {.name = "soft cap and window, fused",
           .spans = group,
           .heads = 4,
           .kv_heads = 4,
           .window = 6,
           .softcap = 1.5,
           .fused = true},
          {.name = "flat scores", .spans = deep, .q_scale = 0},
          {.name = "sharp scores", .spans = deep, .q_scale = 60},
          {.name = "GQA 8, head 64", .spans = group, .heads = 8, .kv_heads = 1, .head_dim = 64},
          {.name = "GQA 3, head 64 (SmolLM2)", .spans = group, .heads = 9, .kv_heads = 3, .head_dim = 64},
          {.name = "GQA 3, head 96 (Phi)", .spans = deep, .heads = 6, .kv_heads = 2, .head_dim = 96, .fused = true},
          {.name = "head 128", .spans = deep, .heads = 2, .kv_heads = 2, .head_dim = 128},
          {.name = "GQA 4, head 256, window 5 (Gemma-3)",
           .spans = group,
           .heads = 4,
           .kv_heads = 1,
           .head_dim = 256,
           .window = 5},
          {.name = "decoding one row of each span", .spans = decode, .heads = 4, .kv_heads = 2},
          {.name = "decoding with a window", .spans = decode, .heads = 4, .kv_heads = 2, .window = 17},
          {.name = "decoding a group of 12", .spans = group_decode, .heads = 9, .kv_heads = 3, .head_dim = 64},
          {.name = "decoding a group of 12, window in the prompt",
           .spans = group_decode,
           .heads = 4,
           .kv_heads = 1,
           .window = 60},
          {.name = "decoding a group of 12, window inside the rollouts",
           .spans = group_decode,
           .heads = 4,
           .kv_heads = 4,
           .window = 30},
          {.name = "decoding nested prompts", .spans = nested, .heads = 6, .kv_heads = 2, .softcap = 3},
          {.name = "decoding nested prompts, window", .spans = nested, .heads = 2, .kv_heads = 1, .window = 50},
          {.name = "decoding trees that share pages", .spans = shared, .heads = 4, .kv_heads = 2},
          {.name = "many short children", .spans = short_children, .heads = 3, .kv_heads = 1},
          {.name = "many short children, window", .spans = short_children, .heads = 4, .kv_heads = 2, .window = 8},
          {.name = "a chain of 150 spans", .spans = chain, .heads = 2, .kv_heads = 1},
          {.name = "more heads in a group than an item holds", .spans = {{-1, 5}, {0, 3}}, .heads = 50, .kv_heads = 1},
          {.name = "a prompt in two parts", .spans = chunked, .heads = 2, .kv_heads = 2},
          {.name = "a prompt in two parts, window 9", .spans = chunked, .heads = 2, .kv_heads = 1, .window = 9},
      });
}

}  // namespace rlvr::test
