#include "staged_ops.h"

#include <cstring>

namespace rlvr::test {

// The tensors of one call on the device. A tensor of the case that occurs twice is the same tensor there too.
class StagedOps::Call {
 public:
  explicit Call(StagedOps& staged) : staged_(staged), memory_(staged.device_.memory()) {}
  ~Call() {
    for (Copy& copy : copies_) memory_.Free(copy.data, copy.bytes.size());
  }

  Tensor In(const Tensor& host, DType type) { return Stage(host, type, false); }
  Tensor Out(const Tensor& host, DType type) { return Stage(host, type, true); }
  Tensor Activation(const Tensor& host) { return In(host, staged_.device_.ActivationType()); }
  Tensor ActivationOut(const Tensor& host) { return Out(host, staged_.device_.ActivationType()); }
  Tensor Parameter(const Tensor& host) { return In(host, staged_.device_.ParameterType()); }
  Tensor ParameterOut(const Tensor& host) { return Out(host, staged_.device_.ParameterType()); }
  Tensor Plain(const Tensor& host) { return In(host, host.dtype()); }
  HeadOutputs Outputs(const HeadOutputs& out) {
    return {ParameterOut(out.logprob), ParameterOut(out.entropy), ParameterOut(out.loss), ParameterOut(out.kl),
            ParameterOut(out.clipped)};
  }
  LoraView Lora(const LoraView& lora) {
    return {Activation(lora.a), Activation(lora.b), Activation(lora.a_t), Activation(lora.b_t), lora.scale};
  }

  // Brings the outputs back and looks at what lies between their rows.
  void Finish() {
    for (const Copy& copy : copies_) {
      if (!copy.is_output) continue;
      std::vector<std::byte> after(copy.bytes.size());
      memory_.Download(copy.data, after.data(), after.size());
      const Tensor& host = copy.host;
      const Tensor view(after.data(), copy.type, host.rows(), host.cols(), host.stride());
      const size_t row = BytesOf(copy.type, host.stride()), used = BytesOf(copy.type, host.cols());
      for (int64_t r = 0; r < host.rows(); ++r) {
        for (int64_t c = 0; c < host.cols(); ++c) host.Set(r, c, view.At(r, c));
        const size_t end = std::min(after.size(), static_cast<size_t>(r + 1) * row);
        const size_t begin = std::min(end, static_cast<size_t>(r) * row + used);
        if (std::memcmp(&after[begin], &copy.bytes[begin], end - begin) != 0) {
          staged_.overran_ = true;
        }
      }
    }
  }

 private:
  struct Copy {
    Tensor host;
    DType type;
    bool is_output;
    std::vector<std::byte> bytes;
    std::byte* data;
  };

  Tensor Stage(const Tensor& host, DType type, bool is_output) {
    if (!host.defined()) return Tensor();
    for (Copy& copy : copies_) {
      if (copy.host.data() != host.data() || copy.type != type || copy.host.rows() != host.rows()) continue;
      copy.is_output |= is_output;
      return View(copy);
    }
    Copy copy{host, type, is_output, {}, nullptr};
    const int64_t elements = host.rows() == 0 ? 0 : (host.rows() - 1) * host.stride() + host.cols();
    copy.bytes.resize(BytesOf(type, elements));
    const Tensor flat(copy.bytes.data(), type, 1, elements), from(host.data(), host.dtype(), 1, elements);
    for (int64_t i = 0; i < elements; ++i) flat.Set(0, i, from.At(0, i));
    copy.data = memory_.Allocate(std::max<size_t>(copy.bytes.size(), 1), false);
    memory_.Upload(copy.bytes.data(), copy.data, copy.bytes.size());
    copies_.push_back(std::move(copy));
    return View(copies_.back());
  }
  static Tensor View(const Copy& copy) {
    return Tensor(copy.data, copy.type, copy.host.rows(), copy.host.cols(), copy.host.stride());
  }

