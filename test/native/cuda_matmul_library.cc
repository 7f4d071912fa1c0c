// Large products by a library: what is asked of cuBLASLt, tried on a twin of it; when the backend turns to it and when
// to its own kernels; where it is looked for.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "backends/cuda/emulator/counters.h"
#include "backends/cuda/matmul_library.h"
#include "cublaslt_twin.h"
#include "gemm_problem.h"
#include "temp_folder.h"

namespace rlvr::test {
namespace {

using namespace cuda;

// The twin stands in for the library while this lives.
class WithTwin {
 public:
  WithTwin() {
    TheTwin() = {};
    before_ = ExchangeMatmulLibrary(std::make_shared<CublasLt>(TwinFunctions(), "twin"));
  }
  ~WithTwin() { ExchangeMatmulLibrary(before_); }

 private:
  std::shared_ptr<CublasLt> before_;
};

GemmProblem Problem(int64_t m, int64_t n, int64_t k) {
  GemmProblem problem;
  problem.m = m, problem.n = n, problem.k = k;
  return problem;
}
// Just large enough for the library.
GemmProblem LargeProblem() { return Problem(136, 1000, 1000); }

std::vector<double> Run(GemmOperands& operands, const LinearScratch& scratch) {
  operands.Reset();
  Gemm(nullptr, operands.Call(), scratch);
  return operands.Result();
}

TEST("the library is asked for the right product in every layout and way to end") {
  TheTwin() = {};
  CublasLt library(TwinFunctions(), "twin");
  const DeviceArray<std::byte> workspace(std::vector<std::byte>(4096));
  for (int variant = 0; variant < 32; ++variant) {
    GemmProblem problem = Problem(40, 72, 56);
    problem.a_transposed = (variant & 1) != 0;
    problem.b_transposed = (variant & 2) != 0;
    problem.c_is_f32 = (variant & 4) != 0;
    problem.accumulate = (variant & 8) != 0;
    problem.pad = variant & 16 ? 8 : 0;
    problem.alpha = problem.accumulate ? 0.5f : 1.0f;
    GemmOperands operands(problem);
    EXPECT(library.Multiply(nullptr, operands.Call(), workspace.data(), 4096));
    const int64_t wrong = CountWrong(operands.Result(), operands.Expect());
    if (wrong > 0) Fail(__FILE__, __LINE__, Concat(wrong, " elements of ", problem.Name(), " are wrong"));
  }
  EXPECT_EQ(TheTwin().products, 32);
}

TEST("a large product goes to the library, and agrees with the kernels") {
  const ScratchOf scratch;
  GemmOperands operands(LargeProblem());
  const GemmOperands::Expected expected = operands.Expect();
  EXPECT_EQ(CountWrong(Run(operands, scratch), expected), 0);
  const WithTwin twin;
  emulator::ResetCounters();
  EXPECT_EQ(CountWrong(Run(operands, scratch), expected), 0);
  EXPECT_EQ(TheTwin().products, 1);
  EXPECT_EQ(emulator::TotalCounters().launches, 0u);
}

TEST("the library gets large aligned products without bias, and no others") {
  GemmOperands operands(LargeProblem());
  const GemmCall large = operands.Call();
  EXPECT(SuitsLibrary(large));
  const auto suits = [&](auto&& change) {
    GemmCall call = large;
    change(call);
    return SuitsLibrary(call);
  };
  const std::vector<float> bias(1);
  EXPECT(!suits([&](GemmCall& call) { call.bias = bias.data(); }));
  EXPECT(!suits([](GemmCall& call) { call.m = 134; }));                   // fewer than 512^3 products
  EXPECT(!suits([](GemmCall& call) { call.m = 64, call.n = 1 << 20; }));  // few rows
  EXPECT(!suits([](GemmCall& call) { call.n = 64, call.m = 1 << 20; }));  // a LoRA rank
  EXPECT(!suits([](GemmCall& call) { call.a += 1; }));
  EXPECT(!suits([](GemmCall& call) { call.b += 4; }));
  EXPECT(!suits([](GemmCall& call) { call.lda += 4; }));
  EXPECT(!suits([](GemmCall& call) { call.ldc += 4; }));
  EXPECT(suits([](GemmCall& call) { call.ldc += 4, call.c_is_f32 = true; }));
  EXPECT(!suits([](GemmCall& call) { call.c = static_cast<Bf16*>(call.c) + 4; }));
}

TEST("a shape is planned once, and everything made for it is given back") {
  TheTwin() = {};
  {
    CublasLt library(TwinFunctions(), "twin");
    const DeviceArray<std::byte> workspace(std::vector<std::byte>(4096));
    GemmProblem problem = Problem(40, 72, 56);
    const auto multiply = [&] {
      EXPECT(library.Multiply(nullptr, GemmOperands(problem).Call(), workspace.data(), 4096));
    };
    multiply();
    multiply();
    EXPECT_EQ(TheTwin().products, 2);
    EXPECT_EQ(TheTwin().heuristics, 1);
    EXPECT_EQ(TheTwin().workspace_limit, 4096u);
    problem.b_transposed = true;
    multiply();
    EXPECT_EQ(TheTwin().heuristics, 2);
    EXPECT(TheTwin().alive > 0);
  }
  EXPECT_EQ(TheTwin().alive, 0);
}

TEST("the library's having no algorithm, no room or a failure is not an error, and a shape is refused once") {
  const DeviceArray<std::byte> workspace(std::vector<std::byte>(4096));
  GemmOperands operands(Problem(40, 72, 56));
  const std::vector<double> before = operands.Result();
  const auto multiply = [&](CublasLt& library, size_t bytes) {
    return library.Multiply(nullptr, operands.Call(), workspace.data(), bytes);
  };
  TheTwin() = {};
  CublasLt library(TwinFunctions(), "twin");
  EXPECT(!multiply(library, 4095));
  TheTwin().matmul_status = 15;  // CUBLAS_STATUS_NOT_SUPPORTED
  EXPECT(!multiply(library, 4096));
  TheTwin().matmul_status = 0;
  EXPECT(!multiply(library, 4096));
  EXPECT_EQ(TheTwin().heuristics, 2);

  TheTwin().has_no_algorithm = true;
  CublasLt poor(TwinFunctions(), "twin");
  EXPECT(!multiply(poor, 4096));
  TheTwin().has_no_algorithm = false;
  EXPECT(!multiply(poor, 4096));
  EXPECT(operands.Result() == before);
  CublasLt rich(TwinFunctions(), "twin");
  EXPECT(multiply(rich, 4096));
}

TEST("what the library refuses, the kernels compute") {
  const ScratchOf scratch;
  GemmOperands operands(LargeProblem());
  const std::vector<double> by_kernels = Run(operands, scratch);
  const WithTwin twin;
  TheTwin().has_no_algorithm = true;
  EXPECT(Run(operands, scratch) == by_kernels);
  EXPECT_EQ(TheTwin().heuristics, 1);
}

TEST("a report names the library and its version, or says why there is none") {
  EXPECT_EQ(MatmulLibraryReport(), std::string("none: the card is emulated"));
  const WithTwin twin;
  EXPECT_EQ(MatmulLibraryReport(), std::string("cuBLASLt 13.2.3 (twin)"));
}

TEST("a file that is not the library is refused with its name and what is missing") {
  EXPECT_THROW_CODE(LoadCublasLt("/nowhere/libcublasLt.so.13"), ErrorCode::kUnsupported,
                    "cannot load /nowhere/libcublasLt.so.13");
  EXPECT_THROW_CODE(LoadCublasLt("libm.so.6"), ErrorCode::kUnsupported, "libm.so.6 has no function cublasLtCreate");
  CublasLtFunctions functions = TwinFunctions();
  functions.create = [](void**) { return 1; };
  EXPECT_THROW_CODE(CublasLt(functions, "twin"), ErrorCode::kCuda, "cublasLtCreate of twin failed with status 1");
}

// Sets a variable of the environment, and puts back what it was.
class WithVariable {
 public:
  WithVariable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) {
      old_ = old;
      had_ = true;
    }
    setenv(name, value.c_str(), 1);
  }
  ~WithVariable() {
    if (had_) {
      setenv(name_, old_.c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

TEST("the library is looked for where it is said to be, else in the toolkit, the loader's paths and Python's wheels") {
  namespace fs = std::filesystem;
  const TempFolder folder;
  const fs::path root = folder / "";
  const auto make = [&](const char* file) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << "x";
    return (root / file).string();
  };
  const std::string toolkit = make("toolkit/lib64/libcublasLt.so.12");
  const std::string new_wheel = make("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
  const std::string old_wheel = make("venv/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
  const WithVariable cuda_home("CUDA_HOME", (root / "toolkit").string());
  const WithVariable venv("VIRTUAL_ENV", (root / "venv").string());
  {
    const std::vector<std::string> paths = MatmulLibraryPaths();
    const auto place = [&](const std::string& path) {
      return std::find(paths.begin(), paths.end(), path) - paths.begin();
    };
    EXPECT(place(toolkit) < place("libcublasLt.so.13"));
    EXPECT(place("libcublasLt.so.13") < place("libcublasLt.so.12"));
    EXPECT(place("libcublasLt.so.12") < place(new_wheel));
    EXPECT(place(new_wheel) < place(old_wheel));
    EXPECT(place(old_wheel) < static_cast<std::ptrdiff_t>(paths.size()));
  }
  const WithVariable given("RLVR_CUBLAS", (root / "toolkit/lib64").string());
  EXPECT_EQ(MatmulLibraryPaths(), std::vector<std::string>{toolkit});
  const WithVariable file("RLVR_CUBLAS", "/some/where.so");
  EXPECT_EQ(MatmulLibraryPaths(), std::vector<std::string>{"/some/where.so"});
}

}  // namespace
}  // namespace rlvr::test
