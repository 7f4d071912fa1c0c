// The head: the distribution over the vocabulary, and what sampling, scoring and the loss make of it.
// The logits of one row are alive at a time.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/reference/reference_backend.h"

namespace rlvr {

namespace {

// What one row's logits say under SamplingParams.
struct Distribution {
  double temperature;               // 1 when greedy
  std::vector<int64_t> order;       // tokens that can be drawn, in the order of drawing
  std::vector<bool> drawable;       // [V], whether it is in `order`
  std::vector<double> probability;  // [V], zero outside the support
  std::vector<double> log_prob;     // [V], outside the support that of the untruncated distribution
  std::vector<double> untruncated;  // [V], probabilities before truncation
  double entropy;                   // of `probability`
};

double LogSumExp(const std::vector<double>& logits, const std::vector<int64_t>& tokens) {
  double max = -INFINITY, sum = 0;
  for (int64_t v : tokens) max = std::max(max, logits[v]);
  for (int64_t v : tokens) sum += std::exp(logits[v] - max);
  return max + std::log(sum);
}

// The support of SamplingParams, tokens by descending logit.
std::vector<int64_t> Truncate(const std::vector<double>& logits, std::vector<int64_t> tokens,
                              const SamplingParams& sampling) {
  std::stable_sort(tokens.begin(), tokens.end(), [&](int64_t a, int64_t b) { return logits[a] > logits[b]; });
  if (sampling.top_k > 0 && sampling.top_k < static_cast<int64_t>(tokens.size())) tokens.resize(sampling.top_k);
  if (sampling.top_p < 1) {
    const double total = LogSumExp(logits, tokens);
    double cumulated = 0;
    size_t count = 0;
    while (count < tokens.size()) {
      cumulated += std::exp(logits[tokens[count++]] - total);
      if (cumulated >= sampling.top_p) break;
    }
    tokens.resize(count);
  }
  if (sampling.min_p > 0) {
    const double largest = logits[tokens[0]];
    while (std::exp(logits[tokens.back()] - largest) < sampling.min_p) tokens.pop_back();
  }
  return tokens;
}

Distribution Distribute(std::vector<double> logits, const SamplingParams& sampling) {
  Distribution d;
  d.temperature = sampling.greedy() ? 1 : sampling.temperature;
  for (double& logit : logits) logit /= d.temperature;
  d.order.resize(logits.size());
  std::iota(d.order.begin(), d.order.end(), 0);

  const double all = LogSumExp(logits, d.order);
  for (double logit : logits) {
    d.log_prob.push_back(logit - all);
    d.untruncated.push_back(std::exp(logit - all));
  }
  if (sampling.truncates() && !sampling.greedy()) d.order = Truncate(logits, d.order, sampling);

  d.drawable.assign(logits.size(), false);
  d.probability.assign(logits.size(), 0);
  d.entropy = 0;
  const double kept = LogSumExp(logits, d.order);
  for (int64_t v : d.order) {
    d.drawable[v] = true;
    d.log_prob[v] = logits[v] - kept;
    d.probability[v] = std::exp(d.log_prob[v]);
    d.entropy -= d.probability[v] * d.log_prob[v];
  }
  return d;
}

int64_t Draw(const Distribution& d, const SamplingParams& sampling, double uniform) {
  if (sampling.greedy()) {
    return std::max_element(d.log_prob.begin(), d.log_prob.end()) - d.log_prob.begin();  // the first of equals
  }
  double cumulated = 0;
  int64_t last = d.order[0];
  for (int64_t v : d.order) {
    if (d.probability[v] == 0) continue;
    cumulated += d.probability[v];
    last = v;
    if (cumulated > uniform) break;
  }
  return last;  // rounding may leave the sum a little under 1: then the last token that can be drawn
}

// The loss of one token and its terms.
struct TokenTerms {
  double loss = 0;
  double kl = 0;
  double clipped = 0;
  double dlogprob = 0;  // dLoss / dlogprob
};

struct Kl {
  double value;
  double slope;  // d value / d logprob
};

Kl EstimateKl(KlEstimator estimator, double d) {  // d = ref - logprob
  switch (estimator) {
    case KlEstimator::kK1: return {-d, 1};
    case KlEstimator::kK2: return {d * d / 2, -d};
    case KlEstimator::kK3: return {std::exp(d) - d - 1, 1 - std::exp(d)};
  }
  return {0, 0};
}

TokenTerms PolicyTerms(const TokenLoss& loss, const HeadTargets& targets, int64_t r, double logprob) {
  const double advantage = targets.advantage.At(0, r), weight = targets.weight.At(0, r);
  const double log_ratio = logprob - targets.old_logprob.At(0, r), limit = loss.log_ratio_clamp;
  const double ratio = std::exp(std::clamp(log_ratio, -limit, limit));
  const double ratio_slope = std::fabs(log_ratio) <= limit ? ratio : 0;

  const bool over_delta = loss.delta > 0 && advantage < 0 && ratio > loss.delta;
  const double free = (over_delta ? loss.delta : ratio) * advantage;
  const double low = 1 - loss.epsilon_low, high = 1 + loss.epsilon_high;
  const double clipped = std::clamp(ratio, low, high) * advantage;
  const bool inside = ratio >= low && ratio <= high;

  TokenTerms terms;
  const bool take_free = free <= clipped;
  const double surrogate = take_free ? free : clipped;
  const bool flat = take_free ? over_delta : !inside;
  terms.clipped = !take_free && !inside ? 1 : 0;
  terms.loss = -surrogate;
  terms.dlogprob = flat ? 0 : -ratio_slope * advantage;
  if (targets.ref_logprob.defined()) {
    const Kl kl = EstimateKl(loss.kl, targets.ref_logprob.At(0, r) - logprob);
    terms.kl = kl.value;
    terms.loss += loss.beta * kl.value;
    terms.dlogprob += loss.beta * kl.slope;
  }
  terms.loss *= weight;
  terms.dlogprob *= weight;
  return terms;
}

TokenTerms Terms(const TokenLoss& loss, const HeadTargets& targets, int64_t r, double logprob) {
  TokenTerms terms;
  switch (loss.kind) {
    case TokenLoss::Kind::kPolicy: return PolicyTerms(loss, targets, r, logprob);
    case TokenLoss::Kind::kSupervised:
      terms.loss = -targets.weight.At(0, r) * logprob;
      terms.dlogprob = -targets.weight.At(0, r);
      return terms;
    case TokenLoss::Kind::kGiven: terms.dlogprob = targets.advantage.At(0, r); return terms;
  }
  return terms;
}

void Write(const Tensor& to, int64_t r, double value) {
  if (to.defined()) to.Set(0, r, value);
}

int64_t Target(const Tensor& target, int64_t r, const HeadParams& head) {
  const auto token = static_cast<int64_t>(target.At(0, r));
  RLVR_CHECK(token >= 0 && token < head.weight.out, "target ", token, " of ", head.weight.out);
  return token;
}

}  // namespace

std::vector<double> ReferenceBackend::Logits(const Tensor& hidden, int64_t row, const HeadParams& head) {
  RLVR_CHECK(hidden.cols() == head.weight.in);
  std::vector<double> logits(head.weight.out, 0.0);
  peak_logits_bytes_ = std::max(peak_logits_bytes_, logits.size() * sizeof(double));
  for (int64_t v = 0; v < head.weight.out; ++v) {
    const std::vector<double> weight = WeightRow(head.weight, v);
    for (int64_t i = 0; i < hidden.cols(); ++i) logits[v] += hidden.At(row, i) * weight[i];
    if (head.softcap > 0) logits[v] = head.softcap * std::tanh(logits[v] / head.softcap);
  }
  return logits;
}

void ReferenceBackend::HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                                  const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) {
  for (int64_t r = 0; r < hidden.rows(); ++r) {
    const Distribution d = Distribute(Logits(hidden, r, head), sampling);
    const int64_t token = Draw(d, sampling, sampling.greedy() ? 0 : uniform.At(0, r));
    tokens.Set(0, r, static_cast<double>(token));
    Write(out.logprob, r, d.log_prob[token]);
    Write(out.entropy, r, d.entropy);
  }
}

