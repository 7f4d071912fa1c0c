#include "io/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>

namespace rlvr {

Json Json::Bool(bool value) { return Make(value); }
Json Json::Integer(int64_t value) { return Make(NumberValue{static_cast<double>(value), value, true}); }
Json Json::Number(double value) { return Make(NumberValue{value, 0, false}); }
Json Json::String(std::string value) { return Make(std::move(value)); }
Json Json::Array(std::vector<Json> items) { return Make(std::move(items)); }
Json Json::Object(std::vector<Member> members) { return Make(std::move(members)); }

template <typename T>
const T& Json::Get() const {
  const T* value = std::get_if<T>(&value_);
  RLVR_CHECK(value != nullptr, "JSON value is ", Describe(*this));
  return *value;
}

bool Json::is_integer() const { return is_number() && Get<NumberValue>().exact; }
bool Json::boolean() const { return Get<bool>(); }
double Json::number() const { return Get<NumberValue>().value; }
const std::string& Json::string() const { return Get<std::string>(); }
const std::vector<Json>& Json::items() const { return Get<std::vector<Json>>(); }
const std::vector<Json::Member>& Json::members() const { return Get<std::vector<Member>>(); }
int64_t Json::integer() const {
  RLVR_CHECK(is_integer(), "JSON value is ", Describe(*this));
  return Get<NumberValue>().integer;
}

const Json* Json::Find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const Member& member : members()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

// One pass, recursive descent; the depth bound keeps the stack small.
class JsonParser {
 public:
  JsonParser(std::string_view text, const std::string& place) : text_(text), place_(place) {}

  Json Run() {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") Fail("the text begins with a byte order mark; save it as plain UTF-8");
    if (!IsUtf8(text_)) {
      at_ = FirstBadByte();
      Fail("the text is not UTF-8");
    }
    Json value = Value(0);
    SkipSpace();
    if (at_ != text_.size()) Fail(Concat("expected the end, found ", Here()));
    return value;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(at_), '\n');
    throw Error(ErrorCode::kBadCheckpoint, Concat(place_, ": invalid JSON at byte ", at_, ", line ", line, ": ", what,
                                                  ". Repair the file or download it again."));
  }

