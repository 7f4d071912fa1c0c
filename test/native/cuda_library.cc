// The CUDA library as the engine loads it: the contract that both were built with, and what is said when it is missing.
#include "backends/cuda_library.h"

#include <cstdlib>
#include <sstream>

#include "backends/backend.h"
#include "io/mapped_file.h"
#include "test.h"

using namespace rlvr;
using namespace rlvr::test;

namespace {

constexpr size_t kMostBytes = size_t{1} << 20;

// FNV-1a of the headers' lines but the one that states the result.
uint64_t ContractOf(const std::vector<std::string>& headers) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::string& header : headers) {
    std::istringstream text(ReadTextFile(SourcePath("native/" + header), kMostBytes));
    for (std::string line; std::getline(text, line);) {
      if (line.find("kCudaContract =") != std::string::npos) continue;
      line += '\n';
      for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
  }
  return hash;
}

}  // namespace

TEST("the contract's number is that of the headers that engine and CUDA library share") {
  const std::vector<std::string> headers = {"core/device_memory.h", "core/dtype.h",
                                            "core/tensor.h",        "ops/ops.h",
                                            "ops/span_view.h",      "backends/cuda/library_table.h"};
  const uint64_t contract = ContractOf(headers);
  if (contract != kCudaContract) {
    Fail(__FILE__, __LINE__,
         Concat("the contract has changed: set kCudaContract in native/backends/cuda/library_table.h to ", contract,
                "u"));
  }
  EXPECT(ContractOf({headers.begin(), headers.end() - 1}) != contract);
}

TEST("a CUDA library that is missing, or is none, is an error that says what to do") {
  ThreadPool pool(1);
  setenv("RLVR_CUDA_LIBRARY", "/nowhere/librlvr_cuda.so", 1);
  EXPECT_THROW_CODE(CreateBackend("cuda", pool), ErrorCode::kCuda, "npm run build:cuda");
  setenv("RLVR_CUDA_LIBRARY", SourcePath("package.json").c_str(), 1);
  EXPECT_THROW_CODE(CreateBackend("cuda", pool), ErrorCode::kCuda, "cannot be loaded");
  const CudaStatus status = InspectCuda(CudaLibrary::kCuda);
  unsetenv("RLVR_CUDA_LIBRARY");
  EXPECT(!status.usable && !status.problem.empty());
}
