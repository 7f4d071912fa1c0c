// The head of the cuda backend behind host tensors, and what it is compared with: the reference, in double, on the same
// BF16 hidden states and weights.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "backends/cuda/check.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/reference/reference_backend.h"
#include "op_cases/op_case.h"

namespace rlvr::test {

// A block of the card's memory.
class CardMemory {
 public:
  explicit CardMemory(size_t bytes) {
    if (bytes > 0) RLVR_CUDA_CHECK(cudaMalloc(&data_, bytes));
  }
  CardMemory(const CardMemory&) = delete;
  ~CardMemory() { cudaFree(data_); }
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_ = nullptr;
};

// Host tensors on the card for one op. Rows lie `pad` elements further apart than they are wide.
class Stage {
 public:
  Tensor Put(const Tensor& host, DType dtype, int64_t pad = 0) {
    if (!host.defined()) return {};
    const int64_t rows = host.rows(), stride = host.cols() + pad;
    std::vector<std::byte> image(BytesOf(dtype, rows * stride));
    const Tensor converted(image.data(), dtype, rows, host.cols(), stride);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < host.cols(); ++c) converted.Set(r, c, host.At(r, c));
    }
    memory_.emplace_back(image.size());
    RLVR_CUDA_CHECK(cudaMemcpy(memory_.back().data(), image.data(), image.size(), cudaMemcpyHostToDevice));
    return Tensor(memory_.back().data(), dtype, rows, host.cols(), stride);
  }
  static void Get(const Tensor& card, const Tensor& host) {
    if (!host.defined()) return;
    RLVR_CUDA_CHECK(cudaDeviceSynchronize());
    std::vector<std::byte> image(BytesOf(card.dtype(), card.rows() * card.stride()));
    RLVR_CUDA_CHECK(cudaMemcpy(image.data(), card.data(), image.size(), cudaMemcpyDeviceToHost));
    const Tensor copy(image.data(), card.dtype(), card.rows(), card.cols(), card.stride());
    for (int64_t r = 0; r < host.rows(); ++r) {
      for (int64_t c = 0; c < host.cols(); ++c) host.Set(r, c, copy.At(r, c));
    }
  }

 private:
  std::deque<CardMemory> memory_;
};

// The reference in double, with weights and hidden states rounded to BF16 first.
class RoundedReference : public ReferenceBackend {
 public:
  RoundedReference() : ReferenceBackend(DType::kF64) {}
  size_t PackedBytes(DType, int64_t out, int64_t in) const override { return BytesOf(DType::kBF16, out * in); }
  void Pack(const WeightSource& source, PackedWeight& w) override {
    const std::vector<uint16_t> rounded = Rounded(source);
    ReferenceBackend::Pack({DType::kBF16, source.out, source.in, rounded.data(), nullptr}, w);
  }
  void HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& uniform,
                  const Tensor& tokens, const HeadOutputs& out) override {
    std::vector<double> rounded;
    ReferenceBackend::HeadSample(Rounded(hidden, rounded), head, sampling, uniform, tokens, out);
  }
  void HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& target,
                    const HeadOutputs& out) override {
    std::vector<double> rounded;
    ReferenceBackend::HeadLogprobs(Rounded(hidden, rounded), head, sampling, target, out);
  }
  void HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out, const Tensor& dhidden,
                const Tensor& dweight) override {
    std::vector<double> rounded;
    ReferenceBackend::HeadLoss(Rounded(hidden, rounded), head, sampling, targets, loss, out, dhidden, dweight);
  }

 protected:
  static std::vector<uint16_t> Rounded(const WeightSource& source) {
    std::vector<uint16_t> rounded;
    std::vector<float> row(static_cast<size_t>(source.in));
    for (int64_t r = 0; r < source.out; ++r) {
      const int64_t from = source.row_order ? source.row_order[r] : r;
      const auto* data = static_cast<const std::byte*>(source.data) + from * BytesOf(source.dtype, source.in);
      if (source.dtype == DType::kF64) {
        for (int64_t i = 0; i < source.in; ++i) row[i] = static_cast<float>(reinterpret_cast<const double*>(data)[i]);
      } else {
        DequantizeRow(source.dtype, data, source.in, row.data());
      }
      for (float value : row) rounded.push_back(F32ToBf16(value));
    }
    return rounded;
  }

 private:
  static Tensor Rounded(const Tensor& hidden, std::vector<double>& values) {
    for (int64_t r = 0; r < hidden.rows(); ++r) {
      for (int64_t c = 0; c < hidden.cols(); ++c) {
        values.push_back(Bf16ToF32(F32ToBf16(static_cast<float>(hidden.At(r, c)))));
      }
    }
    return Tensor(values.data(), DType::kF64, hidden.rows(), hidden.cols());
  }
};

