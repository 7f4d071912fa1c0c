#include "quant/nf4.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/error.h"

namespace rlvr {

namespace {

// The border between two neighbours of an ascending table belongs to the lower one.
template <size_t N>
constexpr std::array<float, N - 1> Borders(const std::array<float, N>& table) {
  std::array<float, N - 1> borders{};
  for (size_t i = 0; i + 1 < N; ++i) borders[i] = (table[i] + table[i + 1]) / 2;
  return borders;
}

constexpr std::array<float, 15> kNf4Borders = Borders(kNf4Values);

// Element i of n evenly spaced F32 from 0.1 to 1, with one rounding each, counted from the nearer end: torch.linspace
// where it has fused multiply-add.
float Spaced(int i, int n) {
  const double step = (1.0f - 0.1f) / static_cast<float>(n - 1);
  const double value = i < n / 2 ? double{0.1f} + step * i : 1.0 - step * (n - 1 - i);
  return static_cast<float>(value);
}

std::array<float, 256> MakeAbsmaxMap() {
  std::array<float, 256> map{};
  size_t next = 0;
  map[next++] = 0.0f;
  map[next++] = 1.0f;
  for (int decade = 0; decade < 7; ++decade) {
    const auto unit = static_cast<float>(std::pow(10.0, decade - 6));
    const int count = 1 << decade;
    for (int i = 0; i < count; ++i) {
      const float mean = (Spaced(i, count + 1) + Spaced(i + 1, count + 1)) / 2;
      map[next++] = unit * mean;
      map[next++] = -(unit * mean);
    }
  }
  RLVR_CHECK(next == map.size());
  std::sort(map.begin(), map.end());
  return map;
}

float Largest(const float* x, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

// What elements are multiplied by: the smallest divisor keeps the inverse finite.
float Inverse(float absmax) { return 1.0f / std::max(absmax, 1e-38f); }

// Border by border for all elements, which compilers turn into vector compares.
void QuantizeBlock(const float* x, float absmax, uint8_t* codes) {
  const float inverse = Inverse(absmax);
  float scaled[kNf4Block];
  int32_t code[kNf4Block] = {};
  for (int64_t i = 0; i < kNf4Block; ++i) scaled[i] = std::clamp(x[i] * inverse, -1.0f, 1.0f);
  for (const float border : kNf4Borders) {
    for (int64_t i = 0; i < kNf4Block; ++i) code[i] += scaled[i] > border ? 1 : 0;
  }
  for (int64_t i = 0; i < kNf4Block / 2; ++i) codes[i] = static_cast<uint8_t>(code[2 * i] << 4 | code[2 * i + 1]);
}

// The second quantisation: codes of absmax - offset, and the largest magnitude of each 256 of these.
void CompressAbsmax(std::vector<float>& absmax, const Nf4Layout& layout, std::byte* bytes) {
  static const std::array<float, 255> borders = Borders(AbsmaxMap());
  double sum = 0;
  for (const float value : absmax) sum += value;
  const float offset = absmax.empty() ? 0.0f : static_cast<float>(sum) / static_cast<float>(absmax.size());
  std::memcpy(bytes + layout.offset, &offset, sizeof offset);
  for (float& value : absmax) value -= offset;
  auto* codes = reinterpret_cast<uint8_t*>(bytes + layout.absmax);
  for (int64_t n = 0; n < layout.nested_blocks; ++n) {
    const int64_t first = n * kNf4NestedBlocks, count = std::min(kNf4NestedBlocks, layout.blocks - first);
    const float* x = absmax.data() + first;
    const float largest = Largest(x, count), inverse = Inverse(largest);
    std::memcpy(bytes + layout.nested + static_cast<size_t>(n) * sizeof largest, &largest, sizeof largest);
    for (int64_t i = 0; i < count; ++i) {
      const float scaled = std::clamp(x[i] * inverse, -1.0f, 1.0f);
      codes[first + i] =
          static_cast<uint8_t>(std::lower_bound(borders.begin(), borders.end(), scaled) - borders.begin());
    }
    if (largest == 0) std::memset(codes + first, 0, static_cast<size_t>(count));  // any code would do; so bitsandbytes
  }
}

}  // namespace

Nf4Layout::Nf4Layout(int64_t out, int64_t in)
    : blocks(out * in / kNf4Block), nested_blocks((blocks + kNf4NestedBlocks - 1) / kNf4NestedBlocks) {
  RLVR_CHECK(in % kNf4Block == 0, "NF4 rows of ", in, " elements");
  absmax = static_cast<size_t>(blocks) * kNf4Block / 2;
  nested = absmax + static_cast<size_t>(blocks);
  offset = nested + static_cast<size_t>(nested_blocks) * sizeof(float);
  bytes = offset + sizeof(float);
}

const std::array<float, 256>& AbsmaxMap() {
  static const std::array<float, 256> map = MakeAbsmaxMap();
  return map;
}

Nf4Matrix::Nf4Matrix(const void* bytes, int64_t out, int64_t in)
    : in_(in), layout_(out, in), bytes_(static_cast<const uint8_t*>(bytes)) {
  std::memcpy(&offset_, bytes_ + layout_.offset, sizeof offset_);
}

float Nf4Matrix::Absmax(int64_t row, int64_t block) const {
  const int64_t b = row * in_ / kNf4Block + block;
  float nested;
  std::memcpy(&nested, bytes_ + layout_.nested + static_cast<size_t>(b / kNf4NestedBlocks) * sizeof nested,
              sizeof nested);
  return AbsmaxMap()[bytes_[layout_.absmax + static_cast<size_t>(b)]] * nested + offset_;
}

void Nf4Matrix::Row(int64_t row, float* values) const {
  const uint8_t* codes = Codes(row);
  for (int64_t b = 0; b < in_ / kNf4Block; ++b) {
    const float absmax = Absmax(row, b);
    for (int64_t i = b * kNf4Block; i < (b + 1) * kNf4Block; ++i) {
      const int code = i % 2 == 0 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
      values[i] = kNf4Values[static_cast<size_t>(code)] * absmax;
    }
  }
}

void QuantizeNf4(const RowReader& read, int64_t out, int64_t in, ThreadPool& pool, QuantizeScratch& scratch,
                 std::byte* bytes) {
  const Nf4Layout layout(out, in);
  const int64_t row_blocks = in / kNf4Block;
  scratch.ReserveRows(pool.threads(), in);
  scratch.absmax.resize(static_cast<size_t>(layout.blocks));
  pool.ParallelFor(out, [&](int64_t begin, int64_t end, int thread) {
    float* row = scratch.rows[static_cast<size_t>(thread)].data();
    for (int64_t r = begin; r < end; ++r) {
      read(r, row);
      auto* codes = reinterpret_cast<uint8_t*>(bytes) + r * in / 2;
      for (int64_t b = 0; b < row_blocks; ++b) {
        const float* x = row + b * kNf4Block;
        float& largest = scratch.absmax[static_cast<size_t>(r * row_blocks + b)];
        largest = Largest(x, kNf4Block);
        QuantizeBlock(x, largest, codes + b * kNf4Block / 2);
      }
    }
  });
  CompressAbsmax(scratch.absmax, layout, bytes);
}

}  // namespace rlvr
