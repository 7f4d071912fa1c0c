// JSON (RFC 8259), strictly: UTF-8 is checked, duplicate keys, lone surrogates, NaN and trailing text are errors,
// nesting and the number of values are bounded. Members keep their order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"

namespace rlvr {

class Json {
 public:
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  // Deeper or larger texts than these are refused. A million values is ten times the largest published index.
  static constexpr int kMaxDepth = 64;
  static constexpr int64_t kMaxValues = 1000000;
  static constexpr size_t kMaxStringBytes = size_t{16} << 20;

  Json() = default;
  static Json Bool(bool value);
  static Json Integer(int64_t value);
  static Json Number(double value);
  static Json String(std::string value);
  static Json Array(std::vector<Json> items);
  static Json Object(std::vector<Member> members);

  // `place` opens the message of RLVR_BAD_CHECKPOINT: "[config] /models/x/config.json".
  static Json Parse(std::string_view text, const std::string& place);
  // One line of text; strings are escaped, doubles have the digits that read back to the same value.
  std::string Dump() const;

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_object() const { return kind() == Kind::kObject; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  // Written without fraction or exponent, and inside int64.
  bool is_integer() const;

  // The value of the kind asked for; another kind is RLVR_INTERNAL. Ask kind() first, or use JsonFields.
  bool boolean() const;
  int64_t integer() const;
  double number() const;
  const std::string& string() const;
  const std::vector<Json>& items() const;
  const std::vector<Member>& members() const;
  // Null when absent or when this is no object.
  const Json* Find(std::string_view key) const;

 private:
  friend class JsonParser;
  struct NumberValue {
    double value = 0;
    int64_t integer = 0;
    bool exact = false;
  };
  // Kind's order. A variant keeps a value at 40 bytes, which bounds what a hostile text can take.
  using Value = std::variant<std::monostate, bool, NumberValue, std::string, std::vector<Json>, std::vector<Member>>;
  template <typename T>
  static Json Make(T value) {
    Json json;
    json.value_.template emplace<T>(std::move(value));
    return json;
  }
  template <typename T>
  const T& Get() const;

  Value value_;
};

// "null", "true", "a number (7)", "a string (\"abc\")", "an array", "an object": what came, for messages.
std::string Describe(const Json& value);

// A name or value from a file, for messages: at most 120 bytes, printable, valid UTF-8.
std::string Excerpt(std::string_view text);

// Whether the text is well-formed UTF-8 (no overlong forms, no surrogates).
bool IsUtf8(std::string_view text);

}  // namespace rlvr
