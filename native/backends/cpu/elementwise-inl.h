// Rope, gated activation, scaled additions and AdamW.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

void Rope(Floats x, Floats cos, Floats sin, int64_t heads, int64_t head_dim, bool inverse, int64_t begin, int64_t end) {
  const int64_t half = cos.cols;
  const V sign = Set1(inverse ? -1.0f : 1.0f);
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      float *a = x.Row(r) + h * head_dim, *b = a + half;
      for (int64_t i = 0; i < half; i += 16) {
        const int64_t n = Smaller(16, half - i);
        const V c = LoadN(cos.Row(r) + i, n), s = Mul(LoadN(sin.Row(r) + i, n), sign);
        const V p = LoadN(a + i, n), q = LoadN(b + i, n);
        StoreN(a + i, Sub(Mul(p, c), Mul(q, s)), n);
        StoreN(b + i, Add(Mul(q, c), Mul(p, s)), n);
      }
    }
  }
}

inline V Sigmoid(V x) { return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Sub(Zero(), x)))); }

// gelu_tanh(x) = x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3); silu(x) = x sigmoid(x).
inline V GateArgument(Activation act, V x) {
  if (act == Activation::kSilu) return x;
  const V cube = Mul(Mul(x, x), x);
  return Mul(Set1(1.5957691216057308f), Fma(Set1(0.044715f), cube, x));
}

// Derivative of GateArgument.
inline V GateSlope(Activation act, V x) {
  if (act == Activation::kSilu) return Set1(1.0f);
  return Mul(Set1(1.5957691216057308f), Fma(Set1(0.134145f), Mul(x, x), Set1(1.0f)));
}

void Gated(Floats gate, Floats up, Activation act, Floats y, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < y.cols; i += 16) {
      const int64_t n = Smaller(16, y.cols - i);
      const V g = LoadN(gate.Row(r) + i, n), u = LoadN(up.Row(r) + i, n);
      StoreN(y.Row(r) + i, Mul(Mul(g, Sigmoid(GateArgument(act, g))), u), n);
    }
  }
}

void GatedBackward(Floats gate, Floats up, Activation act, Floats dy, Floats dgate, Floats dup, int64_t begin,
                   int64_t end) {
  const V one = Set1(1.0f);
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < dy.cols; i += 16) {
      const int64_t n = Smaller(16, dy.cols - i);
      const V g = LoadN(gate.Row(r) + i, n), u = LoadN(up.Row(r) + i, n), d = LoadN(dy.Row(r) + i, n);
      const V s = Sigmoid(GateArgument(act, g));
      // d/dg [g s(z(g))] = s + g s (1 - s) z'
      const V slope = Fma(Mul(Mul(g, s), Sub(one, s)), GateSlope(act, g), s);
      StoreN(dgate.Row(r) + i, Mul(Mul(d, u), slope), n);
      StoreN(dup.Row(r) + i, Mul(d, Mul(g, s)), n);
    }
  }
}

void Axpy(float a, const float* x, float* y, int64_t count) {
  const V factor = Set1(a);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) Store(y + i, Fma(factor, Load(x + i), Load(y + i)));
  if (const int64_t n = count - i; n > 0) StoreN(y + i, Fma(factor, LoadN(x + i, n), LoadN(y + i, n)), n);
}

void Scale(float a, float* x, int64_t count) {
  const V factor = Set1(a);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) Store(x + i, Mul(factor, Load(x + i)));
  if (const int64_t n = count - i; n > 0) StoreN(x + i, Mul(factor, LoadN(x + i, n)), n);
}

void AdamW(const cpu::AdamWArgs& args, int64_t begin, int64_t end) {
  const V beta1 = Set1(args.beta1), beta2 = Set1(args.beta2), rest1 = Set1(args.rest1), rest2 = Set1(args.rest2);
  const V decay = Set1(args.decay), step = Set1(-args.step_size), eps = Set1(args.eps);
  const V correction = Set1(args.inverse_correction), factor = Set1(args.gradient_scale);
  for (int64_t i = begin; i < end; i += 16) {
    const int64_t n = Smaller(16, end - i);
    const V g = Mul(LoadN(args.g + i, n), factor);
    const V m = Fma(rest1, g, Mul(beta1, LoadN(args.m + i, n)));
    const V v = Fma(Mul(rest2, g), g, Mul(beta2, LoadN(args.v + i, n)));
    const V root = Fma(Sqrt(v), correction, eps);
    StoreN(args.p + i, Fma(step, Div(m, root), Mul(LoadN(args.p + i, n), decay)), n);
    StoreN(args.m + i, m, n);
    StoreN(args.v + i, v, n);
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
