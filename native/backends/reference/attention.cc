// Softmax attention over a forest of spans, and its gradients.
#include <cmath>

#include "backends/reference/reference_backend.h"

namespace rlvr {

namespace {

// A key that a row sees, as the page slot that holds it and as the packed row that made it (-1: not in this batch).
struct Key {
  int64_t page;
  int64_t slot;
  int64_t row;
};

// The keys that row `row` of span `index` sees: its ancestors' from the root on, then its own up to itself.
std::vector<Key> VisibleKeys(const SpanView& batch, int64_t index, int64_t row, int64_t window) {
  std::vector<int64_t> chain;
  for (int64_t s = index; s >= 0; s = batch.spans[s].parent) chain.insert(chain.begin(), s);
  const Span& own = batch.spans[index];
  const int64_t own_keys = own.keys_before + (row - own.first_row) + 1;
  const int64_t position = own.first_position + own_keys - 1;
  std::vector<Key> keys;
  for (int64_t s : chain) {
    const Span& span = batch.spans[s];
    const int64_t count = s == index ? own_keys : span.keys();
    for (int64_t i = 0; i < count; ++i) {
      if (window > 0 && span.first_position + i <= position - window) continue;
      const int64_t made_by = i < span.keys_before ? -1 : span.first_row + i - span.keys_before;
      keys.push_back({batch.pages[span.first_page + i / kKvBlock], i % kKvBlock, made_by});
    }
  }
  return keys;
}

double K(const KvView& kv, const Key& key, int64_t head, int64_t i) {
  return kv.k.At((key.page * kv.kv_heads + head) * kv.head_dim + i, key.slot);
}
double V(const KvView& kv, const Key& key, int64_t head, int64_t i) {
  return kv.v.At((key.page * kv.kv_heads + head) * kKvBlock + key.slot, i);
}

struct Softmax {
  std::vector<double> score;        // scaled and soft-capped
  std::vector<double> probability;  // of each key
  double log_sum_exp;
};

Softmax Scores(const Tensor& q, int64_t row, int64_t head, const std::vector<Key>& keys, const KvView& kv,
               const AttentionParams& params) {
  const int64_t kv_head = head / (params.heads / kv.kv_heads);
  Softmax result;
  double max = -INFINITY;
  for (const Key& key : keys) {
    double dot = 0;
    for (int64_t i = 0; i < kv.head_dim; ++i) dot += q.At(row, head * kv.head_dim + i) * K(kv, key, kv_head, i);
    double score = params.scale * dot;
    if (params.softcap > 0) score = params.softcap * std::tanh(score / params.softcap);
    result.score.push_back(score);
    max = std::max(max, score);
  }
  double sum = 0;
  for (double score : result.score) sum += std::exp(score - max);
  result.log_sum_exp = max + std::log(sum);
  for (double score : result.score) result.probability.push_back(std::exp(score - max) / sum);
  return result;
}

void CheckShapes(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params) {
  RLVR_CHECK(params.heads % kv.kv_heads == 0 && q.cols() == params.heads * kv.head_dim && q.rows() == batch.rows);
}

}  // namespace

void ReferenceBackend::WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) {
  RLVR_CHECK(k.rows() == batch.rows && v.rows() == batch.rows);
  RLVR_CHECK(k.cols() == kv.kv_heads * kv.head_dim && v.cols() == k.cols());
  for (int64_t s = 0; s < batch.count; ++s) {
    const Span& span = batch.spans[s];
    for (int64_t j = 0; j < span.rows; ++j) {
      const int64_t key = span.keys_before + j;
      const int64_t page = batch.pages[span.first_page + key / kKvBlock], slot = key % kKvBlock;
      for (int64_t h = 0; h < kv.kv_heads; ++h) {
        for (int64_t i = 0; i < kv.head_dim; ++i) {
          const int64_t row = span.first_row + j, col = h * kv.head_dim + i;
          kv.k.Set((page * kv.kv_heads + h) * kv.head_dim + i, slot, k.At(row, col));
          kv.v.Set((page * kv.kv_heads + h) * kKvBlock + slot, i, v.At(row, col));
        }
      }
    }
  }
}

