// What makes the sampler and the trainer equal (design, idea 7): on the cpu backend a row's results have the same bits
// alone and in any batch, with any number of threads, decoded step by step or computed at once.
#include <functional>

#include "compare.h"
#include "op_cases/all.h"
#include "test.h"
#include "test_backend.h"

namespace rlvr::test {
namespace {

// Tensors without a case around them.
class Data : public OpCase {
 public:
  explicit Data(const Ops& ops) : OpCase(ops, 31) {}
  void Forward(Ops&) override {}
  Tensor Matrix(int64_t rows, int64_t cols) { return New(type_, rows, cols); }
  using OpCase::New;
  using OpCase::Random;
  using OpCase::RandomIds;
};

TEST("every op gives the same bits on 1, 2 and 3 threads") {
  for (const std::string& isa : CpuIsas()) {
    TestBackend one("cpu", 1, isa);
    for (int threads : {2, 3}) {
      TestBackend many("cpu", threads, isa);
      for (const auto& [op, cases] : AllCases()) {
        for (const CaseEntry& entry : cases) {
          const auto a = entry.make(*one), b = entry.make(*many);
          a->Run(*one);
          b->Run(*many);
          for (size_t i = 0; i < a->outputs().size(); ++i) {
            if (SameBits(a->outputs()[i].value, b->outputs()[i].value)) continue;
            const std::string& output = a->outputs()[i].name;
            Fail(__FILE__, __LINE__, Concat(entry.name, " [", isa, "]: ", output, " on ", threads, " threads"));
          }
        }
      }
    }
  }
}

// Computes rows [first, first + count) into `out`: tensors of `count` rows and these widths.
using RowsOf = std::function<void(int64_t first, int64_t count, const std::vector<Tensor>& out)>;

void ExpectRowsStandAlone(Ops& ops, const std::string& what, int64_t rows, const std::vector<int64_t>& widths,
                          const RowsOf& run) {
  Data data(ops);
  const auto outputs = [&](int64_t count) {
    std::vector<Tensor> out;
    for (int64_t width : widths) out.push_back(data.Matrix(count, width));
    return out;
  };
  const std::vector<Tensor> whole = outputs(rows);
  run(0, rows, whole);
  for (int64_t size : {1, 2, 3, 4, 5, 7, 8, 13, 20}) {
    for (int64_t first = 0; first < rows; first += size) {
      const int64_t count = std::min(size, rows - first);
      const std::vector<Tensor> part = outputs(count);
      run(first, count, part);
      for (size_t i = 0; i < widths.size(); ++i) {
        if (SameBits(part[i], whole[i].Rows(first, count))) continue;
        Fail(__FILE__, __LINE__, Concat(what, ": output ", i, ", rows ", first, " to ", first + count, " of ", rows));
        return;
      }
    }
  }
}

void ForEachIsa(const std::function<void(Ops& ops, const std::string& isa)>& body) {
  EXPECT_LE(1u, CpuIsas().size());
  for (const std::string& isa : CpuIsas()) {
    TestBackend cpu("cpu", 2, isa);
    body(*cpu, isa);
  }
}

TEST("a row of a linear layer has the same bits alone and in any batch, for every weight type") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                        DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kNF4}) {
      const int64_t rows = 70, in = 1280, out = 77;
      Data data(ops);
      const Tensor x = data.Random(rows, in), dy = data.Random(rows, out), bias = data.Random(1, out);
      CaseWeight weight(DType::kF32, dtype, data.Random(out, in), false);
      weight.Pack(ops);
      ExpectRowsStandAlone(ops, Concat("linear ", Info(dtype).name, " [", isa, "]"), rows, {out, in},
                           [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                             ops.Linear(x.Rows(first, count), weight.packed(), bias, y[0]);
                             ops.LinearInputGrad(dy.Rows(first, count), weight.packed(), false, y[1]);
                           });
    }
  });
}

TEST("layers done together have the bits of those done one by one") {
  int compared = 0;
  for (const std::string& isa : CpuIsas()) {
    for (int threads : {1, 2, 3}) {
      TestBackend cpu("cpu", threads, isa);
      for (const LinearsSpec& spec : LinearsSpecs()) {
        LinearsCase together(*cpu, spec), single(*cpu, spec);
        together.Run(*cpu);
        single.Reset();
        single.Prepare(*cpu);
        single.ForwardOneByOne(*cpu);
        for (size_t i = 0; i < together.outputs().size(); ++i, ++compared) {
          if (SameBits(together.outputs()[i].value, single.outputs()[i].value)) continue;
          const std::string& output = together.outputs()[i].name;
          Fail(__FILE__, __LINE__, Concat(spec.name, " [", isa, "]: ", output, " on ", threads, " threads"));
        }
      }
    }
  }
  EXPECT_LE(100, compared);
}

