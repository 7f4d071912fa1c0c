#include "quant/codec.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "test.h"

namespace rlvr {
namespace {

struct NamedType {
  DType dtype;
  const char* name;
};
constexpr NamedType kQuantised[] = {{DType::kQ8_0, "Q8_0"}, {DType::kQ4_0, "Q4_0"}, {DType::kQ4_1, "Q4_1"},
                                    {DType::kQ5_0, "Q5_0"}, {DType::kQ5_1, "Q5_1"}, {DType::kQ4_K, "Q4_K"},
                                    {DType::kQ5_K, "Q5_K"}, {DType::kQ6_K, "Q6_K"}};

std::string Unhex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

const Json& Golden() {
  static const Json golden =
      Json::Parse(ReadTextFile(test::SourcePath("test/golden/data/quant_blocks.json")), "[test]");
  return golden;
}

std::vector<float> Floats(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

// Values like weights: a smooth spread with a few larger ones, at one magnitude.
std::vector<float> Weights(int64_t count, float magnitude, uint64_t seed) {
  std::vector<float> x;
  for (int64_t i = 0; i < count; ++i) {
    const double u = UniformFor(seed, static_cast<uint64_t>(i), 0, 0) +
                     UniformFor(seed, static_cast<uint64_t>(i), 1, 0) +
                     UniformFor(seed, static_cast<uint64_t>(i), 2, 0) - 1.5;
    x.push_back(magnitude * static_cast<float>(i % 61 == 0 ? 3 * u : u));
  }
  return x;
}

TEST("every quantised type decodes to the bits of the reference decoder") {
  for (const NamedType& type : kQuantised) {
    const Json* golden = Golden().Find("decode")->Find(type.name);
    const std::string blocks = Unhex(golden->Find("blocks")->string());
    const std::string expected = Unhex(golden->Find("values")->string());
    std::vector<float> values(expected.size() / sizeof(float));
    EXPECT_EQ(BytesOf(type.dtype, static_cast<int64_t>(values.size())), blocks.size());
    DequantizeRow(type.dtype, blocks.data(), static_cast<int64_t>(values.size()), values.data());
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(test::Show(values[i]), test::Show(Floats(expected)[i]));
    EXPECT_EQ(std::memcmp(values.data(), expected.data(), expected.size()), 0);
  }
}

TEST("blocks of 32 encode to the bytes of the reference encoder") {
  for (const Json::Member& member : Golden().Find("encode")->members()) {
    const std::vector<float> rows = Floats(Unhex(member.second.Find("rows")->string()));
    const std::string expected = Unhex(member.second.Find("blocks")->string());
    for (const NamedType& type : kQuantised) {
      if (member.first != type.name) continue;
      std::string blocks(BytesOf(type.dtype, static_cast<int64_t>(rows.size())), '\0');
      QuantizeRow(type.dtype, rows.data(), static_cast<int64_t>(rows.size()), blocks.data());
      EXPECT(blocks == expected);
    }
  }
  EXPECT_EQ(Golden().Find("encode")->members().size(), size_t{5});
}

TEST("a block written by hand decodes to its values") {
  // Q4_0: d = 0.5 (0x3800), nibbles 0x8f: low 15 -> 7, high 8 -> 0.
  std::string block = std::string("\x00\x38", 2) + std::string(16, '\x8f');
  std::vector<float> values(32);
  DequantizeRow(DType::kQ4_0, block.data(), 32, values.data());
  EXPECT_EQ(values[0], 3.5f);
  EXPECT_EQ(values[16], 0.0f);
  // Q8_0: d = 2 (0x4000), q = -3.
  block = std::string("\x00\x40", 2) + std::string(32, '\xfd');
  DequantizeRow(DType::kQ8_0, block.data(), 32, values.data());
  EXPECT_EQ(values[31], -6.0f);
}

TEST("a round trip stays within half a step of the block's range") {
  // Half a step of the largest magnitude in the block, with room for the F16 scale and, in Q4_0 and Q5_0, for the side
  // that has one level less (a whole step there). K types also round their sub-block scales to 6 or 8 bits.
  struct Bound {
    DType dtype;
    double of_largest;
  };
  const Bound bounds[] = {{DType::kQ8_0, 0.5 / 127 + 1e-3},
                          {DType::kQ4_0, 1.0 / 8 + 1e-3},
                          {DType::kQ5_0, 1.0 / 16 + 1e-3},
                          {DType::kQ4_1, 1.0 / 15 + 2e-3},
                          {DType::kQ5_1, 1.0 / 31 + 2e-3},
                          {DType::kQ4_K, 0.12},
                          {DType::kQ5_K, 0.08},
                          {DType::kQ6_K, 0.04}};
  for (const Bound& bound : bounds) {
    const int64_t block = Info(bound.dtype).block;
    for (const float magnitude : {0.01f, 1.0f, 100.0f}) {
      const int64_t count = 4096;
      const std::vector<float> x = Weights(count, magnitude, 7);
      std::vector<std::byte> blocks(BytesOf(bound.dtype, count));
      std::vector<float> back(static_cast<size_t>(count));
      QuantizeRow(bound.dtype, x.data(), count, blocks.data());
      DequantizeRow(bound.dtype, blocks.data(), count, back.data());
      for (int64_t b = 0; b < count; b += block) {
        double largest = 0, worst = 0;
        for (int64_t i = b; i < b + block; ++i) {
          const auto at = static_cast<size_t>(i);
          largest = std::max(largest, std::fabs(double{x[at]}));
          worst = std::max(worst, std::fabs(double{x[at]} - back[at]));
        }
        EXPECT_LE(worst, bound.of_largest * largest);
        EXPECT(worst > 0);  // a copy of the input would pass the bound too
      }
    }
  }
}

TEST("zero rows stay zero in every type") {
  const std::vector<float> zeros(256);
  for (const NamedType& type : kQuantised) {
    std::vector<std::byte> blocks(BytesOf(type.dtype, 256), std::byte{0xAA});
    std::vector<float> back(256, 1.0f);
    QuantizeRow(type.dtype, zeros.data(), 256, blocks.data());
    DequantizeRow(type.dtype, blocks.data(), 256, back.data());
    for (const float value : back) EXPECT_EQ(value, 0.0f);
  }
}

TEST("plain types convert at any address") {
  const std::vector<float> x = {1.0f, -0.333333343f, 65504.0f, 1e-8f};
  const double tolerance[] = {0, 0, 1.0 / 256, 1.0 / 2048};
  const DType types[] = {DType::kF32, DType::kF64, DType::kBF16, DType::kF16};
  for (size_t t = 0; t < 4; ++t) {
    std::string bytes(BytesOf(types[t], 4) + 1, '\0');
    std::vector<float> back(4);
    QuantizeRow(types[t], x.data(), 4, bytes.data() + 1);
    DequantizeRow(types[t], bytes.data() + 1, 4, back.data());
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(back[i], x[i], tolerance[t] * std::fabs(x[i]) + (t == 3 ? 6e-8 : 0));
  }
}

TEST("integers are no weight type, and a row must be whole blocks") {
  float value = 0;
  EXPECT_THROW_CODE(DequantizeRow(DType::kI32, &value, 1, &value), ErrorCode::kInternal,
                    "I32 is no type of rows of weights");
  EXPECT_THROW_CODE(DequantizeRow(DType::kQ8_0, &value, 1, &value), ErrorCode::kInternal, "in blocks of 32");
}

}  // namespace
}  // namespace rlvr
