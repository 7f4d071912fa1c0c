// Readers under mutation: inputs stay well-formed enough to get past the first checks, and carry hostile numbers.
// Whatever comes, a reader returns or throws rlvr::Error, never RLVR_INTERNAL; with the sanitizers this also shows that
// no byte outside the file is read.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"
#include "io/gguf.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "io_builders.h"
#include "quant/codec.h"
#include "test.h"

namespace rlvr {
namespace {

using test::GgufBytes;
using test::GgufString;
using test::Raw;

// A stream of draws from one seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(seed) {}
  uint64_t Below(uint64_t limit) {
    return static_cast<uint64_t>(UniformFor(seed_, count_++, 0, 0) * static_cast<double>(limit));
  }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[Below(from.size())];
  }

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

const std::vector<std::string> kHostileNumbers = {"0",
                                                  "1",
                                                  "-1",
                                                  "2",
                                                  "3",
                                                  "4",
                                                  "7",
                                                  "8",
                                                  "12",
                                                  "16",
                                                  "255",
                                                  "256",
                                                  "4294967295",
                                                  "4294967296",
                                                  "2147483648",
                                                  "9223372036854775807",
                                                  "9223372036854775808",
                                                  "18446744073709551615",
                                                  "-9223372036854775808",
                                                  "1e3",
                                                  "1.5",
                                                  "1e308",
                                                  "0.1",
                                                  "-0",
                                                  "null",
                                                  "true",
                                                  "\"4\"",
                                                  "[4]",
                                                  "{}"};
const std::vector<std::string> kTypes = {"F32", "F16",     "BF16",    "F64", "I64", "U8",  "BOOL",
                                         "F4",  "F6_E2M3", "F8_E4M3", "f32", "",    "Q4_0"};

std::string Shape(Dice& dice) {
  std::string text = "[";
  for (uint64_t dims = dice.Below(4), i = 0; i < dims; ++i) {
    text += std::string(i ? "," : "") + (dice.OneIn(6) ? dice.Pick(kHostileNumbers) : std::to_string(dice.Below(5)));
  }
  return text + "]";
}

// A header of a few tensors that mostly fit the data, with one or two things wrong.
std::string SafetensorsCase(Dice& dice) {
  std::string header = "{";
  uint64_t offset = 0;
  for (uint64_t count = dice.Below(4), i = 0; i < count; ++i) {
    const uint64_t elements = dice.Below(6);
    const uint64_t end = offset + elements * 4;
    const auto number = [&](uint64_t good) {
      return dice.OneIn(12) ? dice.Pick(kHostileNumbers) : std::to_string(good);
    };
    const std::string name = dice.OneIn(12) ? "t0" : dice.OneIn(20) ? "__metadata__" : "t" + std::to_string(i);
    const std::string type = dice.OneIn(10) ? dice.Pick(kTypes) : "F32";
    const std::string shape = dice.OneIn(8) ? Shape(dice) : "[" + std::to_string(elements) + "]";
    header += std::string(i ? "," : "") + "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
              ",\"data_offsets\":[" + number(offset) + "," + number(end) + "]}";
    offset = end;
  }
  header += "}";
  if (dice.OneIn(10)) header += std::string(dice.Below(9), ' ');
  if (dice.OneIn(8)) header[dice.Below(header.size())] = "{}[],:\"0-9e\\u\n\xFF"[dice.Below(15)];
  const uint64_t data = dice.OneIn(8) ? dice.Below(100) : offset;
  uint64_t length = header.size();
  if (dice.OneIn(12)) length = dice.OneIn(2) ? length + dice.Below(64) : uint64_t{1} << dice.Below(64);
  return Raw(length) + header + std::string(data, '\1');
}

std::string GgufCase(Dice& dice) {
  const std::vector<uint64_t> hostile = {0,
                                         1,
                                         2,
                                         31,
                                         32,
                                         33,
                                         255,
                                         65535,
                                         65536,
                                         0x7fffffff,
                                         0x80000000,
                                         0xffffffff,
                                         uint64_t{1} << 32,
                                         INT64_MAX,
                                         uint64_t{1} << 63,
                                         ~uint64_t{0},
                                         ~uint64_t{0} / 34};
  GgufBytes file;
  file.version = dice.OneIn(15) ? static_cast<uint32_t>(dice.Pick(hostile)) : 2 + static_cast<uint32_t>(dice.Below(2));
  file.String("general.architecture", "llama");
  if (dice.OneIn(4)) {
    file.alignment = size_t{1} << dice.Below(8);
    file.Uint32("general.alignment",
                dice.OneIn(5) ? static_cast<uint32_t>(dice.Pick(hostile)) : static_cast<uint32_t>(file.alignment));
  }
  for (uint64_t values = dice.Below(4), i = 0; i < values; ++i) {
    const std::string key = dice.OneIn(20) ? "general.architecture" : "k" + std::to_string(i);
    const auto type = static_cast<uint32_t>(dice.Below(dice.OneIn(20) ? 14 : 13));
    const size_t widths[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 12, 8, 8, 8, 8};
    const bool is_array = type != GgufBytes::kArray && dice.OneIn(2);
    const uint64_t count = is_array ? dice.Below(4) : 1;
    std::string payload;
    for (uint64_t item = 0; item < count; ++item) {
      payload +=
          type == GgufBytes::kString ? GgufString(std::string(dice.Below(5), 's')) : std::string(widths[type], '\1');
    }
    if (dice.OneIn(15)) payload.resize(dice.Below(40));
    const uint64_t claimed = dice.OneIn(15) ? dice.Pick(hostile) : count;
    file.Value(key, is_array ? GgufBytes::kArray : type, is_array ? Raw(type) + Raw(claimed) + payload : payload);
  }
  struct Type {
    uint32_t id;
    uint64_t block, bytes;
  };
  const std::vector<Type> types = {{0, 1, 4},      {1, 1, 2},   {30, 1, 2},     {2, 32, 18},    {3, 32, 20},
                                   {6, 32, 22},    {7, 32, 24}, {8, 32, 34},    {12, 256, 144}, {13, 256, 176},
                                   {14, 256, 210}, {24, 1, 1},  {11, 256, 110}, {4, 1, 1},      {99, 1, 1}};
  for (uint64_t tensors = dice.Below(4), i = 0; i < tensors; ++i) {
    const Type type = types[dice.Below(dice.OneIn(6) ? types.size() : 11)];
    std::vector<uint64_t> dims = {type.block * (1 + dice.Below(2)) + (dice.OneIn(20) ? 1 : 0)};
    for (uint64_t more = dice.Below(3); more > 0; --more) dims.push_back(1 + dice.Below(3));
    size_t bytes = type.bytes;
    for (const uint64_t dim : dims) bytes *= dim;
    bytes /= type.block;
    if (dice.OneIn(20)) dims.back() = dice.Pick(hostile);
    if (dice.OneIn(20)) bytes = dice.Below(2000);
    file.TensorWithData(dice.OneIn(20) ? "t0" : "t" + std::to_string(i), dims, type.id, std::string(bytes, '\3'));
  }
  if (dice.OneIn(15)) file.tensor_count = dice.Pick(hostile);
  if (dice.OneIn(15)) file.value_count = dice.Pick(hostile);
  std::string bytes = file.Build();
  for (uint64_t flips = dice.OneIn(4) ? 1 + dice.Below(4) : 0; flips > 0; --flips) {
    // Whole fields, as an attacker would write them: 4 or 8 bytes at a time.
    const uint64_t value = dice.Pick(hostile);
    const size_t width = dice.OneIn(2) ? 4 : 8;
    if (bytes.size() > width) std::memcpy(&bytes[dice.Below(bytes.size() - width)], &value, width);
  }
  if (dice.OneIn(8)) bytes.resize(dice.Below(bytes.size() + 1));
  return bytes;
}

constexpr std::string_view kJsonBytes = "{}[],:\"0123456789-+.eEtrufalsn\\ \t\n\x01\x80\xC3\xED\xF4\xFF";

// A copy of exactly the right size, so that the sanitizer sees a read past the end.
std::vector<std::byte> Exact(const std::string& bytes) {
  std::vector<std::byte> copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

// Runs a reader over `count` cases; the share that was accepted must lie between the bounds, else the generator is
// blind.
template <typename Generate, typename Read>
void Fuzz(const char* what, uint64_t count, double least_accepted, double most_accepted, Generate generate, Read read) {
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Dice dice(1000003 * i + 17);
    const std::string bytes = generate(dice);
    try {
      read(Exact(bytes));
      ++accepted;
    } catch (const Error& error) {
      const bool expected = error.code() == ErrorCode::kBadCheckpoint || error.code() == ErrorCode::kUnsupported;
      if (!expected)
        test::Fail(__FILE__, __LINE__, Concat(what, " case ", i, ": ", CodeName(error.code()), ": ", error.what()));
    }
  }
  const double share = static_cast<double>(accepted) / static_cast<double>(count);
  std::printf("  %s: %llu cases, %.0f%% accepted\n", what, static_cast<unsigned long long>(count), 100 * share);
  EXPECT_LE(least_accepted, share);
  EXPECT_LE(share, most_accepted);
}

// Reads every byte that a tensor claims.
void Touch(const SourceTensor& tensor) {
  if (tensor.dtype == DType::kI32 || tensor.bytes == 0) return;
  const int64_t count = static_cast<int64_t>(tensor.bytes / Info(tensor.dtype).block_bytes) * Info(tensor.dtype).block;
  std::vector<float> values(static_cast<size_t>(count));
  DequantizeRow(tensor.dtype, tensor.data, count, values.data());
}

TEST("30,000 mutated safetensors files are accepted or refused, nothing else") {
  Fuzz("safetensors", 30000, 0.1, 0.9, SafetensorsCase, [](const std::vector<std::byte>& bytes) {
    const SafetensorsHeader header = ParseSafetensors(bytes.data(), bytes.size(), "fuzz");
    for (size_t i = 0; i < header.tensors.size(); ++i) {
      if (header.unreadable_type[i].empty()) Touch(header.tensors[i]);
    }
  });
}

TEST("30,000 mutated GGUF files are accepted or refused, nothing else") {
  Fuzz("gguf", 30000, 0.1, 0.9, GgufCase, [](const std::vector<std::byte>& bytes) {
    const auto gguf = Gguf::Parse(bytes.data(), bytes.size(), "fuzz");
    for (const std::string& key : gguf->MetadataKeys()) {
      const GgufValue& value = *gguf->Metadata(key);
      if (value.is_array() && value.is_number()) value.Numbers();
      if (value.is_array() && value.type() == GgufType::kString) value.Strings();
      if (!value.is_array() && value.is_number()) value.Number();
    }
    for (const std::string& name : gguf->Names()) Touch(*gguf->Find(name));
  });
}

TEST("20,000 mutated JSON texts are accepted or refused, and what is accepted survives a round trip") {
  const std::string seed =
      R"({"a":[1,-2.5e3,true,null,"x\u00e9\n"],"b":{"c":[],"d":{}},"e":"\ud83d\ude00","f":18446744073709551615})";
  Fuzz(
      "json", 20000, 0.05, 0.9,
      [&](Dice& dice) {
        std::string text = seed;
        for (uint64_t edits = 1 + dice.Below(3); edits > 0; --edits) {
          const size_t at = dice.Below(text.size());
          const char byte = kJsonBytes[dice.Below(kJsonBytes.size())];
          if (dice.OneIn(3)) {
            text.erase(at, 1 + dice.Below(3));
          } else if (dice.OneIn(2)) {
            text.insert(at, 1, byte);
          } else {
            text[at] = byte;
          }
          if (text.empty()) text = "0";
        }
        return text;
      },
      [](const std::vector<std::byte>& bytes) {
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string dumped = Json::Parse(text, "fuzz").Dump();
        if (Json::Parse(dumped, "fuzz").Dump() != dumped) test::Fail(__FILE__, __LINE__, dumped);
      });
}

}  // namespace
}  // namespace rlvr
