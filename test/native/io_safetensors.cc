#include "io/safetensors.h"

#include <cstring>
#include <filesystem>
#include <string>

#include "io/mapped_file.h"
#include "io_builders.h"
#include "test.h"

namespace rlvr {
namespace {

using test::OneTensor;
using test::Raw;
using test::SafetensorsBytes;
using test::TempFolder;

SafetensorsHeader Parse(const std::string& bytes) {
  return ParseSafetensors(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "f.safetensors");
}

// A header with one tensor "t" of these fields, over 8 bytes of data.
std::string One(const std::string& fields) {
  return SafetensorsBytes("{\"t\":{" + fields + "}}", std::string(8, '\0'));
}

TEST("what is written as safetensors is read back bit for bit, aligned, with its metadata") {
  const TempFolder folder;
  const std::vector<float> f32 = {1.5f, -2.25f, 3.0f, 0.0f, 5.0f, 6.0f};
  const std::vector<uint16_t> bf16 = {0x3f80, 0x4000, 0xc040};
  const double f64 = 0.1;
  WriteSafetensors(folder / "m.safetensors",
                   {{"b", DType::kBF16, {3}, bf16.data(), nullptr},
                    {"a.\"x\"", DType::kF32, {2, 3}, f32.data(), nullptr},
                    {"scalar", DType::kF64, {}, &f64, nullptr},
                    {"empty", DType::kF32, {0, 4}, nullptr, nullptr},
                    {"made",
                     DType::kF32,
                     {6},
                     nullptr,
                     [&](const auto& write) {
                       write(f32.data(), 8);
                       write(f32.data() + 2, 16);
                     }}},
                   {{"format", "pt"}});
  const auto file = Safetensors::Open(folder / "m.safetensors");
  EXPECT_EQ(file->Names().size(), size_t{5});
  EXPECT_EQ(file->metadata()[0].second, "pt");
  const SourceTensor* a = file->Find("a.\"x\"");
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(a->data, f32.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file->Find("made")->data, f32.data(), 24), 0);
  EXPECT_EQ(std::memcmp(file->Find("b")->data, bf16.data(), 6), 0);
  EXPECT_EQ(file->Find("empty")->bytes, size_t{0});
  EXPECT_EQ(file->Find("none") == nullptr, true);
  for (const std::string& name : file->Names()) {
    const SourceTensor* tensor = file->Find(name);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->data) % Info(tensor->dtype).block_bytes, uintptr_t{0});
  }
}

TEST("a file of the Python package is read") {
  const auto file = Safetensors::Open(test::SourcePath("test/golden/models/llama"));
  EXPECT_EQ(file->Find("model.norm.weight")->shape, std::vector<int64_t>{48});
  EXPECT(file->Find("model.layers.0.self_attn.q_proj.weight")->dtype == DType::kF32);
}

