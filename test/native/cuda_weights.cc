// How weights lie on the card: sizes, packing, unpacking, Embed's gather, all types against their codec, bit for bit.
#include "cuda_linear.h"

namespace rlvr::test {

namespace {

constexpr double kPaddingValue = 7;

int64_t InOf(DType dtype) { return dtype == DType::kNF4 ? 320 : Info(dtype).block == 1 ? 77 : Info(dtype).block * 3; }

// Rows ids (or all) of a packed matrix against `values(row, col)`, bits of BF16; how many differ.
template <typename Values>
int64_t WrongElements(const CardWeight& weight, const std::vector<int32_t>& ids, float scale, int64_t to_stride,
                      int64_t to_offset, const Values& values) {
  const PackedWeight& w = weight.get();
  const auto rows = static_cast<int64_t>(ids.size());
  CardMatrix to(DType::kBF16, rows, w.in, to_stride, to_offset);
  to.Fill([](int64_t, int64_t) { return kPaddingValue; });
  const DeviceArray<int32_t> card_ids(ids);
  cuda::UnpackRows(nullptr, w.dtype, cuda::ViewOf(w), card_ids.data(), scale, rows,
                   static_cast<Bf16*>(to.tensor().data()), to_stride);
  const std::vector<double> got = to.Read();
  int64_t wrong = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < to_stride; ++c) {
      const double expected = c < w.in ? RoundedToBf16(scale * values(ids[static_cast<size_t>(r)], c)) : kPaddingValue;
      wrong += got[static_cast<size_t>(r * to_stride + c)] == expected ? 0 : 1;
    }
  }
  return wrong;
}

std::vector<int32_t> Identity(int64_t rows) {
  std::vector<int32_t> ids;
  for (int32_t r = 0; r < rows; ++r) ids.push_back(r);
  return ids;
}

}  // namespace

TEST("a packed weight of every type unpacks to the values of its codec, rounded once") {
  for (const DType dtype : kWeightTypes) {
    const StoredMatrix m = MakeMatrix(dtype, 37, InOf(dtype), 1);
    const CardWeight weight(m);
    const auto values = [&](int64_t r, int64_t c) { return m.at(r, c); };
    const int64_t aligned = (m.in + 7) / 8 * 8;
    EXPECT_EQ(WrongElements(weight, Identity(m.out), 1.0f, aligned, 0, values), 0);
    EXPECT_EQ(WrongElements(weight, Identity(m.out), 1.0f, m.in + 3, 1, values), 0);
    // Of another row: the check sees it.
    const auto shifted = [&](int64_t r, int64_t c) { return m.at((r + 1) % m.out, c); };
    EXPECT_LE(m.out * m.in / 2, WrongElements(weight, Identity(m.out), 1.0f, aligned, 0, shifted));
  }
}

TEST("embedding rows come in the order of their ids, scaled") {
  for (const DType dtype : kWeightTypes) {
    const StoredMatrix m = MakeMatrix(dtype, 19, InOf(dtype), 2);
    const CardWeight weight(m);
    const bool is_plain = Info(dtype).block == 1;  // and BF16 on the card already
    const auto values = [&](int64_t r, int64_t c) { return is_plain ? RoundedToBf16(m.at(r, c)) : m.at(r, c); };
    EXPECT_EQ(WrongElements(weight, {18, 0, 3, 3, 11}, 5.5f, m.in, 0, values), 0);
  }
}

TEST("rows are packed in the order asked for, with NF4's scales following") {
  for (const DType dtype : kWeightTypes) {
    // Six blocks a row: NF4's nested scales change in the middle of row 42.
    const StoredMatrix m = MakeMatrix(dtype, 90, dtype == DType::kNF4 ? 384 : InOf(dtype), 3);
    std::vector<int32_t> order;
    for (int32_t r = 0; r < m.out; ++r) order.push_back(static_cast<int32_t>((r * 47) % m.out));
    const CardWeight weight(m, order.data());
    EXPECT_EQ(WrongElements(weight, Identity(m.out), 1.0f, m.in, 0,
                            [&](int64_t r, int64_t c) { return m.at(order[static_cast<size_t>(r)], c); }),
              0);
  }
}

TEST("a matrix that is larger than a chunk of packing arrives whole") {
  const StoredMatrix m = MakeMatrix(DType::kQ4_1, 1100, 8192, 4);  // 4.5 MB of codes
  const CardWeight weight(m);
  EXPECT_EQ(WrongElements(weight, {0, 511, 1023, 1024, 1025, 1099}, 1.0f, m.in, 0,
                          [&](int64_t r, int64_t c) { return m.at(r, c); }),
            0);
}

TEST("a trained matrix is packed by rounding it") {
  constexpr int64_t kOut = 5, kIn = 301;
  CardMatrix master(DType::kF32, kOut, kIn, kIn + 2);
  master.Fill([](int64_t r, int64_t c) { return Random(5, r, c); });
  const size_t bytes = cuda::PackedBytes(DType::kBF16, kOut, kIn);
  const DeviceArray<std::byte> data(bytes);
  PackedWeight w;
  w.data = data.data();
  w.bytes = bytes;
  cuda::PackMasterWeight(nullptr, master.tensor(), w);
  CardMatrix to(DType::kBF16, kOut, kIn, kIn);
  cuda::UnpackRows(nullptr, w.dtype, cuda::ViewOf(w), nullptr, 1.0f, kOut, static_cast<Bf16*>(to.tensor().data()), kIn);
  const std::vector<double> got = to.Read();
  int64_t wrong = 0;
  for (int64_t i = 0; i < kOut * kIn; ++i) {
    wrong += got[static_cast<size_t>(i)] == RoundedToBf16(Random(5, i / kIn, i % kIn)) ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0);
}

TEST("NF4 takes 4.14 bits a weight on the card, Q8_0 what the file takes") {
  const double weights = 15360.0 * 3840;
  EXPECT_LE(static_cast<double>(cuda::PackedBytes(DType::kNF4, 15360, 3840)) * 8, weights * 4.14);
  EXPECT_LE(weights * 4.12, static_cast<double>(cuda::PackedBytes(DType::kNF4, 15360, 3840)) * 8);
  EXPECT_EQ(cuda::PackedBytes(DType::kQ8_0, 15360, 3840), MatrixBytes(DType::kQ8_0, 15360, 3840));
  EXPECT_EQ(cuda::PackedBytes(DType::kF32, 256, 100), size_t{256} * 104 * 2);
}

TEST("a type that is no weight and rows of half a block are refused with what to do") {
  EXPECT_THROW_CODE(cuda::PackedBytes(DType::kI32, 4, 64), ErrorCode::kUnsupported, "weights are F64");
  EXPECT_THROW_CODE(cuda::PackedBytes(DType::kF8E4M3, 4, 64), ErrorCode::kUnsupported, "F8_E4M3");
  EXPECT_THROW_CODE(cuda::PackedBytes(DType::kQ4_K, 4, 128), ErrorCode::kUnsupported, "blocks of 256");
  EXPECT_THROW_CODE(cuda::PackedBytes(DType::kNF4, 4, 96), ErrorCode::kUnsupported, "blocks of 64");
}

}  // namespace rlvr::test
