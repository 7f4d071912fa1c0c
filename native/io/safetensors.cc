#include "io/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "io/atomic_file.h"
#include "io/json.h"

namespace rlvr {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100000000;  // the format's own limit
constexpr size_t kMaxDims = 16;

struct ElementType {
  const char* name;
  int bits;
  std::optional<DType> dtype;  // none: valid in the format, not readable here
};

// All element types of the format as of version 0.8.
const ElementType* FindElementType(const std::string& name) {
  static const ElementType kTypes[] = {
      {"F64", 64, DType::kF64},
      {"F32", 32, DType::kF32},
      {"F16", 16, DType::kF16},
      {"BF16", 16, DType::kBF16},
      {"I32", 32, DType::kI32},
      {"BOOL", 8, {}},
      {"U8", 8, {}},
      {"I8", 8, {}},
      {"U16", 16, {}},
      {"I16", 16, {}},
      {"U32", 32, {}},
      {"I64", 64, {}},
      {"U64", 64, {}},
      {"C64", 64, {}},
      {"F4", 4, {}},
      {"F6_E2M3", 6, {}},
      {"F6_E3M2", 6, {}},
      {"F8_E5M2", 8, {}},
      {"F8_E4M3", 8, {}},
      {"F8_E8M0", 8, {}},
      {"F8_E4M3FNUZ", 8, {}},
      {"F8_E5M2FNUZ", 8, {}},
  };
  for (const ElementType& type : kTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

[[noreturn]] void Bad(const std::string& file, const std::string& what) {
  throw Error(ErrorCode::kBadCheckpoint, Concat("[safetensors] ", file, ": ", what,
                                                ". The file is damaged or incomplete; download or save it again."));
}

[[noreturn]] void BadTensor(const std::string& file, const std::string& tensor, const std::string& what) {
  Bad(file, Concat("tensor \"", Excerpt(tensor), "\" ", what));
}

// One entry of the header, checked as far as it can be alone.
struct Entry {
  const std::string* name;
  const ElementType* type;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

Entry ReadEntry(const std::string& file, const std::string& name, const Json& value, uint64_t data_bytes) {
  if (!value.is_object()) BadTensor(file, name, Concat("is ", Describe(value), "; an object was expected"));
  for (const Json::Member& member : value.members()) {
    if (member.first != "dtype" && member.first != "shape" && member.first != "data_offsets") {
      BadTensor(file, name, Concat("has an unknown field \"", Excerpt(member.first), "\""));
    }
  }
  const Json* dtype = value.Find("dtype");
  const Json* shape = value.Find("shape");
  const Json* offsets = value.Find("data_offsets");
  if (dtype == nullptr || !dtype->is_string()) BadTensor(file, name, "has no dtype string");
  if (shape == nullptr || !shape->is_array()) BadTensor(file, name, "has no shape array");
  if (offsets == nullptr || !offsets->is_array() || offsets->items().size() != 2) {
    BadTensor(file, name, "has no data_offsets array of two numbers");
  }
  Entry entry{&name, FindElementType(dtype->string()), {}, 0, 0};
  if (entry.type == nullptr) {
    BadTensor(file, name, Concat("has dtype \"", Excerpt(dtype->string()), "\"; F64, F32, F16, BF16 can be read"));
  }
  if (shape->items().size() > kMaxDims) {
    BadTensor(file, name, Concat("has ", shape->items().size(), " dimensions; at most ", kMaxDims, " are allowed"));
  }
  int64_t bits = entry.type->bits;
  bool overflow = false;
  for (const Json& dim : shape->items()) {
    if (!dim.is_integer() || dim.integer() < 0) {
      BadTensor(file, name, Concat("has a dimension that is ", Describe(dim), "; a whole number from 0 was expected"));
    }
    entry.shape.push_back(dim.integer());
    overflow = __builtin_mul_overflow(bits, dim.integer(), &bits) || overflow;
  }
  if (overflow) BadTensor(file, name, "has a shape whose size does not fit 64 bits");
  for (const Json& offset : offsets->items()) {
    if (!offset.is_integer() || offset.integer() < 0) {
      BadTensor(file, name,
                Concat("has a data offset that is ", Describe(offset), "; a whole number from 0 was expected"));
    }
  }
  entry.begin = static_cast<uint64_t>(offsets->items()[0].integer());
  entry.end = static_cast<uint64_t>(offsets->items()[1].integer());
  if (entry.begin > entry.end || entry.end > data_bytes) {
    BadTensor(file, name,
              Concat("has data offsets ", entry.begin, " to ", entry.end, "; the file holds bytes 0 to ", data_bytes,
                     " of data"));
  }
  if (bits % 8 != 0) BadTensor(file, name, "does not fill whole bytes");
  if (entry.end - entry.begin != static_cast<uint64_t>(bits / 8)) {
    BadTensor(file, name,
              Concat("has ", entry.end - entry.begin, " bytes of data; its shape and dtype ", entry.type->name,
                     " need ", bits / 8));
  }
  return entry;
}

}  // namespace

SafetensorsHeader ParseSafetensors(const std::byte* data, size_t size, const std::string& file) {
  if (size < 8) Bad(file, Concat("the file has ", size, " bytes; at least 8 were expected"));
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(data[i]);
  if (header_bytes > kMaxHeaderBytes) {
    const bool zip = std::memcmp(data, "PK\x03\x04", 4) == 0;
    const bool pickle =
        data[0] == std::byte{0x80} && std::to_integer<int>(data[1]) >= 2 && std::to_integer<int>(data[1]) <= 5;
    if (zip || pickle) {
      throw Error(ErrorCode::kUnsupported,
                  Concat("[safetensors] ", file,
                         " is a pickle file (PyTorch .bin/.pt), which can run "
                         "code when it is loaded; it is not read. Save the model as safetensors."));
    }
    Bad(file, Concat("the header claims ", header_bytes, " bytes; at most ", kMaxHeaderBytes, " are allowed"));
  }
  if (header_bytes > size - 8) {
    Bad(file, Concat("the header claims ", header_bytes, " bytes, but only ", size - 8, " follow"));
  }
  const std::string_view text(reinterpret_cast<const char*>(data + 8), header_bytes);
  if (text.empty() || text[0] != '{') Bad(file, "the header does not begin with '{'");
  const Json header = Json::Parse(text, Concat("[safetensors] ", file, " (header)"));

  SafetensorsHeader result;
  std::vector<Entry> entries;
  const uint64_t data_bytes = size - 8 - header_bytes;
  for (const Json::Member& member : header.members()) {
    if (member.first == "__metadata__") {
      if (!member.second.is_object()) Bad(file, "\"__metadata__\" is not an object");
      for (const Json::Member& pair : member.second.members()) {
        if (!pair.second.is_string()) Bad(file, Concat("metadata \"", Excerpt(pair.first), "\" is not a string"));
        result.metadata.emplace_back(pair.first, pair.second.string());
      }
      continue;
    }
    entries.push_back(ReadEntry(file, member.first, member.second, data_bytes));
  }
  // In order of offset the tensors follow each other without gap or overlap, from the first byte to the last.
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end != b.end ? a.end < b.end : *a.name < *b.name;
  });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected) {
      BadTensor(file, *entry.name,
                Concat("begins at data byte ", entry.begin, "; byte ", expected,
                       " was expected, where the tensor before it ends"));
    }
    expected = entry.end;
    result.tensors.push_back({*entry.name, entry.type->dtype.value_or(DType::kF32), entry.shape,
                              data + 8 + header_bytes + entry.begin, entry.end - entry.begin});
    result.unreadable_type.emplace_back(entry.type->dtype ? "" : entry.type->name);
  }
  if (expected != data_bytes) {
    Bad(file, Concat(data_bytes - expected, " bytes follow the last tensor, at data byte ", expected));
  }
  return result;
}