void ReferenceBackend::HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                                    const Tensor& target, const HeadOutputs& out) {
  for (int64_t r = 0; r < hidden.rows(); ++r) {
    const Distribution d = Distribute(Logits(hidden, r, head), sampling);
    Write(out.logprob, r, d.log_prob[Target(target, r, head)]);
    Write(out.entropy, r, d.entropy);
  }
}

// dlogprob / dlogit_v = ((v is the target) - p_v) / temperature, with p that of the distribution the logprob is from.
void ReferenceBackend::HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                                const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out,
                                const Tensor& dhidden, const Tensor& dweight) {
  RLVR_CHECK(!dweight.defined() || !sampling.truncates(), "full training takes the untruncated distribution");
  for (int64_t r = 0; r < hidden.rows(); ++r) {
    const std::vector<double> logits = Logits(hidden, r, head);
    const Distribution d = Distribute(logits, sampling);
    const int64_t target = Target(targets.target, r, head);
    const TokenTerms terms = Terms(loss, targets, r, d.log_prob[target]);
    Write(out.logprob, r, d.log_prob[target]);
    Write(out.entropy, r, d.entropy);
    Write(out.loss, r, terms.loss);
    Write(out.kl, r, terms.kl);
    Write(out.clipped, r, terms.clipped);

    const std::vector<double>& p = d.drawable[target] ? d.probability : d.untruncated;
    std::vector<double> dhidden_row(hidden.cols(), 0.0);
    for (int64_t v = 0; v < head.weight.out; ++v) {
      double dlogit = terms.dlogprob * ((v == target ? 1 : 0) - p[v]) / d.temperature;
      if (head.softcap > 0) dlogit *= 1 - std::pow(logits[v] / head.softcap, 2);
      const std::vector<double> weight = WeightRow(head.weight, v);
      for (int64_t i = 0; i < hidden.cols(); ++i) {
        dhidden_row[i] += dlogit * weight[i];
        if (dweight.defined()) dweight.Add(v, i, dlogit * hidden.At(r, i));
      }
    }
    for (int64_t i = 0; i < hidden.cols() && dhidden.defined(); ++i) dhidden.Set(r, i, dhidden_row[i]);
  }
}

}  // namespace rlvr