TEST("malformed safetensors files are refused with the tensor and the numbers") {
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  EXPECT_EQ(Parse(One(good)).tensors.size(), size_t{1});
  struct Case {
    std::string bytes;
    const char* message;
  };
  const std::string two =
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],";
  const std::vector<Case> cases = {
      {"", "has 0 bytes"},
      {"\1\0\0", "at least 8"},
      {Raw(uint64_t{100}) + "{}", "only 2 follow"},
      {Raw(uint64_t{100000001}) + "{}", "at most 100000000"},
      {Raw(~uint64_t{0}) + "{}", "the header claims 18446744073709551615"},
      {Raw(uint64_t{1} << 63) + "{}", "the header claims"},
      {Raw(uint64_t{0}), "does not begin with '{'"},
      {SafetensorsBytes(" {}", ""), "does not begin with '{'"},
      {SafetensorsBytes("[]", ""), "does not begin with '{'"},
      {SafetensorsBytes("{", ""), "invalid JSON at byte 1"},
      {SafetensorsBytes("{}x", ""), "expected the end"},
      {SafetensorsBytes("{\"t\xFF\":1}", ""), "not UTF-8"},
      {SafetensorsBytes("{\"t\":1}", ""), "tensor \"t\" is a number"},
      {SafetensorsBytes("{\"t\":null}", ""), "tensor \"t\" is null"},
      {SafetensorsBytes("{\"__metadata__\":7}", ""), "\"__metadata__\" is not an object"},
      {SafetensorsBytes("{\"__metadata__\":{\"k\":7}}", ""), "metadata \"k\" is not a string"},
      {SafetensorsBytes("{}", "x"), "1 bytes follow the last tensor"},
      {One(R"("shape":[2],"data_offsets":[0,8])"), "no dtype"},
      {One(R"("dtype":"F32","data_offsets":[0,8])"), "no shape"},
      {One(R"("dtype":"F32","shape":[2])"), "no data_offsets"},
      {One(R"("dtype":7,"shape":[2],"data_offsets":[0,8])"), "no dtype string"},
      {One(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"), "dtype \"F33\""},
      {One(R"("dtype":"F32","shape":2,"data_offsets":[0,8])"), "no shape array"},
      {One(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "a dimension that is a number (-2)"},
      {One(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "a dimension that is a number (2)"},
      {One(R"("dtype":"F32","shape":["2"],"data_offsets":[0,8])"), "a dimension that is a string"},
      {One(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"), "does not fit 64 bits"},
      {One(R"("dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,8])"), "does not fit 64 bits"},
      {One(R"("dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8])"), "a dimension that is a number"},
      {One(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"), "17 dimensions"},
      {One(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
       "has 8 bytes of data; its shape and dtype F32 need 12"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[0,12])"), "the file holds bytes 0 to 8"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "data offsets 8 to 0"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])"), "a data offset that is a number (-8)"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "no data_offsets"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,16])"), "no data_offsets"},
      {One(R"("dtype":"F32","shape":[2],"data_offsets":[0.5,8])"), "a data offset that is a number (0.5)"},
      {One(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes follow the last tensor"},
      {One(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "begins at data byte 4; byte 0 was expected"},
      {One(R"("dtype":"F4","shape":[1],"data_offsets":[0,1])"), "does not fill whole bytes"},
      {One(good + R"(,"extra":1)"), "unknown field \"extra\""},
      {One(good + R"(,"dtype":"F32")"), "the key \"dtype\" stands twice"},
      {SafetensorsBytes(two + "\"data_offsets\":[0,4]}}", std::string(4, '\0')),
       "begins at data byte 0; byte 4 was expected"},
      {SafetensorsBytes(two + "\"data_offsets\":[2,6]}}", std::string(6, '\0')), "begins at data byte 2"},
      {SafetensorsBytes(two + "\"data_offsets\":[8,12]}}", std::string(12, '\0')), "begins at data byte 8; byte 4 was"},
      {SafetensorsBytes("{\"t\":{" + good + "},\"t\":{" + good + "}}", std::string(8, '\0')),
       "the key \"t\" stands twice"},
      {One(good).substr(0, One(good).size() - 1), "the file holds bytes 0 to 7"},
      {One(good) + "x", "1 bytes follow the last tensor, at data byte 8"},
  };
  EXPECT_LE(size_t{45}, cases.size());
  for (const Case& c : cases) EXPECT_THROW_CODE(Parse(c.bytes), ErrorCode::kBadCheckpoint, c.message);
  for (size_t cut = 0; cut < One(good).size(); ++cut) {
    EXPECT_THROW_CODE(Parse(One(good).substr(0, cut)), ErrorCode::kBadCheckpoint, "f.safetensors");
  }
}

TEST("a tensor type that cannot be read is refused when it is asked for, not before") {
  const TempFolder folder;
  folder.Write("m.safetensors", SafetensorsBytes(R"({"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                                                 R"("w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                                 std::string(12, '\0')));
  const auto file = Safetensors::Open(folder / "m.safetensors");
  EXPECT_EQ(file->Find("w")->bytes, size_t{4});
  EXPECT_THROW_CODE(file->Find("ids"), ErrorCode::kUnsupported, "\"ids\" has type I64; readable types: F64, F32");
}

TEST("pickle files are refused by name and by content, with a hint") {
  const TempFolder folder;
  for (const char* name : {"pytorch_model.bin", "m.pt", "m.pth", "m.ckpt", "m.pkl"}) {
    EXPECT_THROW_CODE(Safetensors::Open(folder.Write(name, "x")), ErrorCode::kUnsupported,
                      "Save the model as safetensors");
  }
  EXPECT_THROW_CODE(Safetensors::Open(folder.path()), ErrorCode::kUnsupported, "pytorch_model.bin is a pickle file");
  const std::string zip = "PK\x03\x04" + std::string(100, '\1');
  EXPECT_THROW_CODE(Parse(zip), ErrorCode::kUnsupported, "pickle");
  EXPECT_THROW_CODE(Parse("\x80\x02\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."), ErrorCode::kUnsupported, "pickle");
  const TempFolder empty;
  EXPECT_THROW_CODE(Safetensors::Open(empty.path()), ErrorCode::kBadCheckpoint, "neither model.safetensors nor");
}

// An index that maps tensor "a" to `shard`, beside shards one (tensor a) and two (tensor b).
void WriteSharded(const TempFolder& folder, const std::string& index) {
  folder.Write("model.safetensors.index.json", index);
  folder.Write("one.safetensors", OneTensor("a"));
  folder.Write("two.safetensors", OneTensor("b"));
}

TEST("shards are read through their index") {
  const TempFolder folder;
  WriteSharded(folder, R"({"metadata":{"total_size":8},"weight_map":{"b":"two.safetensors","a":"one.safetensors"}})");
  const auto file = Safetensors::Open(folder.path());
  EXPECT_EQ(file->Names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(file->Find("b")->bytes, size_t{4});
}

TEST("a shard index that is wrong or leaves the folder is refused") {
  struct Case {
    std::string index;
    const char* message;
  };
  const auto mapped = [](const std::string& shard) { return R"({"weight_map":{"a":")" + shard + R"("}})"; };
  const std::vector<Case> cases = {
      {"[]", "no \"weight_map\""},
      {"{}", "no \"weight_map\""},
      {R"({"weight_map":[]})", "no \"weight_map\""},
      {R"({"weight_map":{}})", "\"weight_map\" is empty"},
      {R"({"weight_map":{"a":7}})", "tensor \"a\" names no shard"},
      {R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})", "stands twice"},
      {R"({"weight_map":{"a":"one.safetensors")", "invalid JSON"},
      {mapped(""), "not a plain path"},
      {mapped("/etc/passwd"), "not a plain path"},
      {mapped("../one.safetensors"), "not a plain path"},
      {mapped("x/../../one.safetensors"), "not a plain path"},
      {mapped(".."), "not a plain path"},
      {mapped("x\\\\one.safetensors"), "not a plain path"},
      {mapped("one.safetensors\\u0000.safetensors"), "not a plain path"},
      {mapped(std::string(300, 'x') + ".safetensors"), "not a plain path"},
      {mapped("one.bin"), "not a .safetensors file"},
      {mapped("three.safetensors"), "shard \"three.safetensors\" is missing"},
      {mapped("two.safetensors"), "tensor \"a\" is not in shard \"two.safetensors\""},
      {R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors"}})", "tensor \"b\" is not in shard"},
      {R"({"weight_map":{"a":"one.safetensors","b":"copy.safetensors"}})", "tensor \"a\" is in two shards"},
      {mapped("outside.safetensors"), "is a link to"},
      {mapped("bad.safetensors"), "bad.safetensors: the header claims"},
  };
  const TempFolder elsewhere;
  elsewhere.Write("one.safetensors", OneTensor("a"));
  for (const Case& c : cases) {
    const TempFolder folder;
    WriteSharded(folder, c.index);
    folder.Write("copy.safetensors", OneTensor("a"));
    folder.Write("bad.safetensors", std::string(50, '\x7f'));
    std::filesystem::create_symlink(elsewhere / "one.safetensors", folder / "outside.safetensors");
    EXPECT_THROW_CODE(Safetensors::Open(folder.path()), ErrorCode::kBadCheckpoint, c.message);
  }
}

TEST("links of a Hugging Face cache from snapshots into blobs are followed") {
  const TempFolder cache;
  cache.Write("models--x/blobs/123", OneTensor("a"));
  cache.Write("models--x/secret/123", OneTensor("a"));
  const std::string snapshot = "models--x/snapshots/main/";
  cache.Write(snapshot + "model.safetensors.index.json", R"({"weight_map":{"a":"one.safetensors"}})");
  std::filesystem::create_symlink("../../blobs/123", cache / (snapshot + "one.safetensors"));
  EXPECT_EQ(Safetensors::Open(cache / "models--x/snapshots/main")->Names(), std::vector<std::string>{"a"});
  // Negative control: another folder of the cache is outside.
  std::filesystem::remove(cache / (snapshot + "one.safetensors"));
  std::filesystem::create_symlink("../../secret/123", cache / (snapshot + "one.safetensors"));
  EXPECT_THROW_CODE(Safetensors::Open(cache / "models--x/snapshots/main"), ErrorCode::kBadCheckpoint, "is a link to");
}

}  // namespace
}  // namespace rlvr
