#include "io/gguf.h"

#include <cstring>
#include <string>

#include "io_builders.h"
#include "test.h"

namespace rlvr {
namespace {

using test::GgufBytes;
using test::GgufString;
using test::Raw;
using test::TempFolder;

std::unique_ptr<Gguf> Parse(const std::string& bytes) {
  return Gguf::Parse(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "f.gguf");
}

GgufBytes Good() {
  GgufBytes file;
  file.String("general.architecture", "llama").Uint32("llama.block_count", 2).Float32("llama.eps", 0.5f);
  file.Value("flag", GgufBytes::kBool, "\1");
  file.Value("tokens", GgufBytes::kArray,
             Raw(GgufBytes::kString) + Raw(uint64_t{2}) + GgufString("a") + GgufString("bc"));
  file.Value("scores", GgufBytes::kArray, Raw(GgufBytes::kFloat32) + Raw(uint64_t{2}) + Raw(1.5f) + Raw(-2.0f));
  file.TensorWithData("w", {4, 3}, 0, std::string(48, '\1'));
  file.TensorWithData("q", {32, 2}, 2, std::string(36, '\2'));
  return file;
}

TEST("GGUF metadata has its types and tensors have their shapes outermost first") {
  const std::string bytes = Good().Build();
  const auto gguf = Parse(bytes);
  EXPECT_EQ(gguf->Metadata("general.architecture")->String(), "llama");
  EXPECT_EQ(gguf->Metadata("llama.block_count")->Int(), 2);
  EXPECT_EQ(gguf->Metadata("llama.block_count")->Number(), 2.0);
  EXPECT_EQ(gguf->Metadata("llama.eps")->Number(), 0.5);
  EXPECT(gguf->Metadata("flag")->Bool());
  EXPECT_EQ(std::string(gguf->Metadata("tokens")->Strings().at(1)), "bc");
  EXPECT_EQ(gguf->Metadata("scores")->Numbers(), (std::vector<double>{1.5, -2.0}));
  EXPECT(gguf->Metadata("none") == nullptr);
  EXPECT_EQ(gguf->MetadataKeys().size(), size_t{6});
  EXPECT_EQ(gguf->Find("w")->shape, (std::vector<int64_t>{3, 4}));
  EXPECT(gguf->Find("q")->dtype == DType::kQ4_0);
  EXPECT_EQ(gguf->Find("q")->bytes, size_t{36});
  EXPECT_EQ(*static_cast<const char*>(gguf->Find("q")->data), '\2');
  EXPECT(gguf->Find("none") == nullptr);
}

TEST("GGUF version 2 and other alignments are read") {
  GgufBytes file = Good();
  file.version = 2;
  EXPECT_EQ(Parse(file.Build())->version(), 2u);
  for (const uint32_t alignment : {1u, 8u, 4096u}) {
    GgufBytes aligned;
    aligned.alignment = alignment;
    aligned.Uint32("general.alignment", alignment);
    aligned.TensorWithData("a", {3}, 0, std::string(12, 'a')).TensorWithData("b", {1}, 0, "bbbb");
    const std::string bytes = aligned.Build();
    const auto gguf = Parse(bytes);
    EXPECT_EQ(gguf->alignment(), size_t{alignment});
    EXPECT_EQ(std::memcmp(gguf->Find("b")->data, "bbbb", 4), 0);
  }
}

TEST("a metadata value read as another type is an error that names the key") {
  const std::string bytes = Good().Build();
  const auto gguf = Parse(bytes);
  EXPECT_THROW_CODE(gguf->Metadata("general.architecture")->Int(), ErrorCode::kBadCheckpoint,
                    "\"general.architecture\" is of type string; a whole number was expected");
  EXPECT_THROW_CODE(gguf->Metadata("llama.eps")->Int(), ErrorCode::kBadCheckpoint, "float32");
  EXPECT_THROW_CODE(gguf->Metadata("tokens")->String(), ErrorCode::kBadCheckpoint, "an array of string");
  EXPECT_THROW_CODE(gguf->Metadata("flag")->Number(), ErrorCode::kBadCheckpoint, "bool");
  EXPECT_THROW_CODE(gguf->Metadata("scores")->Strings(), ErrorCode::kBadCheckpoint, "an array of strings was expected");
}

TEST("a tensor type that cannot be read is refused when it is asked for, with the readable ones") {
  GgufBytes file;
  file.TensorWithData("blk.3.attn_q.weight", {256}, 11, std::string(110, '\0'));
  const std::string bytes = file.Build();
  const auto gguf = Parse(bytes);
  EXPECT_THROW_CODE(gguf->Find("blk.3.attn_q.weight"), ErrorCode::kUnsupported,
                    "tensor \"blk.3.attn_q.weight\" has type Q3_K (11); readable types: F32, F16, BF16, Q8_0");
}

// A file with one tensor "t" in place of Good's.
std::string WithTensor(const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset, size_t data_bytes = 64) {
  GgufBytes file;
  file.Tensor("t", dims, type, offset);
  file.data = std::string(data_bytes, '\0');
  return file.Build();
}

std::string WithValue(uint32_t type, const std::string& raw) {
  GgufBytes file;
  return file.Value("k", type, raw).Build();
}

std::string WithCounts(uint64_t tensors, uint64_t values) {
  GgufBytes file = Good();
  file.tensor_count = tensors;
  file.value_count = values;
  return file.Build();
}

TEST("malformed GGUF files are refused with the place and the numbers") {
  struct Case {
    std::string bytes;
    const char* message;
  };
  const auto with = [](auto change) {
    GgufBytes file = Good();
    change(file);
    return file.Build();
  };
  const std::string names_twice = [] {
    GgufBytes file;
    file.TensorWithData("t", {1}, 0, "aaaa").TensorWithData("t", {1}, 0, "bbbb");
    return file.Build();
  }();
  const std::vector<Case> cases = {
      {"", "does not begin with \"GGUF\""},
      {"GGU", "does not begin with \"GGUF\""},
      {with([](GgufBytes& f) { f.magic = "GGML"; }), "does not begin with \"GGUF\""},
      {"GGUF", "the file ends inside the version"},
      {with([](GgufBytes& f) { f.version = 0; }), "the version is 0"},
      {with([](GgufBytes& f) { f.version = 4; }), "the version is 4; 2 or 3"},
      {"GGUF" + Raw(uint32_t{3}) + Raw(uint32_t{0}), "the file ends inside the number of tensors"},
      {WithCounts(uint64_t{1} << 62, 0), "the number of tensors is 4611686018427387904"},
      {WithCounts(uint64_t{1} << 63, 0), "the number of tensors is 9223372036854775808"},
      {WithCounts(0, uint64_t{1} << 62), "the number of metadata values is"},
      {WithCounts(0, uint64_t{1} << 63), "the number of metadata values is 9223372036854775808"},
      {WithCounts(3, 6), "byte"},
      {WithCounts(2, 7), "byte"},
      {WithCounts(2, 5), "byte"},
      {"GGUF" + Raw(uint32_t{3}) + Raw(uint64_t{0}) + Raw(uint64_t{1}) + Raw(~uint64_t{0}) + std::string(40, 'k'),
       "the key of metadata value 0 claims 18446744073709551615 bytes"},
      {"GGUF" + Raw(uint32_t{3}) + Raw(uint64_t{0}) + Raw(uint64_t{1}) + GgufString("") + Raw(uint32_t{0}) + "xxx",
       "the key of metadata value 0 is empty"},
      {"GGUF" + Raw(uint32_t{3}) + Raw(uint64_t{0}) + Raw(uint64_t{1}) + GgufString(std::string(65536, 'k')) + "xxxxxx",
       "has 65536 bytes; at most 65535"},
      {"GGUF" + Raw(uint32_t{3}) + Raw(uint64_t{0}) + Raw(uint64_t{1}) + GgufString("\xFF") + Raw(uint32_t{0}) + "xxx",
       "not UTF-8"},
      {with([](GgufBytes& f) { f.Uint32("llama.block_count", 3); }), "metadata \"llama.block_count\" stands twice"},
      {WithValue(13, "xxxx"), "metadata \"k\" has type 13; 0 to 12"},
      {WithValue(~uint32_t{0}, "xxxx"), "has type 4294967295"},
      {WithValue(GgufBytes::kUint32, "xx"), "claims 1 elements, but only 2 bytes follow"},
      {WithValue(GgufBytes::kBool, "\2"), "a bool that is not 0 or 1"},
      {WithValue(GgufBytes::kString, Raw(uint64_t{5}) + "abcd"), "claims 5 bytes, but only 4 follow"},
      {WithValue(GgufBytes::kString, Raw(~uint64_t{0}) + "abcd"), "claims 18446744073709551615 bytes"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kUint32)), "the file ends inside an array length"},
      {WithValue(GgufBytes::kArray, Raw(uint32_t{99}) + Raw(uint64_t{1}) + "xxxx"), "has type 99"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kArray) + Raw(uint64_t{1}) + std::string(12, '\0')),
       "array of arrays"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kUint32) + Raw(~uint64_t{0}) + "xxxx"),
       "an array length is 1844674407370955"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kUint32) + Raw(uint64_t{2}) + "xxxx"),
       "claims 2 elements, but only 4 bytes"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kUint64) + Raw(uint64_t{1} << 61) + "xxxxxxxx"),
       "an array length is"},
      {WithValue(GgufBytes::kArray, Raw(GgufBytes::kString) + Raw(uint64_t{1}) + Raw(uint64_t{9}) + "abc"),
       "a string of metadata \"k\" claims 9 bytes"},
      {with([](GgufBytes& f) { f.Uint32("general.alignment", 0); }), "general.alignment is 0"},
      {with([](GgufBytes& f) { f.Uint32("general.alignment", 48); }), "general.alignment is 48; a power of two"},
      {with([](GgufBytes& f) { f.Uint32("general.alignment", 1u << 21); }), "from 1 to 1048576"},
      {with([](GgufBytes& f) { f.Uint32("general.alignment", 0x80000000u); }), "general.alignment is 2147483648"},
      {with([](GgufBytes& f) { f.String("general.alignment", "32"); }), "general.alignment is not an unsigned"},
      {WithTensor({}, 0, 0), "has 0 dimensions"},
      {WithTensor({1, 1, 1, 1, 1}, 0, 0), "has 5 dimensions; 1 to 4"},
      {WithTensor({0}, 0, 0), "a dimension of 0"},
      {WithTensor({~uint64_t{0}}, 0, 0), "a dimension of 18446744073709551615"},
      {WithTensor({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0), "overflow 64 bits"},
      {WithTensor({uint64_t{1} << 62}, 0, 0), "overflow"},
      {WithTensor({16}, 4, 0), "type 4, which no ggml version defines"},
      {WithTensor({16}, 9999, 0), "type 9999"},
      {WithTensor({16}, 2, 0), "rows of 16 elements; Q4_0 needs a multiple of 32"},
      {WithTensor({128, 2}, 12, 0), "rows of 128 elements; Q4_K needs a multiple of 256"},
      {WithTensor({16}, 0, 32), "data offset 32; 0 was expected"},
      {WithTensor({16}, 0, ~uint64_t{0}), "data offset 18446744073709551615"},
      {WithTensor({17}, 0, 0), "needs 68 bytes of data at byte"},
      {WithTensor({16}, 0, 0, 0), "needs 64 bytes of data"},
      {WithTensor({16}, 0, 0, 63), "needs 64 bytes of data"},
      {WithTensor({16}, 0, 0, 97), "33 bytes follow the last tensor"},
      {names_twice, "tensor \"t\" stands twice"},
      {with([](GgufBytes& f) { f.Tensor(std::string(65, 't'), {1}, 0, 128); }), "has 65 bytes; at most 64"},
      {with([](GgufBytes& f) { f.Tensor("", {1}, 0, 128); }), "the name of tensor 2 is empty"},
      {with([](GgufBytes& f) { f.Tensor("late", {1}, 0, 64); }), "data offset 64; 128 was expected"},
  };
  EXPECT_LE(size_t{55}, cases.size());
  for (const Case& c : cases) EXPECT_THROW_CODE(Parse(c.bytes), ErrorCode::kBadCheckpoint, c.message);
  const std::string good = Good().Build();
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_THROW_CODE(Parse(good.substr(0, cut)), ErrorCode::kBadCheckpoint, "[gguf] f.gguf");
  }
}

TEST("GGUF files of version 1 and of big-endian machines are refused with what to do") {
  GgufBytes file = Good();
  file.version = 1;
  EXPECT_THROW_CODE(Parse(file.Build()), ErrorCode::kUnsupported, "version 1; versions 2 and 3");
  file.version = 0x03000000;
  EXPECT_THROW_CODE(Parse(file.Build()), ErrorCode::kUnsupported, "big-endian");
}

}  // namespace
}  // namespace rlvr