TEST("a row of LoRA, forward and backward, has the same bits alone and in any batch") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    const int64_t rows = 37, in = 576, out = 77, rank = 16;
    Data data(ops);
    const Tensor x = data.Random(rows, in), dy = data.Random(rows, out);
    const Tensor da = data.Matrix(rank, in), db = data.Matrix(out, rank);
    LoraView lora;
    lora.a = data.Random(rank, in);
    lora.b = data.Random(out, rank);
    lora.a_t = data.Matrix(in, rank);
    lora.b_t = data.Matrix(rank, out);
    lora.scale = 2;
    ops.Transpose(lora.a, lora.a_t);
    ops.Transpose(lora.b, lora.b_t);
    ExpectRowsStandAlone(ops, "lora [" + isa + "]", rows, {rank, out, rank, in},
                         [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                           ops.Zero(y[1]);
                           ops.Zero(y[3]);
                           ops.Lora(x.Rows(first, count), lora, y[0], y[1]);
                           ops.LoraBackward(x.Rows(first, count), y[0], dy.Rows(first, count), lora, y[2], da, db,
                                            y[3]);
                         });
  });
}

TEST("a row of the norms, rope, activations and embedding has the same bits alone and in any batch") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    const int64_t rows = 29, dim = 333, half = 24, heads = 3, head_dim = 64;
    Data data(ops);
    const Tensor x = data.Random(rows, dim), dy = data.Random(rows, dim), weight = data.Random(1, dim);
    ExpectRowsStandAlone(ops, "rms_norm [" + isa + "]", rows, {dim, dim},
                         [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                           ops.RmsNorm(x.Rows(first, count), weight, 1e-6, 1, y[0]);
                           ops.RmsNormBackward(x.Rows(first, count), weight, 1e-6, 1, dy.Rows(first, count), false,
                                               y[1], {});
                         });
    ExpectRowsStandAlone(ops, "gated_activation [" + isa + "]", rows, {dim, dim, dim, dim},
                         [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                           const Tensor gate = x.Rows(first, count), up = dy.Rows(first, count);
                           ops.GatedActivation(gate, up, Activation::kSilu, y[0]);
                           ops.GatedActivation(gate, up, Activation::kGeluTanh, y[1]);
                           ops.GatedActivationBackward(gate, up, Activation::kGeluTanh, up, y[2], y[3]);
                         });
    const Tensor q = data.Random(rows, heads * head_dim), cos = data.Random(rows, half), sin = data.Random(rows, half);
    ExpectRowsStandAlone(ops, "rope [" + isa + "]", rows, {heads * head_dim},
                         [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                           ops.Copy(q.Rows(first, count), y[0]);
                           ops.Rope(y[0], cos.Rows(first, count), sin.Rows(first, count), heads, head_dim, false);
                         });
    CaseWeight table(DType::kF32, DType::kQ8_0, data.Random(50, 64), false);
    table.Pack(ops);
    const Tensor ids = data.RandomIds(rows, 50);
    ExpectRowsStandAlone(ops, "embed [" + isa + "]", rows, {64},
                         [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
                           ops.Embed(ids.Cols(first, count), table.packed(), 8, y[0]);
                         });
  });
}

const SamplingParams kDistributions[] = {{},
                                         {.temperature = 0.7},
                                         {.temperature = 0},
                                         {.top_k = 20},
                                         {.top_k = 4},
                                         {.top_p = 0.9},
                                         {.min_p = 0.05},
                                         {.temperature = 0.8, .top_k = 40, .top_p = 0.95, .min_p = 0.01}};

