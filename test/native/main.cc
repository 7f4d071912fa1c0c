// Runs the registered tests: rlvr_tests [--list] [--filter text]. Exit status 0 when all pass.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "test.h"

namespace rlvr::test {

namespace {
constexpr int kFailuresShown = 5;  // of one test; a loop over a million values fails readably
std::atomic<int> failures = 0;     // checks may fail in worker threads
}  // namespace

std::vector<TestCase>& Tests() {
  static std::vector<TestCase> tests;
  return tests;
}

void Fail(const char* file, int line, const std::string& message) {
  if (++failures <= kFailuresShown) std::printf("  %s:%d: %s\n", file, line, message.c_str());
  if (failures == kFailuresShown + 1) std::printf("  ... more failures of this test are not shown\n");
}

int Failures() { return failures; }

std::string SourcePath(const std::string& relative) { return std::string(RLVR_SOURCE_DIR) + "/" + relative; }

std::string TestDataPath() {
  const char* path = std::getenv("RLVR_TEST_DATA");
  return path ? path : "";
}

namespace {

enum class Outcome { kPassed, kFailed, kSkipped };

Outcome Run(const TestCase& test) {
  failures = 0;
  try {
    test.body();
  } catch (const Skipped& skipped) {
    std::printf("SKIP %s: %s\n", test.name, skipped.reason.c_str());
    return failures == 0 ? Outcome::kSkipped : Outcome::kFailed;
  } catch (const Error& error) {
    Fail(test.file, test.line, Concat("threw ", CodeName(error.code()), ": ", error.what()));
  } catch (const std::exception& error) {
    Fail(test.file, test.line, Concat("threw: ", error.what()));
  } catch (...) {
    Fail(test.file, test.line, "threw something that is not a std::exception");
  }
  return failures == 0 ? Outcome::kPassed : Outcome::kFailed;
}

int Main(int argc, char** argv) {
  const char* filter = "";
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--list") == 0) {
      list = true;
    } else if (std::strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
      filter = argv[++i];
    } else {
      std::fprintf(stderr, "usage: %s [--list] [--filter text]   text: a part of a test's name or file\n", argv[0]);
      return 2;
    }
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 1 << 16);  // a crash keeps the lines before it
  int passed = 0, failed = 0, skipped = 0;
  for (const TestCase& test : Tests()) {
    if (!std::strstr(test.name, filter) && !std::strstr(test.file, filter)) continue;
    if (list) {
      std::printf("%s\n", test.name);
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = Run(test);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (outcome == Outcome::kPassed) {
      ++passed;
      std::printf("ok   %s (%.2f s)\n", test.name, seconds);
    } else if (outcome == Outcome::kFailed) {
      ++failed;
      std::printf("FAIL %s (%s:%d, %.2f s)\n", test.name, test.file, test.line, seconds);
    } else {
      ++skipped;
    }
  }
  if (list) return 0;
  if (skipped > 0) std::printf("%d skipped\n", skipped);
  if (passed + failed + skipped == 0) std::printf("no test matches \"%s\"\n", filter);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed + skipped == 0 ? 1 : 0;
}

}  // namespace
}  // namespace rlvr::test

int main(int argc, char** argv) { return rlvr::test::Main(argc, argv); }
