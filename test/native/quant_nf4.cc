// NF4 with double quantisation: against bitsandbytes' own output (golden/make_nf4.py), and what holds of any matrix.
#include "quant/nf4.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "quant/codec.h"
#include "test.h"

namespace rlvr {
namespace {

std::string Unhex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

const Json& Golden() {
  static const Json golden = Json::Parse(ReadTextFile(test::SourcePath("test/golden/data/nf4.json")), "[test]");
  return golden;
}

struct GoldenMatrix {
  std::string name;
  int64_t out, in;
  std::vector<float> elements;
  std::string planar;  // as quant/nf4.h lays it out
  std::string values;  // F32 bits
};

std::vector<GoldenMatrix> GoldenMatrices() {
  std::vector<GoldenMatrix> list;
  for (const Json::Member& member : Golden().Find("matrices")->members()) {
    const Json& json = member.second;
    const auto bytes = [&](const char* field) { return Unhex(json.Find(field)->string()); };
    GoldenMatrix m;
    m.name = member.first;
    m.out = json.Find("shape")->items()[0].integer();
    m.in = json.Find("shape")->items()[1].integer();
    m.elements.resize(static_cast<size_t>(m.out * m.in));
    const DType dtype = json.Find("dtype")->string() == "BF16" ? DType::kBF16 : DType::kF32;
    DequantizeRow(dtype, bytes("matrix").data(), m.out * m.in, m.elements.data());
    m.planar = bytes("codes") + bytes("absmax") + bytes("nested") + bytes("offset");
    m.values = bytes("dequantized");
    list.push_back(m);
  }
  return list;
}

std::string Quantized(const std::vector<float>& x, int64_t out, int64_t in, int threads = 1) {
  ThreadPool pool(threads);
  std::string bytes(MatrixBytes(DType::kNF4, out, in), '\x55');
  const auto read = [&](int64_t row, float* values) {
    std::memcpy(values, x.data() + row * in, static_cast<size_t>(in) * sizeof(float));
  };
  QuantizeScratch scratch;
  QuantizeNf4(read, out, in, pool, scratch, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

std::vector<float> Dequantized(const std::string& bytes, int64_t out, int64_t in) {
  std::vector<float> values(static_cast<size_t>(out * in));
  const Nf4Matrix matrix(bytes.data(), out, in);
  for (int64_t r = 0; r < out; ++r) matrix.Row(r, values.data() + r * in);
  return values;
}

std::vector<float> RandomWeights(int64_t count, double scale) {
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) {
    const double u = UniformFor(5, static_cast<uint64_t>(i), 0, 0) + UniformFor(5, static_cast<uint64_t>(i), 1, 0) - 1;
    x.push_back(static_cast<float>(scale * u));
  }
  return x;
}

TEST("the tables of NF4 have the bits of bitsandbytes' tables") {
  const std::string values = Unhex(Golden().Find("values")->string());
  const std::string map = Unhex(Golden().Find("absmax_map")->string());
  EXPECT_EQ(values.size(), sizeof kNf4Values);
  EXPECT_EQ(std::memcmp(values.data(), kNf4Values.data(), sizeof kNf4Values), 0);
  EXPECT_EQ(map.size(), sizeof AbsmaxMap());
  EXPECT_EQ(std::memcmp(map.data(), AbsmaxMap().data(), sizeof AbsmaxMap()), 0);
}

TEST("matrices get the codes, the absmax codes, the nested absmaxes and the offset of bitsandbytes") {
  const std::vector<GoldenMatrix> matrices = GoldenMatrices();
  EXPECT_EQ(matrices.size(), size_t{6});
  for (const GoldenMatrix& m : matrices) {
    const Nf4Layout layout(m.out, m.in);
    const std::string bytes = Quantized(m.elements, m.out, m.in);
    EXPECT_EQ(bytes.size(), m.planar.size());
    const auto part = [&](size_t from, size_t to) {
      const bool same = bytes.substr(from, to - from) == m.planar.substr(from, to - from);
      if (!same) std::fprintf(stderr, "matrix \"%s\" differs in bytes %zu to %zu\n", m.name.c_str(), from, to);
      EXPECT(same);
    };
    part(0, layout.absmax);
    part(layout.absmax, layout.nested);
    part(layout.nested, layout.offset);
    part(layout.offset, layout.bytes);
  }
}

TEST("NF4 reads back the bits that bitsandbytes reads back") {
  for (const GoldenMatrix& m : GoldenMatrices()) {
    const std::vector<float> values = Dequantized(m.planar, m.out, m.in);
    EXPECT_EQ(std::memcmp(values.data(), m.values.data(), m.values.size()), 0);
    // A control: with the nibbles of each byte in the other order the values are others, unless all are alike.
    std::string swapped = m.planar;
    for (size_t i = 0; i < Nf4Layout(m.out, m.in).absmax; ++i) {
      const auto byte = static_cast<uint8_t>(swapped[i]);
      swapped[i] = static_cast<char>(byte << 4 | byte >> 4);
    }
    const std::vector<float> wrong = Dequantized(swapped, m.out, m.in);
    EXPECT_EQ(std::memcmp(wrong.data(), m.values.data(), m.values.size()) == 0, m.name == "zeros");
  }
}

TEST("an NF4 matrix takes a little more than four bits an element") {
  const Nf4Layout layout(20, 1024);
  EXPECT_EQ(layout.blocks, 320);
  EXPECT_EQ(layout.nested_blocks, 2);
  EXPECT_EQ(layout.absmax, size_t{10240});
  EXPECT_EQ(layout.nested, size_t{10560});
  EXPECT_EQ(layout.offset, size_t{10568});
  EXPECT_EQ(layout.bytes, size_t{10572});
  EXPECT_EQ(MatrixBytes(DType::kNF4, 20, 1024), layout.bytes);
  EXPECT_EQ(MatrixBytes(DType::kQ8_0, 20, 1024), size_t{20 * 32 * 34});
  EXPECT_EQ(MatrixBytes(DType::kBF16, 3, 5), size_t{30});
  EXPECT_NEAR(8.0 * static_cast<double>(Nf4Layout(4096, 4096).bytes) / (4096.0 * 4096.0), 4.127, 1e-3);
}

TEST("NF4 has the same bytes at every thread count") {
  const std::vector<float> x = RandomWeights(37 * 192, 0.05);
  const std::string one = Quantized(x, 37, 192, 1);
  EXPECT(one == Quantized(x, 37, 192, 2));
  EXPECT(one == Quantized(x, 37, 192, 5));
}

TEST("an NF4 value is within half the widest gap of its block's absmax, and zeros are zeros") {
  std::vector<float> x = RandomWeights(24 * 128, 0.05);
  for (size_t i = 0; i < x.size(); i += 7) x[i] = 0;
  const std::vector<float> back = Dequantized(Quantized(x, 24, 128), 24, 128);
  double worst = 0;
  for (size_t b = 0; b < x.size(); b += 64) {
    double largest = 0;
    for (size_t i = b; i < b + 64; ++i) largest = std::max(largest, std::fabs(double{x[i]}));
    for (size_t i = b; i < b + 64; ++i) {
      if (x[i] == 0) EXPECT_EQ(back[i], 0.0f);
      worst = std::max(worst, std::fabs(double{x[i]} - back[i]) / largest);
    }
  }
  // Half of the gap between -1 and -0.696, and what 8 bits lose of the absmax.
  EXPECT_LE(worst, 0.152 + 0.02);
  EXPECT(worst > 0.05);
}

TEST("rows of NF4 are whole blocks, and no row can be read alone") {
  float value = 0;
  EXPECT_THROW_CODE(Nf4Layout(2, 96), ErrorCode::kInternal, "NF4 rows of 96 elements");
  EXPECT_THROW_CODE(DequantizeRow(DType::kNF4, &value, 64, &value), ErrorCode::kInternal, "NF4 is no type of rows");
  EXPECT_THROW_CODE(QuantizeRow(DType::kNF4, &value, 64, &value), ErrorCode::kInternal, "NF4 is no type of rows");
  EXPECT_THROW_CODE(BytesOf(DType::kNF4, 64), ErrorCode::kInternal, "no bytes of their own");
}

}  // namespace
}  // namespace rlvr