TEST("a head row has the same bits alone and in any batch, and sampling, scoring and the loss agree on its logprob") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    const int64_t rows = 29, dim = 96, vocab = 3001;
    Data data(ops);
    const Tensor hidden = data.Random(rows, dim), uniform = data.New(DType::kF64, 1, rows);
    for (int64_t r = 0; r < rows; ++r) uniform.Set(0, r, UniformFor(1, 2, 3, static_cast<uint32_t>(r)));
    CaseWeight weight(DType::kF32, DType::kQ8_0, data.Random(vocab, dim), false);
    weight.Pack(ops);
    const HeadParams head{weight.packed(), 0};
    const Tensor advantage = data.Random(1, rows);
    for (const SamplingParams& sampling : kDistributions) {
      const auto run = [&](int64_t first, int64_t count, const std::vector<Tensor>& y) {
        // Columns 0 to 5: token, then logprob and entropy as sampled, as scored, as trained.
        Data local(ops);
        const Tensor token = local.New(DType::kI32, 1, count), h = hidden.Rows(first, count);
        HeadOutputs sampled, scored, trained;
        for (HeadOutputs* out : {&sampled, &scored, &trained}) {
          out->logprob = local.Matrix(1, count);
          out->entropy = local.Matrix(1, count);
        }
        ops.HeadSample(h, head, sampling, uniform.Cols(first, count), token, sampled);
        ops.HeadLogprobs(h, head, sampling, token, scored);
        HeadTargets targets;
        targets.target = token;
        targets.advantage = advantage.Cols(first, count);
        TokenLoss loss;
        loss.kind = TokenLoss::Kind::kGiven;
        ops.HeadLoss(h, head, sampling, targets, loss, trained, y[1], {});
        for (int64_t r = 0; r < count; ++r) {
          y[0].Set(r, 0, token.At(0, r));
          y[0].Set(r, 1, sampled.logprob.At(0, r));
          y[0].Set(r, 2, sampled.entropy.At(0, r));
        }
        EXPECT(SameBits(sampled.logprob, scored.logprob));
        EXPECT(SameBits(sampled.logprob, trained.logprob));
        EXPECT(SameBits(sampled.entropy, scored.entropy));
        EXPECT(SameBits(sampled.entropy, trained.entropy));
      };
      const std::string what = Concat("head [", isa, "], temperature ", sampling.temperature, " top-k ", sampling.top_k,
                                      " top-p ", sampling.top_p, " min-p ", sampling.min_p);
      ExpectRowsStandAlone(ops, what, rows, {3, dim}, run);
    }
    const size_t row_bytes = static_cast<size_t>(vocab + 63) * sizeof(float);
    EXPECT_LE(ops.PeakLogitsBytes(), std::max(kTestLimits.head_chunk_bytes, row_bytes));
    EXPECT_LE(1u, ops.PeakLogitsBytes());
  });
}

// A prompt of `prompt` tokens with `children` continuations of `length` over one pool, computed in several batches.
class Decoding {
 public:
  Decoding(Ops& ops, int32_t prompt, int32_t children, int32_t length, int64_t window)
      : ops_(ops), data_(ops), window_(window) {
    Add(-1, 0, prompt);
    for (int32_t c = 0; c < children; ++c) Add(0, prompt, length);
    const int64_t rows = prompt + children * length;
    q_ = data_.Random(rows, kHeads * kDim, 3);
    k_ = data_.Random(rows, kKvHeads * kDim);
    v_ = data_.Random(rows, kKvHeads * kDim);
  }
  // A fresh pool, full of stale numbers.
  void Restart() {
    const auto pages = static_cast<int64_t>(pages_.size());
    kv_.k = data_.Matrix(pages * kKvHeads * kDim, kKvBlock);
    kv_.v = data_.Matrix(pages * kKvHeads * kKvBlock, kDim);
    kv_.kv_heads = kKvHeads;
    kv_.head_dim = kDim;
    OpCase::Fill(kv_.k, 5);
    OpCase::Fill(kv_.v, -5);
    for (Span& span : spans_) span.rows = span.keys_before = 0;
    out_ = data_.Matrix(q_.rows(), q_.cols());
    lse_ = data_.Matrix(q_.rows(), kHeads);
  }
  // Computes the next counts[s] rows of every span s in one batch.
  void Advance(const std::vector<int32_t>& counts) {
    std::vector<int64_t> rows;
    for (size_t s = 0; s < spans_.size(); ++s) {
      spans_[s].keys_before = spans_[s].keys();
      spans_[s].rows = counts[s];
      spans_[s].first_row = static_cast<int32_t>(rows.size());
      for (int32_t j = 0; j < counts[s]; ++j) rows.push_back(first_[s] + spans_[s].keys_before + j);
    }
    const auto count = static_cast<int64_t>(rows.size());
    const Tensor q = data_.Matrix(count, q_.cols()), k = data_.Matrix(count, k_.cols());
    const Tensor v = data_.Matrix(count, v_.cols());
    const Tensor out = data_.Matrix(count, q_.cols()), lse = data_.Matrix(count, kHeads);
    for (int64_t r = 0; r < count; ++r) {
      ops_.Copy(q_.Rows(rows[r], 1), q.Rows(r, 1));
      ops_.Copy(k_.Rows(rows[r], 1), k.Rows(r, 1));
      ops_.Copy(v_.Rows(rows[r], 1), v.Rows(r, 1));
    }
    const SpanView batch{spans_.data(), static_cast<int64_t>(spans_.size()), pages_.data(), count};
    ops_.WriteKv(k, v, batch, kv_);
    ops_.Attention(q, kv_, batch, {.heads = kHeads, .scale = 0.125, .window = window_}, out, lse);
    for (int64_t r = 0; r < count; ++r) {
      ops_.Copy(out.Rows(r, 1), out_.Rows(rows[r], 1));
      ops_.Copy(lse.Rows(r, 1), lse_.Rows(rows[r], 1));
    }
  }
  const Tensor& out() const { return out_; }
  const Tensor& lse() const { return lse_; }