  // What stands at the cursor, for messages.
  std::string Here() const {
    if (at_ >= text_.size()) return "the end of the text";
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte > 0x20 && byte < 0x7f) return Concat("'", text_[at_], "'");
    return Concat("byte ", static_cast<int>(byte));
  }

  size_t FirstBadByte() const {
    // Bisecting on prefixes: a prefix that ends inside a character is bad too, so step back over continuation bytes.
    size_t good = 0;
    size_t bad = text_.size();
    while (good + 1 < bad) {
      size_t middle = good + (bad - good) / 2;
      while (middle > good && (static_cast<unsigned char>(text_[middle]) & 0xC0) == 0x80) --middle;
      if (middle == good) break;
      (IsUtf8(text_.substr(good, middle - good)) ? good : bad) = middle;
    }
    return good;
  }

  void SkipSpace() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool Accept(char wanted) {
    SkipSpace();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  Json Value(int depth) {
    if (++values_ > Json::kMaxValues) Fail(Concat("more than ", Json::kMaxValues, " values"));
    SkipSpace();
    if (at_ >= text_.size()) Fail("expected a value, found the end of the text");
    const bool nests = text_[at_] == '{' || text_[at_] == '[';
    if (nests && depth >= Json::kMaxDepth) Fail(Concat("more than ", Json::kMaxDepth, " levels of nesting"));
    switch (text_[at_]) {
      case '{': return Object(depth);
      case '[': return Array(depth);
      case '"': return Json::String(String());
      case 't': return Word("true", Json::Bool(true));
      case 'f': return Word("false", Json::Bool(false));
      case 'n': return Word("null", Json());
      default: return Number();
    }
  }

  Json Word(std::string_view word, Json value) {
    if (text_.substr(at_, word.size()) != word) Fail(Concat("expected a value, found ", Here()));
    at_ += word.size();
    return value;
  }

  Json Array(int depth) {
    ++at_;
    std::vector<Json> items;
    if (Accept(']')) return Json::Array(std::move(items));
    do {
      items.push_back(Value(depth + 1));
    } while (Accept(','));
    if (!Accept(']')) Fail(Concat("expected ',' or ']', found ", Here()));
    return Json::Array(std::move(items));
  }

  Json Object(int depth) {
    ++at_;
    std::vector<Json::Member> members;
    if (Accept('}')) return Json::Object(std::move(members));
    do {
      SkipSpace();
      if (at_ >= text_.size() || text_[at_] != '"') Fail(Concat("expected a key in quotes, found ", Here()));
      std::string key = String();
      if (!Accept(':')) Fail(Concat("expected ':', found ", Here()));
      members.emplace_back(std::move(key), Value(depth + 1));
    } while (Accept(','));
    if (!Accept('}')) Fail(Concat("expected ',' or '}', found ", Here()));
    CheckKeys(members);
    return Json::Object(std::move(members));
  }

  void CheckKeys(const std::vector<Json::Member>& members) {
    std::vector<size_t> order(members.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return members[a].first < members[b].first; });
    for (size_t i = 1; i < order.size(); ++i) {
      if (members[order[i]].first == members[order[i - 1]].first) {
        Fail(Concat("the key \"", Excerpt(members[order[i]].first), "\" stands twice in the object that ends here"));
      }
    }
  }

  uint32_t FourHex() {
    if (text_.size() - at_ < 4) Fail("a \\u escape is cut off");
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_];
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) Fail(Concat("expected a hexadecimal digit, found ", Here()));
      code = code * 16 + static_cast<uint32_t>(digit);
      ++at_;
    }
    return code;
  }

  void AppendCode(uint32_t code, std::string& out) {
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }

  void Escape(std::string& out) {
    if (at_ >= text_.size()) Fail("a string is not closed");
    const char kind = text_[at_++];
    switch (kind) {
      case '"':
      case '\\':
      case '/': out += kind; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: --at_; Fail(Concat("unknown escape \\ before ", Here()));
    }
    uint32_t code = FourHex();
    if (code >= 0xDC00 && code <= 0xDFFF) Fail("a \\u escape names half of a surrogate pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (text_.substr(at_, 2) != "\\u") Fail("a \\u escape names half of a surrogate pair");
      at_ += 2;
      const uint32_t low = FourHex();
      if (low < 0xDC00 || low > 0xDFFF) Fail("a \\u escape names half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendCode(code, out);
  }

  std::string String() {
    ++at_;
    std::string out;
    for (;;) {
      const size_t from = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20) {
        ++at_;
      }
      if (out.size() + (at_ - from) > Json::kMaxStringBytes) {
        Fail(Concat("a string of more than ", Json::kMaxStringBytes, " bytes"));
      }
      out.append(text_.substr(from, at_ - from));
      if (at_ >= text_.size()) Fail("a string is not closed");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) Fail("a control character inside a string");
      ++at_;
      if (c == '"') return out;
      Escape(out);
    }
  }

  bool Digits() {
    const size_t from = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > from;
  }

  Json Number() {
    const size_t from = at_;
    if (text_[at_] == '-') ++at_;
    const size_t digits = at_;
    if (!Digits()) {
      at_ = from;
      Fail(Concat("expected a value, found ", Here()));
    }
    if (text_[digits] == '0' && at_ - digits > 1) {
      at_ = digits;
      Fail("a number begins with 0");
    }
    bool whole = true;
    if (at_ < text_.size() && text_[at_] == '.') {
      whole = false;
      ++at_;
      if (!Digits()) Fail(Concat("expected a digit, found ", Here()));
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      whole = false;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!Digits()) Fail(Concat("expected a digit, found ", Here()));
    }
    const char* begin = text_.data() + from;
    const char* end = text_.data() + at_;
    int64_t integer = 0;
    if (whole && std::from_chars(begin, end, integer).ec == std::errc()) return Json::Integer(integer);
    double value = 0;
    const auto result = std::from_chars(begin, end, value);
    if (result.ec == std::errc::result_out_of_range) {
      // Too small is 0, as in other readers; too large has no value.
      const std::string_view digits_text = text_.substr(from, at_ - from);
      const size_t exponent = digits_text.find_first_of("eE");
      if (exponent == std::string_view::npos || digits_text[exponent + 1] != '-') Fail("a number is too large");
      value = 0;
    }
    return Json::Number(value);
  }

  std::string_view text_;
  const std::string& place_;
  size_t at_ = 0;
  int64_t values_ = 0;
};

