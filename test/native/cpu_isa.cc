// The choice of the cpu backend's instruction set.
#include <algorithm>
#include <cstdlib>

#include "backends/backend.h"
#include "test.h"

namespace rlvr::test {
namespace {

// RLVR_CPU_ISA for the length of a scope.
class IsaVariable {
 public:
  explicit IsaVariable(const char* value) {
    if (const char* before = std::getenv(kName)) before_ = before;
    setenv(kName, value, 1);
  }
  ~IsaVariable() {
    if (before_.empty()) {
      unsetenv(kName);
    } else {
      setenv(kName, before_.c_str(), 1);
    }
  }

 private:
  static constexpr const char* kName = "RLVR_CPU_ISA";
  std::string before_;
};

TEST("the baseline instruction set is always offered, and first") {
  const std::vector<std::string> isas = CpuIsas();
  EXPECT(!isas.empty());
  EXPECT_EQ(isas.front(), std::string("baseline"));
}

TEST("RLVR_CPU_ISA takes every offered instruction set and refuses any other, naming what is offered") {
  ThreadPool pool(1);
  for (const std::string& isa : CpuIsas()) {
    const IsaVariable set(isa.c_str());
    EXPECT_EQ(std::string(CreateCpuBackend(pool)->isa()), isa);
  }
  const IsaVariable set("avx1024");
  std::string message;
  try {
    CreateCpuBackend(pool);
  } catch (const Error& error) {
    EXPECT(error.code() == ErrorCode::kBadArgument);
    message = error.what();
  }
  EXPECT(message.find("\"avx1024\"") != std::string::npos);
  for (const std::string& isa : CpuIsas()) EXPECT(message.find(isa) != std::string::npos);
}

TEST("an empty RLVR_CPU_ISA is as good as none") {
  ThreadPool pool(1);
  const IsaVariable set("");
  EXPECT_EQ(std::string(CreateCpuBackend(pool)->isa()), CpuIsas().back());
}

}  // namespace
}  // namespace rlvr::test