 private:
  static constexpr int64_t kHeads = 6, kKvHeads = 2, kDim = 64;

  void Add(int32_t parent, int32_t position, int32_t keys) {
    Span span;
    span.parent = parent;
    span.first_position = position;
    span.first_page = static_cast<int32_t>(pages_.size());
    first_.push_back(first_.empty() ? 0 : first_.back() + last_keys_);
    last_keys_ = keys;
    const auto pages = static_cast<int32_t>((keys + kKvBlock - 1) / kKvBlock);
    for (int32_t i = 0; i < pages; ++i) pages_.push_back(span.first_page + i);
    spans_.push_back(span);
  }

  Ops& ops_;
  Data data_;
  int64_t window_;
  std::vector<Span> spans_;
  std::vector<int32_t> pages_;
  std::vector<int64_t> first_;
  int32_t last_keys_ = 0;
  KvView kv_;
  Tensor q_, k_, v_, out_, lse_;
};

TEST("decoding step by step gives the bits of computing all at once, with and without a window") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    for (int64_t window : {0, 1, 20, 50}) {
      Decoding tree(ops, 45, 3, 37, window);
      tree.Restart();
      tree.Advance({45, 37, 37, 37});
      const Tensor at_once = tree.out(), lse = tree.lse();

      tree.Restart();
      tree.Advance({20, 0, 0, 0});
      tree.Advance({25, 0, 0, 0});
      for (int step = 0; step < 37; ++step) tree.Advance({0, 1, 1, 1});
      const bool stepwise = SameBits(tree.out(), at_once) && SameBits(tree.lse(), lse);
      if (!stepwise) Fail(__FILE__, __LINE__, Concat("step by step, window ", window, " [", isa, "]"));

      // One child first, alone; the others later, in uneven parts.
      tree.Restart();
      tree.Advance({45, 3, 0, 0});
      tree.Advance({0, 34, 0, 5});
      tree.Advance({0, 0, 36, 32});
      tree.Advance({0, 0, 1, 0});
      const bool uneven = SameBits(tree.out(), at_once) && SameBits(tree.lse(), lse);
      if (!uneven) Fail(__FILE__, __LINE__, Concat("in uneven parts, window ", window, " [", isa, "]"));
    }
  });
}

TEST("a rollout gives the same bits alone and in a group of 12, with and without a window") {
  ForEachIsa([](Ops& ops, const std::string& isa) {
    constexpr int kRollouts = 12, kLength = 9;
    for (int64_t window : {0, 40}) {
      Decoding tree(ops, 45, kRollouts, kLength, window);
      const auto advance = [&](int32_t prompt, auto rows_of) {
        std::vector<int32_t> counts = {prompt};
        for (int c = 0; c < kRollouts; ++c) counts.push_back(rows_of(c));
        tree.Advance(counts);
      };
      tree.Restart();
      advance(45, [](int) { return 0; });
      for (int step = 0; step < kLength; ++step) advance(0, [](int) { return 1; });
      const Tensor group = tree.out(), lse = tree.lse();
      tree.Restart();
      advance(45, [](int) { return 0; });
      for (int alone = 0; alone < kRollouts; ++alone) {
        for (int step = 0; step < kLength; ++step) advance(0, [&](int c) { return c == alone ? 1 : 0; });
      }
      const bool same = SameBits(tree.out(), group) && SameBits(tree.lse(), lse);
      if (!same) Fail(__FILE__, __LINE__, Concat("window ", window, " [", isa, "]"));
    }
  });
}

TEST("a comparison of bits notices one unit in the last place, and the sign of zero") {
  float a[3] = {1, 0, 2}, b[3] = {1, 0, 2};
  const Tensor ta(a, DType::kF32, 1, 3), tb(b, DType::kF32, 1, 3);
  EXPECT(SameBits(ta, tb));
  b[2] = std::nextafter(2.0f, 3.0f);
  EXPECT(!SameBits(ta, tb));
  b[2] = 2;
  b[1] = -0.0f;
  EXPECT(!SameBits(ta, tb));
}

}  // namespace
}  // namespace rlvr::test
