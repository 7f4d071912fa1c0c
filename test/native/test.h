// The native test framework: self-registering tests, a few checks, nothing else.
//   TEST("a sentence that is true when it passes") { EXPECT_EQ(1 + 1, 2); }
// A failed check is recorded and the test goes on; an exception ends it and is a failure with its message.
#pragma once

#include <cmath>
#include <exception>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"

#ifndef RLVR_SOURCE_DIR
#define RLVR_SOURCE_DIR "."  // the build gives the repository root; without it tests run from there
#endif

namespace rlvr::test {

struct TestCase {
  const char* name;
  const char* file;
  int line;
  void (*body)();
};

std::vector<TestCase>& Tests();

struct Registrar {
  Registrar(const char* name, const char* file, int line, void (*body)()) {
    Tests().push_back({name, file, line, body});
  }
};

// Notes a failure of the running test.
void Fail(const char* file, int line, const std::string& message);
// Failures noted so far in the running test.
int Failures();

// Thrown by SKIP: the test cannot run here. Skipped tests are counted and named, and do not fail.
struct Skipped {
  std::string reason;
};

// A file of the repository: SourcePath("test/fixtures/x.json").
std::string SourcePath(const std::string& relative);
// The folder of downloaded test data (environment RLVR_TEST_DATA), or "" when there is none.
std::string TestDataPath();

template <typename T>
std::string Show(const T& value) {
  std::ostringstream out;
  out.precision(17);
  if constexpr (std::is_same_v<T, bool>) {
    out << (value ? "true" : "false");
  } else if constexpr (std::is_enum_v<T>) {
    out << static_cast<long long>(value);
  } else if constexpr (std::is_integral_v<T> && sizeof(T) == 1) {
    out << static_cast<int>(value);
  } else if constexpr (requires { out << value; }) {
    out << value;
  } else if constexpr (requires {
                         value.begin();
                         value.end();
                       }) {
    out << "{";
    for (const auto& item : value) out << (&item == &*value.begin() ? "" : ", ") << Show(item);
    out << "}";
  } else {
    out << "<a value>";
  }
  return out.str();
}

template <typename A, typename B>
bool Equal(const A& a, const B& b) {
  constexpr bool kIntegers = std::is_integral_v<A> && std::is_integral_v<B>;
  if constexpr (kIntegers && !std::is_same_v<A, bool> && !std::is_same_v<B, bool>) {
    return (a < A{}) == (b < B{}) && static_cast<unsigned long long>(a) == static_cast<unsigned long long>(b);
  } else {
    return a == b;
  }
}

template <typename Body>
void ExpectThrowCode(const char* file, int line, const char* text, ErrorCode code, const std::string& part, Body body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() != code) {
      Fail(file, line,
           Concat(text, " threw ", CodeName(error.code()), ", expected ", CodeName(code), ": ", error.what()));
    } else if (std::string(error.what()).find(part) == std::string::npos) {
      Fail(file, line, Concat(text, " threw \"", error.what(), "\", which does not contain \"", part, "\""));
    }
    return;
  }
  Fail(file, line, Concat(text, " did not throw; expected ", CodeName(code)));
}

}  // namespace rlvr::test

#define RLVR_TEST_JOIN2(a, b) a##b
#define RLVR_TEST_JOIN(a, b) RLVR_TEST_JOIN2(a, b)
#define RLVR_TEST(sentence, id)                                                                          \
  static void RLVR_TEST_JOIN(TestBody, id)();                                                            \
  static const ::rlvr::test::Registrar RLVR_TEST_JOIN(test_registrar, id)(sentence, __FILE__, __LINE__,  \
                                                                          RLVR_TEST_JOIN(TestBody, id)); \
  static void RLVR_TEST_JOIN(TestBody, id)()
#define TEST(sentence) RLVR_TEST(sentence, __COUNTER__)

#define EXPECT(...)                                                                       \
  do {                                                                                    \
    if (!(__VA_ARGS__)) ::rlvr::test::Fail(__FILE__, __LINE__, #__VA_ARGS__ " is false"); \
  } while (0)

// a == b.
#define EXPECT_EQ(a, b)                                                                                   \
  do {                                                                                                    \
    const auto expect_a = (a);                                                                            \
    const auto expect_b = (b);                                                                            \
    if (!::rlvr::test::Equal(expect_a, expect_b))                                                         \
      ::rlvr::test::Fail(__FILE__, __LINE__,                                                              \
                         ::rlvr::Concat(#a " is ", ::rlvr::test::Show(expect_a), ", expected ", #b " = ", \
                                        ::rlvr::test::Show(expect_b)));                                   \
  } while (0)

// |a - b| <= tolerance; a NaN fails.
#define EXPECT_NEAR(a, b, tolerance)                                                                      \
  do {                                                                                                    \
    const double expect_a = (a), expect_b = (b), expect_t = (tolerance);                                  \
    if (!(expect_a == expect_b || std::fabs(expect_a - expect_b) <= expect_t))                            \
      ::rlvr::test::Fail(__FILE__, __LINE__,                                                              \
                         ::rlvr::Concat(#a " is ", ::rlvr::test::Show(expect_a), ", expected ", #b " = ", \
                                        ::rlvr::test::Show(expect_b), " within ", expect_t));             \
  } while (0)

// a <= b; a NaN fails.
#define EXPECT_LE(a, b)                                                                                           \
  do {                                                                                                            \
    const auto expect_a = (a);                                                                                    \
    const auto expect_b = (b);                                                                                    \
    if (!(expect_a <= expect_b))                                                                                  \
      ::rlvr::test::Fail(__FILE__, __LINE__,                                                                      \
                         ::rlvr::Concat(#a " is ", ::rlvr::test::Show(expect_a), ", expected at most ", #b " = ", \
                                        ::rlvr::test::Show(expect_b)));                                           \
  } while (0)

// The expression throws rlvr::Error with this code and a message that contains the text.
#define EXPECT_THROW_CODE(expression, code, substring) \
  ::rlvr::test::ExpectThrowCode(__FILE__, __LINE__, #expression, code, substring, [&] { (void)(expression); })

#define SKIP(reason) \
  throw ::rlvr::test::Skipped { reason }