  StagedOps& staged_;
  DeviceMemory& memory_;
  std::vector<Copy> copies_;
};

StagedOps::~StagedOps() {
  for (const auto& [data, bytes] : owned_) device_.memory().Free(data, bytes);
}

std::byte* StagedOps::Take(size_t bytes) {
  owned_.emplace_back(device_.memory().Allocate(std::max<size_t>(bytes, 1), false), std::max<size_t>(bytes, 1));
  return owned_.back().first;
}

KvView StagedOps::PagesOf(const KvView& kv) {
  const auto found = pages_.find(kv.k.data());
  if (found != pages_.end()) return found->second;
  KvView view = kv;
  for (Tensor* t : {&view.k, &view.v}) {
    const DType type = device_.KvType();
    std::vector<std::byte> bytes(BytesOf(type, t->size()));
    const Tensor plain(bytes.data(), type, t->rows(), t->cols());
    for (int64_t i = 0; i < t->size(); ++i)
      plain.Set(i / t->cols(), i % t->cols(), t->At(i / t->cols(), i % t->cols()));
    std::byte* data = Take(bytes.size());
    device_.memory().Upload(bytes.data(), data, bytes.size());
    *t = Tensor(data, type, t->rows(), t->cols());
  }
  return pages_.emplace(kv.k.data(), view).first->second;
}

void StagedOps::Pack(const WeightSource& source, PackedWeight& w) {
  w.dtype = source.dtype;
  w.out = source.out;
  w.in = source.in;
  PackedWeight packed = w;
  packed.bytes = device_.PackedBytes(source.dtype, source.out, source.in);
  packed.data = Take(packed.bytes);
  device_.Pack(source, packed);
  packed_[w.data] = packed;
}

void StagedOps::Embed(const Tensor& ids, const PackedWeight& w, double scale, const Tensor& y) {
  Call call(*this);
  device_.Embed(call.Plain(ids), PackedOf(w), scale, call.ActivationOut(y));
  call.Finish();
}

void StagedOps::EmbedBackward(const Tensor& ids, double scale, const Tensor& dy, const Tensor& dw) {
  Call call(*this);
  device_.EmbedBackward(call.Plain(ids), scale, call.Activation(dy), call.ParameterOut(dw));
  call.Finish();
}

void StagedOps::Linear(const Tensor& x, const PackedWeight& w, const Tensor& bias, const Tensor& y) {
  Call call(*this);
  device_.Linear(call.Activation(x), PackedOf(w), call.Parameter(bias), call.ActivationOut(y));
  call.Finish();
}

void StagedOps::LinearInputGrad(const Tensor& dy, const PackedWeight& w, bool accumulate, const Tensor& dx) {
  Call call(*this);
  device_.LinearInputGrad(call.Activation(dy), PackedOf(w), accumulate, call.ActivationOut(dx));
  call.Finish();
}

void StagedOps::LinearWeightGrad(const Tensor& dy, const Tensor& x, const Tensor& dw) {
  Call call(*this);
  device_.LinearWeightGrad(call.Activation(dy), call.Activation(x), call.ParameterOut(dw));
  call.Finish();
}

void StagedOps::Lora(const Tensor& x, const LoraView& lora, const Tensor& u, const Tensor& y) {
  Call call(*this);
  device_.Lora(call.Activation(x), call.Lora(lora), call.ActivationOut(u), call.ActivationOut(y));
  call.Finish();
}

void StagedOps::Linears(const Tensor& x, std::span<const LinearPart> parts) {
  Call call(*this);
  std::vector<LinearPart> staged;
  for (const LinearPart& part : parts) {
    staged.push_back({PackedOf(part.weight), call.Parameter(part.bias), call.Lora(part.lora),
                      call.ActivationOut(part.u), call.ActivationOut(part.y)});
  }
  device_.Linears(call.Activation(x), staged);
  call.Finish();
}

void StagedOps::LoraBackward(const Tensor& x, const Tensor& u, const Tensor& dy, const LoraView& lora, const Tensor& du,
                             const Tensor& da, const Tensor& db, const Tensor& dx) {
  Call call(*this);
  device_.LoraBackward(call.Activation(x), call.Activation(u), call.Activation(dy), call.Lora(lora),
                       call.ActivationOut(du), call.ParameterOut(da), call.ParameterOut(db), call.ActivationOut(dx));
  call.Finish();
}

void StagedOps::Transpose(const Tensor& from, const Tensor& to) {
  Call call(*this);
  device_.Transpose(call.Parameter(from), call.ActivationOut(to));
  call.Finish();
}

void StagedOps::RmsNorm(const Tensor& x, const Tensor& weight, double eps, double weight_offset, const Tensor& y) {
  Call call(*this);
  device_.RmsNorm(call.Activation(x), call.Parameter(weight), eps, weight_offset, call.ActivationOut(y));
  call.Finish();
}

void StagedOps::RmsNormBackward(const Tensor& x, const Tensor& weight, double eps, double weight_offset,
                                const Tensor& dy, bool accumulate, const Tensor& dx, const Tensor& dweight) {
  Call call(*this);
  device_.RmsNormBackward(call.Activation(x), call.Parameter(weight), eps, weight_offset, call.Activation(dy),
                          accumulate, call.ActivationOut(dx), call.ParameterOut(dweight));
  call.Finish();
}

void StagedOps::Rope(const Tensor& x, const Tensor& cos, const Tensor& sin, int64_t heads, int64_t head_dim,
                     bool inverse) {
  Call call(*this);
  device_.Rope(call.ActivationOut(x), call.Plain(cos), call.Plain(sin), heads, head_dim, inverse);
  call.Finish();
}

void StagedOps::GatedActivation(const Tensor& gate, const Tensor& up, rlvr::Activation act, const Tensor& y) {
  Call call(*this);
  device_.GatedActivation(call.Activation(gate), call.Activation(up), act, call.ActivationOut(y));
  call.Finish();
}

void StagedOps::GatedActivationBackward(const Tensor& gate, const Tensor& up, rlvr::Activation act, const Tensor& dy,
                                        const Tensor& dgate, const Tensor& dup) {
  Call call(*this);
  device_.GatedActivationBackward(call.Activation(gate), call.Activation(up), act, call.Activation(dy),
                                  call.ActivationOut(dgate), call.ActivationOut(dup));
  call.Finish();
}

void StagedOps::Add(const Tensor& x, const Tensor& y) {
  Call call(*this);
  device_.Add(call.Activation(x), call.ActivationOut(y));
  call.Finish();
}

void StagedOps::Copy(const Tensor& x, const Tensor& y) {
  Call call(*this);
  device_.Copy(call.Activation(x), call.ActivationOut(y));
  call.Finish();
}

void StagedOps::Zero(const Tensor& y) {
  Call call(*this);
  device_.Zero(call.ActivationOut(y));
  call.Finish();
}

void StagedOps::GatherRows(const Tensor& x, const Tensor& rows, const Tensor& y) {
  Call call(*this);
  device_.GatherRows(call.Activation(x), call.Plain(rows), call.ActivationOut(y));
  call.Finish();
}

void StagedOps::GatherRowsBackward(const Tensor& dy, const Tensor& rows, const Tensor& dx) {
  Call call(*this);
  device_.GatherRowsBackward(call.Activation(dy), call.Plain(rows), call.ActivationOut(dx));
  call.Finish();
}

void StagedOps::SumRows(const Tensor& dy, const Tensor& db) {
  Call call(*this);
  device_.SumRows(call.Activation(dy), call.ParameterOut(db));
  call.Finish();
}

void StagedOps::WriteKv(const Tensor& k, const Tensor& v, const SpanView& batch, const KvView& kv) {
  Call call(*this);
  device_.BeginBatch(batch);
  device_.WriteKv(call.Activation(k), call.Activation(v), batch, PagesOf(kv));
}

void StagedOps::Attention(const Tensor& q, const KvView& kv, const SpanView& batch, const AttentionParams& params,
                          const Tensor& out, const Tensor& lse) {
  Call call(*this);
  device_.BeginBatch(batch);
  device_.Attention(call.Activation(q), PagesOf(kv), batch, params, call.ActivationOut(out), call.ParameterOut(lse));
  call.Finish();
}

void StagedOps::AttentionBackward(const Tensor& q, const KvView& kv, const SpanView& batch,
                                  const AttentionParams& params, const Tensor& out, const Tensor& lse,
                                  const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  Call call(*this);
  device_.BeginBatch(batch);
  device_.AttentionBackward(call.Activation(q), PagesOf(kv), batch, params, call.Activation(out), call.Parameter(lse),
                            call.Activation(dout), call.ActivationOut(dq), call.ActivationOut(dk),
                            call.ActivationOut(dv));
  call.Finish();
}

void StagedOps::HeadSample(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                           const Tensor& uniform, const Tensor& tokens, const HeadOutputs& out) {
  Call call(*this);
  device_.HeadSample(call.Activation(hidden), {PackedOf(head.weight), head.softcap}, sampling, call.Plain(uniform),
                     call.Out(tokens, DType::kI32), call.Outputs(out));
  call.Finish();
}

void StagedOps::HeadLogprobs(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                             const Tensor& target, const HeadOutputs& out) {
  Call call(*this);
  device_.HeadLogprobs(call.Activation(hidden), {PackedOf(head.weight), head.softcap}, sampling, call.Plain(target),
                       call.Outputs(out));
  call.Finish();
}

void StagedOps::HeadLoss(const Tensor& hidden, const HeadParams& head, const SamplingParams& sampling,
                         const HeadTargets& t, const TokenLoss& loss, const HeadOutputs& out, const Tensor& dhidden,
                         const Tensor& dweight) {
  Call call(*this);
  const HeadTargets targets = {call.Plain(t.target), call.Parameter(t.old_logprob), call.Parameter(t.ref_logprob),
                               call.Parameter(t.advantage), call.Parameter(t.weight)};
  device_.HeadLoss(call.Activation(hidden), {PackedOf(head.weight), head.softcap}, sampling, targets, loss,
                   call.Outputs(out), call.ActivationOut(dhidden), call.ParameterOut(dweight));
  call.Finish();
}

double StagedOps::SumSquares(const Tensor& x) {
  Call call(*this);
  return device_.SumSquares(call.Parameter(x));
}

void StagedOps::AdamW(const AdamWParams& params, const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v) {
  Call call(*this);
  device_.AdamW(params, call.ParameterOut(p), call.Parameter(g), call.ParameterOut(m), call.ParameterOut(v));
  call.Finish();
}

}  // namespace rlvr::test
