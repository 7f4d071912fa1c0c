// RMS norm over rows. Sums run over sixteen lanes in a fixed order; a row's result depends on that row alone.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

using cpu::Floats;

inline float RowScale(const float* x, int64_t dim, float eps) {
  V sum = Zero();
  for (int64_t i = 0; i < dim; i += 16) {
    const V v = dim - i >= 16 ? Load(x + i) : LoadN(x + i, dim - i);
    sum = Fma(v, v, sum);
  }
  return 1.0f / __builtin_sqrtf(ReduceAdd(sum) / static_cast<float>(dim) + eps);
}

void RmsNorm(Floats x, const float* weight, float eps, float offset, Floats y, int64_t begin, int64_t end) {
  const V plus = Set1(offset);
  for (int64_t r = begin; r < end; ++r) {
    const float* from = x.Row(r);
    float* to = y.Row(r);
    const V scale = Set1(RowScale(from, x.cols, eps));
    int64_t i = 0;
    for (; i + 16 <= x.cols; i += 16) Store(to + i, Mul(Mul(Load(from + i), scale), Add(Load(weight + i), plus)));
    if (const int64_t n = x.cols - i; n > 0) {
      StoreN(to + i, Mul(Mul(LoadN(from + i, n), scale), Add(LoadN(weight + i, n), plus)), n);
    }
  }
}

void RmsScales(Floats x, float eps, float* scales, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) scales[r] = RowScale(x.Row(r), x.cols, eps);
}

// With s the row's scale and g = dy (w + offset): dx = s (g - x s^2 mean(g x)).
void RmsNormBackward(Floats x, const float* weight, float eps, float offset, Floats dy, bool accumulate, Floats dx,
                     int64_t begin, int64_t end) {
  const V plus = Set1(offset);
  const int64_t dim = x.cols;
  for (int64_t r = begin; r < end; ++r) {
    const float *from = x.Row(r), *grad = dy.Row(r);
    float* to = dx.Row(r);
    const float scale = RowScale(from, dim, eps);
    V dot = Zero();
    for (int64_t i = 0; i < dim; i += 16) {
      const int64_t n = Smaller(16, dim - i);
      const V g = Mul(LoadN(grad + i, n), Add(LoadN(weight + i, n), plus));
      dot = Fma(g, LoadN(from + i, n), dot);
    }
    const V s = Set1(scale), c = Set1(-scale * scale * ReduceAdd(dot) / static_cast<float>(dim));
    for (int64_t i = 0; i < dim; i += 16) {
      const int64_t n = Smaller(16, dim - i);
      const V g = Mul(LoadN(grad + i, n), Add(LoadN(weight + i, n), plus));
      const V d = Mul(s, Fma(c, LoadN(from + i, n), g));
      StoreN(to + i, accumulate ? Add(LoadN(to + i, n), d) : d, n);
    }
  }
}

void RmsNormWeightGrad(Floats x, const float* scales, Floats dy, float* dweight, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += 16) {
    const int64_t n = Smaller(16, end - i);
    V sum = LoadN(dweight + i, n);
    for (int64_t r = 0; r < x.rows; ++r) {
      sum = Fma(Mul(LoadN(x.Row(r) + i, n), Set1(scales[r])), LoadN(dy.Row(r) + i, n), sum);
    }
    StoreN(dweight + i, sum, n);
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