void WriteSafetensors(const std::string& path, const std::vector<SafetensorsEntry>& entries,
                      const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::vector<const SafetensorsEntry*> order;
  for (const SafetensorsEntry& entry : entries) order.push_back(&entry);
  // Wide elements first: with a padded header each tensor is aligned to its element.
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    const size_t wide_a = Info(a->dtype).block_bytes, wide_b = Info(b->dtype).block_bytes;
    return wide_a != wide_b ? wide_a > wide_b : a->name < b->name;
  });
  std::vector<Json::Member> header;
  if (!metadata.empty()) {
    std::vector<Json::Member> pairs;
    for (const auto& [key, value] : metadata) pairs.emplace_back(key, Json::String(value));
    header.emplace_back("__metadata__", Json::Object(std::move(pairs)));
  }
  std::unordered_set<std::string> names;
  std::vector<size_t> sizes;
  size_t offset = 0;
  for (const SafetensorsEntry* entry : order) {
    RLVR_CHECK(Info(entry->dtype).block == 1, "safetensors cannot hold ", Info(entry->dtype).name);
    RLVR_CHECK(names.insert(entry->name).second && entry->name != "__metadata__", "tensor name ", entry->name,
               " again");
    int64_t count = 1;
    std::vector<Json> shape;
    for (const int64_t dim : entry->shape) {
      count *= dim;
      shape.push_back(Json::Integer(dim));
    }
    const size_t bytes = BytesOf(entry->dtype, count);
    std::vector<Json> offsets;
    offsets.push_back(Json::Integer(static_cast<int64_t>(offset)));
    offsets.push_back(Json::Integer(static_cast<int64_t>(offset + bytes)));
    std::vector<Json::Member> fields;
    fields.emplace_back("dtype", Json::String(Info(entry->dtype).name));
    fields.emplace_back("shape", Json::Array(std::move(shape)));
    fields.emplace_back("data_offsets", Json::Array(std::move(offsets)));
    header.emplace_back(entry->name, Json::Object(std::move(fields)));
    sizes.push_back(bytes);
    offset += bytes;
  }
  std::string text = Json::Object(std::move(header)).Dump();
  text.append((8 - text.size() % 8) % 8, ' ');

  AtomicFile file(path);
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(text.size() >> (8 * i));
  file.Write(length, sizeof length);
  file.Write(text);
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t before = file.written();
    if (order[i]->produce) {
      order[i]->produce([&](const void* data, size_t bytes) { file.Write(data, bytes); });
    } else {
      file.Write(order[i]->data, sizes[i]);
    }
    RLVR_CHECK(file.written() - before == sizes[i], "tensor ", order[i]->name, " got ", file.written() - before,
               " bytes of ", sizes[i]);
  }
  file.Commit();
}

}  // namespace rlvr
