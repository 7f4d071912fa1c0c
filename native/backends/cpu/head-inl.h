// One row's chunk of logits: softcap, temperature, the sums that a softmax needs, and its gradient.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::ChunkArgs;
using cpu::ChunkSum;

ChunkSum HeadSum(const ChunkArgs& args) {
  const V cap = Set1(args.softcap), inverse_cap = Set1(args.softcap > 0 ? 1.0f / args.softcap : 0.0f);
  const V inverse_temperature = Set1(args.inverse_temperature), lowest = Set1(-kInfinity);
  V most = lowest;
  for (int64_t i = 0; i < args.count; i += 16) {
    const int64_t n = Smaller(16, args.count - i);
    V x = LoadN(args.logits + i, n);
    if (args.softcap > 0) x = Mul(cap, Tanh(Mul(x, inverse_cap)));
    x = Mul(x, inverse_temperature);
    StoreN(args.logits + i, x, n);
    most = Max(most, KeepRange(x, 0, n, lowest));
  }
  ChunkSum result;
  result.max = ReduceMax(most);
  const V max = Set1(result.max);
  V sum = Zero(), weighted = Zero();
  for (int64_t i = 0; i < args.count; i += 16) {
    const int64_t n = Smaller(16, args.count - i);
    const V distance = Sub(LoadN(args.logits + i, n), max);
    const V e = KeepRange(Exp(distance), 0, n, Zero());
    sum = Add(sum, e);
    if (args.entropy) weighted = Fma(e, distance, weighted);
  }
  result.sum = ReduceAdd(sum);
  result.weighted = args.entropy ? ReduceAdd(weighted) : 0.0f;
  if (args.argmax) {
    int64_t at = 0;
    while (at + 1 < args.count && args.logits[at] != result.max) ++at;
    result.argmax = static_cast<int32_t>(at);
  }
  return result;
}

void HeadSoftmax(const ChunkArgs& args, float max, float factor) {
  const V m = Set1(max), f = Set1(factor), one = Set1(1.0f);
  const V from_cap = Set1(args.softcap > 0 ? 1.0f / (args.inverse_temperature * args.softcap) : 0.0f);
  for (int64_t i = 0; i < args.count; i += 16) {
    const int64_t n = Smaller(16, args.count - i);
    const V x = LoadN(args.logits + i, n);
    V p = Mul(Exp(Sub(x, m)), f);
    if (args.softcap > 0) {
      const V t = Mul(x, from_cap);  // tanh of the softcap
      p = Mul(p, Sub(one, Mul(t, t)));
    }
    StoreN(args.logits + i, p, n);
  }
}

// Few lie so high: 64 at a time are passed over by their maximum.
int64_t HeadSelect(const float* x, int64_t count, float least, int64_t first, cpu::Candidate* to) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i += 64) {
    const int64_t n = Smaller(64, count - i);
    if (n == 64) {
      const V most = Max(Max(Load(x + i), Load(x + i + 16)), Max(Load(x + i + 32), Load(x + i + 48)));
      if (ReduceMax(most) < least) continue;
    }
    for (int64_t j = i; j < i + n; ++j) {
      if (x[j] >= least) to[found++] = {x[j], static_cast<int32_t>(first + j)};
    }
  }
  return found;
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