void ReferenceBackend::Attention(const Tensor& q, const KvView& kv, const SpanView& batch,
                                 const AttentionParams& params, const Tensor& out, const Tensor& lse) {
  CheckShapes(q, kv, batch, params);
  RLVR_CHECK(out.rows() == q.rows() && out.cols() == q.cols());
  const int64_t group = params.heads / kv.kv_heads;
  for (int64_t s = 0; s < batch.count; ++s) {
    for (int64_t r = batch.spans[s].first_row; r < batch.spans[s].first_row + batch.spans[s].rows; ++r) {
      const std::vector<Key> keys = VisibleKeys(batch, s, r, params.window);
      for (int64_t h = 0; h < params.heads; ++h) {
        const Softmax softmax = Scores(q, r, h, keys, kv, params);
        for (int64_t i = 0; i < kv.head_dim; ++i) {
          double sum = 0;
          for (size_t j = 0; j < keys.size(); ++j) sum += softmax.probability[j] * V(kv, keys[j], h / group, i);
          out.Set(r, h * kv.head_dim + i, sum);
        }
        if (lse.defined()) lse.Set(r, h, softmax.log_sum_exp);
      }
    }
  }
}

// With p the probabilities and dp_j = dout . v_j:  ds_j = p_j (dp_j - sum p dp), then through the soft cap and scale.
void ReferenceBackend::AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                         const AttentionParams& params, const Tensor& out, const Tensor& /*lse*/,
                                         const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  CheckShapes(q, kv, batch, params);
  RLVR_CHECK(out.rows() == q.rows() && dout.rows() == q.rows() && dq.rows() == q.rows() && dk.rows() == q.rows());
  RLVR_CHECK(dk.cols() == kv.kv_heads * kv.head_dim && dv.cols() == dk.cols() && dv.rows() == q.rows());
  const int64_t group = params.heads / kv.kv_heads, dim = kv.head_dim, width = dk.cols();
  std::vector<double> dk_sum(dk.rows() * width, 0.0), dv_sum(dv.rows() * width, 0.0);
  for (int64_t s = 0; s < batch.count; ++s) {
    RLVR_CHECK(batch.spans[s].keys_before == 0, "a gradient needs every key's row in the batch");
    for (int64_t r = batch.spans[s].first_row; r < batch.spans[s].first_row + batch.spans[s].rows; ++r) {
      const std::vector<Key> keys = VisibleKeys(batch, s, r, params.window);
      for (int64_t h = 0; h < params.heads; ++h) {
        const Softmax softmax = Scores(q, r, h, keys, kv, params);
        std::vector<double> dp(keys.size(), 0.0), dq_sum(dim, 0.0);
        double expected = 0;
        for (size_t j = 0; j < keys.size(); ++j) {
          for (int64_t i = 0; i < dim; ++i) dp[j] += dout.At(r, h * dim + i) * V(kv, keys[j], h / group, i);
          expected += softmax.probability[j] * dp[j];
        }
        for (size_t j = 0; j < keys.size(); ++j) {
          double ds = softmax.probability[j] * (dp[j] - expected);
          if (params.softcap > 0) ds *= 1 - std::pow(softmax.score[j] / params.softcap, 2);
          const int64_t at = keys[j].row * width + h / group * dim;
          for (int64_t i = 0; i < dim; ++i) {
            dq_sum[i] += params.scale * ds * K(kv, keys[j], h / group, i);
            dk_sum[at + i] += params.scale * ds * q.At(r, h * dim + i);
            dv_sum[at + i] += softmax.probability[j] * dout.At(r, h * dim + i);
          }
        }
        for (int64_t i = 0; i < dim; ++i) dq.Set(r, h * dim + i, dq_sum[i]);
      }
    }
  }
  for (int64_t r = 0; r < dk.rows(); ++r) {
    for (int64_t i = 0; i < width; ++i) {
      dk.Set(r, i, dk_sum[r * width + i]);
      dv.Set(r, i, dv_sum[r * width + i]);
    }
  }
}

}  // namespace rlvr