// The cuda backend's head on host tensors of F64.
class CardHead : public RoundedReference {
 public:
  explicit CardHead(const WorkspaceLimits& limits)
      : backend_(cuda::CudaOptions{}), bytes_(backend_.WorkspaceBytes(limits)), workspace_(bytes_) {
    backend_.SetWorkspace(limits, workspace_.data(), bytes_);
  }
  size_t PeakLogitsBytes() const override { return backend_.PeakLogitsBytes(); }
  void Pack(const WeightSource& source, PackedWeight& w) override {
    const std::vector<uint16_t> rounded = Rounded(source);
    const size_t bytes = backend_.PackedBytes(DType::kBF16, source.out, source.in);
    PackedWeight card;
    card.data = weight_memory_.emplace_back(bytes).data();
    card.bytes = bytes;
    backend_.Pack({DType::kBF16, source.out, source.in, rounded.data(), nullptr}, card);
    w.out = source.out;
    w.in = source.in;
    weights_[w.data] = card;
  }
  void HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& uniform,
                  const Tensor& tokens, const HeadOutputs& out) override {
    Stage stage;
    const Tensor drawn = stage.Put(tokens, DType::kI32);
    const HeadOutputs card = Put(stage, out);
    backend_.HeadSample(stage.Put(hidden, DType::kBF16, kPad), OnCard(head), sampling, stage.Put(uniform, DType::kF64),
                        drawn, card);
    Stage::Get(drawn, tokens);
    Get(card, out);
  }
  void HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling, const Tensor& target,
                    const HeadOutputs& out) override {
    Stage stage;
    const HeadOutputs card = Put(stage, out);
    backend_.HeadLogprobs(stage.Put(hidden, DType::kBF16, kPad), OnCard(head), sampling,
                          stage.Put(target, DType::kI32), card);
    Get(card, out);
  }
  void HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                const HeadTargets& targets, const TokenLoss& loss, const HeadOutputs& out, const Tensor& dhidden,
                const Tensor& dweight) override {
    Stage stage;
    const HeadOutputs card = Put(stage, out);
    HeadTargets on_card;
    on_card.target = stage.Put(targets.target, DType::kI32);
    on_card.old_logprob = stage.Put(targets.old_logprob, DType::kF32);
    on_card.ref_logprob = stage.Put(targets.ref_logprob, DType::kF32);
    on_card.advantage = stage.Put(targets.advantage, DType::kF32);
    on_card.weight = stage.Put(targets.weight, DType::kF32);
    const Tensor dh = stage.Put(dhidden, DType::kBF16, kPad), dw = stage.Put(dweight, DType::kF32);
    backend_.HeadLoss(stage.Put(hidden, DType::kBF16, kPad), OnCard(head), sampling, on_card, loss, card, dh, dw);
    Get(card, out);
    Stage::Get(dh, dhidden);
    Stage::Get(dw, dweight);
  }

 private:
  static constexpr int64_t kPad = 8;  // rows of hidden states are views with a stride
  static HeadOutputs Put(Stage& stage, const HeadOutputs& out) {
    return {stage.Put(out.logprob, DType::kF32), stage.Put(out.entropy, DType::kF32), stage.Put(out.loss, DType::kF32),
            stage.Put(out.kl, DType::kF32), stage.Put(out.clipped, DType::kF32)};
  }
  static void Get(const HeadOutputs& card, const HeadOutputs& out) {
    Stage::Get(card.logprob, out.logprob);
    Stage::Get(card.entropy, out.entropy);
    Stage::Get(card.loss, out.loss);
    Stage::Get(card.kl, out.kl);
    Stage::Get(card.clipped, out.clipped);
  }
  HeadParams OnCard(const HeadParams& head) const { return {weights_.at(head.weight.data), head.softcap}; }

  cuda::CudaBackend backend_;
  size_t bytes_;
  CardMemory workspace_;
  std::deque<CardMemory> weight_memory_;
  std::map<const std::byte*, PackedWeight> weights_;
};

}  // namespace rlvr::test
