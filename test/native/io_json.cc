#include "io/json.h"

#include <string>

#include "io/json_fields.h"
#include "test.h"

namespace rlvr {
namespace {

Json Parse(const std::string& text) { return Json::Parse(text, "[test] x.json"); }

TEST("JSON keeps the order of members and reads integers exactly") {
  const Json json = Parse(R"({"z": 9223372036854775807, "a": [-1, 2.5, 1e3, true, null, "t\u00e9\n\ud83d\ude00"]})");
  EXPECT_EQ(json.members()[0].first, "z");
  EXPECT_EQ(json.members()[1].first, "a");
  EXPECT(json.Find("z")->is_integer());
  EXPECT_EQ(json.Find("z")->integer(), INT64_MAX);
  const auto& items = json.Find("a")->items();
  EXPECT_EQ(items[0].integer(), -1);
  EXPECT_EQ(items[1].number(), 2.5);
  EXPECT(!items[2].is_integer());
  EXPECT_EQ(items[2].number(), 1000.0);
  EXPECT(items[3].boolean());
  EXPECT(items[4].is_null());
  EXPECT_EQ(items[5].string(), "t\xC3\xA9\n\xF0\x9F\x98\x80");
}

TEST("what JSON dumps it reads back to the same bytes") {
  const std::string text = R"({"a":[1,-0.1,1e+300,"\"\\\u0001\n",true,null,{}],"b":[]})";
  EXPECT_EQ(Parse(text).Dump(), text);
  EXPECT_EQ(Parse(Parse("[0.1,3.0,123456789012]").Dump()).items()[0].number(), 0.1);
}

TEST("malformed JSON is refused with its place") {
  struct Case {
    std::string text;
    const char* message;
  };
  const std::vector<Case> cases = {
      {"", "expected a value, found the end"},
      {"{", "expected a key in quotes"},
      {"{\"a\"}", "expected ':'"},
      {"{\"a\":1", "expected ',' or '}'"},
      {"{\"a\":1,}", "expected a key in quotes"},
      {"{a:1}", "expected a key in quotes, found 'a'"},
      {"{\"a\":1,\"a\":2}", "the key \"a\" stands twice"},
      {"[1 2]", "expected ',' or ']', found '2'"},
      {"[1,]", "expected a value, found ']'"},
      {"[1]x", "expected the end, found 'x'"},
      {"tru", "expected a value"},
      {"NaN", "expected a value, found 'N'"},
      {"-Infinity", "expected a value, found '-'"},
      {"01", "begins with 0"},
      {"1.", "expected a digit"},
      {"1e", "expected a digit"},
      {".5", "expected a value, found '.'"},
      {"1e999", "too large"},
      {"\"abc", "not closed"},
      {"\"a\tb\"", "control character"},
      {"\"\\x\"", "unknown escape"},
      {"\"\\u12x4\"", "hexadecimal digit"},
      {"\"\\u12", "cut off"},
      {"\"\\ud800\"", "surrogate"},
      {"\"\\udc00\"", "surrogate"},
      {"\"\\ud800\\u0041\"", "surrogate"},
      {"\"\xC0\x80\"", "not UTF-8"},
      {"\"\xED\xA0\x80\"", "not UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "not UTF-8"},
      {"\"\xE2\x82", "not UTF-8"},
      {"\xEF\xBB\xBF{}", "byte order mark"},
      {std::string(65, '[') + std::string(65, ']'), "levels of nesting"},
      {"[1,\n2,\n}", "line 3"},
  };
  for (const Case& c : cases) EXPECT_THROW_CODE(Parse(c.text), ErrorCode::kBadCheckpoint, c.message);
  EXPECT_THROW_CODE(Parse("{"), ErrorCode::kBadCheckpoint, "[test] x.json");
  // Negative controls: the nearest well-formed texts.
  EXPECT_EQ(Parse(std::string(64, '[') + std::string(64, ']')).kind(), Json::Kind::kArray);
  EXPECT_EQ(Parse("1e-999").number(), 0.0);
  EXPECT_EQ(Parse(" [ 1 , 2 ] \n").items().size(), size_t{2});
}

TEST("a JSON text of more than a million values is refused before it takes much memory") {
  std::string text = "[0";
  for (int64_t i = 0; i < Json::kMaxValues; ++i) text += ",0";
  EXPECT_THROW_CODE(Parse(text + "]"), ErrorCode::kBadCheckpoint, "more than 1000000 values");
}

TEST("a JSON string of more than 16 MiB is refused") {
  EXPECT_THROW_CODE(Parse("\"" + std::string(Json::kMaxStringBytes + 1, 'a') + "\""), ErrorCode::kBadCheckpoint,
                    "a string of more than 16777216 bytes");
}

TEST("every wrong field of an object is reported at once, with the nearest key of a missing one") {
  const Json json = Parse(R"({"hiden_size": 8, "layers": -1, "eps": "small", "nested": {"ids": [1, 2.5]}, "on": 1})");
  const JsonFields fields(json, "[config] c.json");
  EXPECT_EQ(fields.Int("layers", 1, 100), 1);  // the smallest allowed value stands in
  fields.Int("hidden_size", 1, 100);
  fields.Number("eps", 0, 1);
  fields.Bool("on");
  fields.Object("nested").IntOrInts("ids", 0, 9);
  EXPECT_EQ(fields.Object("absent").Int("x", 0, 9, 7), 7);
  for (const char* part :
       {"5 problems", "layers: is a number (-1)", "the file has \"hiden_size\"", "eps: is a string (\"small\")",
        "on: is a number (1); expected true or false", "nested.ids: is an array of 2"}) {
    EXPECT_THROW_CODE(fields.Finish(), ErrorCode::kBadCheckpoint, part);
  }
}

TEST("a field that is null counts as absent, and good fields give no report") {
  const Json json = Parse(R"({"a": null, "b": 3, "c": [1, 2], "d": 4})");
  const JsonFields fields(json, "[config] c.json");
  EXPECT_EQ(fields.Int("a", 0, 9, 5), 5);
  EXPECT_EQ(fields.Int("b", 0, 9), 3);
  EXPECT_EQ(fields.IntOrInts("c", 0, 9), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(fields.IntOrInts("d", 0, 9), std::vector<int64_t>{4});
  EXPECT(!fields.Has("a"));
  fields.Finish();
  EXPECT(!fields.HasProblems());
}

}  // namespace
}  // namespace rlvr
