// Single rows of a packed weight, and the transpose of a plain matrix.
// A row is one lane of its panel: each block is unpacked whole and its lane taken. Embedding is a sliver of a step, and
// so the weight needs no second copy by rows.
namespace rlvr {
namespace RLVR_ISA_NAMESPACE {
namespace {

inline void ReadRow(const Factor& w, int64_t row, float scale, float* out) {
  const Format f = FormatOf(w.dtype);
  const std::byte* panel = w.packed + static_cast<size_t>(row / kPanel) * cpu::PanelBytes(f, w.in);
  const int64_t lane = row % kPanel;
  if (!f.quantised && f.element == 4) {
    const float* from = reinterpret_cast<const float*>(panel) + lane;
    for (int64_t k = 0; k < w.in; ++k) out[k] = scale * from[k * kPanel];
    return;
  }
  float tile[kBlock * kPanel];
  for (int64_t k = 0; k < w.in; k += kBlock) {
    const int64_t count = Smaller(kBlock, w.in - k);
    Unpack(w.dtype, panel, k, count, tile);
    for (int64_t i = 0; i < count; ++i) out[k + i] = scale * tile[i * kPanel + lane];
  }
}

void HeadRow(const Factor& w, int64_t row, float* out) { ReadRow(w, row, 1.0f, out); }

void Embed(const Factor& w, const int32_t* ids, float scale, cpu::Floats y, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) ReadRow(w, ids[r], scale, y.Row(r));
}

// Rows [begin, end) of `to`.
void TransposeRows(cpu::Floats from, cpu::Floats to, int64_t begin, int64_t end) {
  int64_t r = begin;
  for (; r + 16 <= end; r += 16) {
    int64_t c = 0;
    for (; c + 16 <= to.cols; c += 16) {
      V block[16];
      for (int64_t i = 0; i < 16; ++i) block[i] = Load(from.Row(c + i) + r);
      Transpose16(block);
      for (int64_t i = 0; i < 16; ++i) Store(to.Row(r + i) + c, block[i]);
    }
    for (; c < to.cols; ++c) {
      for (int64_t i = 0; i < 16; ++i) to.Row(r + i)[c] = from.Row(c)[r + i];
    }
  }
  for (; r < end; ++r) {
    for (int64_t c = 0; c < to.cols; ++c) to.Row(r)[c] = from.Row(c)[r];
  }
}

}  // namespace
}  // namespace RLVR_ISA_NAMESPACE
}  // namespace rlvr