Json Json::Parse(std::string_view text, const std::string& place) { return JsonParser(text, place).Run(); }

namespace {

void DumpString(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          constexpr char kHex[] = "0123456789abcdef";
          out += "\\u00";
          out += kHex[(c >> 4) & 0xF];
          out += kHex[c & 0xF];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void DumpValue(const Json& value, std::string& out) {
  switch (value.kind()) {
    case Json::Kind::kNull: out += "null"; return;
    case Json::Kind::kBool: out += value.boolean() ? "true" : "false"; return;
    case Json::Kind::kString: DumpString(value.string(), out); return;
    case Json::Kind::kNumber: {
      char digits[32];
      const auto end = value.is_integer() ? std::to_chars(digits, digits + sizeof digits, value.integer()).ptr
                                          : std::to_chars(digits, digits + sizeof digits, value.number()).ptr;
      RLVR_CHECK(std::isfinite(value.number()), "JSON has no NaN or infinity");
      out.append(digits, end);
      return;
    }
    case Json::Kind::kArray: {
      const char* separator = "[";
      for (const Json& item : value.items()) {
        out += separator;
        DumpValue(item, out);
        separator = ",";
      }
      out += value.items().empty() ? "[]" : "]";
      return;
    }
    case Json::Kind::kObject: {
      const char* separator = "{";
      for (const Json::Member& member : value.members()) {
        out += separator;
        DumpString(member.first, out);
        out += ':';
        DumpValue(member.second, out);
        separator = ",";
      }
      out += value.members().empty() ? "{}" : "}";
      return;
    }
  }
}

}  // namespace

std::string Json::Dump() const {
  std::string out;
  DumpValue(*this, out);
  return out;
}

std::string Describe(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::kNull: return "null";
    case Json::Kind::kBool: return value.boolean() ? "true" : "false";
    case Json::Kind::kNumber:
      return Concat("a number (", std::isfinite(value.number()) ? value.Dump() : "not finite", ")");
    case Json::Kind::kString: {
      const std::string& text = value.string();
      return text.size() <= 60 ? Concat("a string (", value.Dump(), ")") : "a long string";
    }
    case Json::Kind::kArray: return Concat("an array of ", value.items().size());
    case Json::Kind::kObject: return "an object";
  }
  return "";
}

std::string Excerpt(std::string_view text) {
  constexpr size_t kMost = 117;
  std::string out(text.substr(0, kMost));
  // Cut before a character that would be split.
  if (text.size() > kMost) {
    while (!out.empty() && !IsUtf8(out) && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.pop_back();
  }
  const bool valid = IsUtf8(out);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (!valid && byte >= 0x80)) c = '?';
  }
  return text.size() > kMost ? out + "..." : out;
}

bool IsUtf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const unsigned char* const end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
    if (*p < 0xC2 || *p > 0xF4 || end - p <= more) return false;
    // The second byte excludes overlong forms, surrogates and what lies above U+10FFFF.
    const unsigned char low = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high) return false;
    for (int i = 2; i <= more; ++i) {
      if ((p[i] & 0xC0) != 0x80) return false;
    }
    p += more + 1;
  }
  return true;
}

}  // namespace rlvr
