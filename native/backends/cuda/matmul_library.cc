#include "backends/cuda/matmul_library.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "backends/cuda/gemm_plan.h"
#include "core/error.h"

namespace rlvr::cuda {

namespace {

namespace fs = std::filesystem;

// The newest major version first. CUDA 12's wheels have a folder for each library, CUDA 13's one for all.
constexpr const char* kFileNames[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
constexpr const char* kWheelFolders[] = {"nvidia/cu13/lib", "nvidia/cublas/lib"};

// The emulated card has no library: its memory is the host's, which a real one would refuse or misread.
#ifdef RLVR_CUDA_EMULATED
constexpr bool kHasCard = false;
#else
constexpr bool kHasCard = true;
#endif

struct Found {
  std::shared_ptr<CublasLt> library;
  std::string reason;  // why there is none
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void AddFilesIn(const fs::path& folder, std::vector<std::string>& paths) {
  std::error_code ignored;
  for (const char* name : kFileNames) {
    if (fs::exists(folder / name, ignored)) paths.push_back((folder / name).string());
  }
}

// `prefix`/lib/python3.x/{site,dist}-packages.
void AddWheelsIn(const fs::path& prefix, std::vector<std::string>& paths) {
  std::error_code ignored;
  std::vector<fs::path> pythons;
  for (const fs::directory_entry& entry : fs::directory_iterator(prefix / "lib", ignored)) {
    if (entry.path().filename().string().starts_with("python3")) pythons.push_back(entry.path());
  }
  std::sort(pythons.rbegin(), pythons.rend());
  for (const fs::path& python : pythons) {
    for (const char* packages : {"site-packages", "dist-packages"}) {
      for (const char* folder : kWheelFolders) AddFilesIn(python / packages / folder, paths);
    }
  }
}

Found Find() {
  if (!kHasCard) return {nullptr, "the card is emulated"};
  if (Environment("RLVR_CUBLAS") == "off") return {nullptr, "RLVR_CUBLAS is off"};
  std::string reason = "no libcublasLt.so.13 or .so.12 was found; set RLVR_CUBLAS to its path";
  for (const std::string& path : MatmulLibraryPaths()) {
    try {
      return {std::make_shared<CublasLt>(LoadCublasLt(path), path), ""};
    } catch (const Error& error) {
      // The loader not knowing a bare name says nothing about a file that was there and failed.
      if (path.find('/') != std::string::npos) reason = error.what();
    }
  }
  return {nullptr, reason};
}

Found& Library() {
  static Found found = Find();
  return found;
}

}  // namespace

std::vector<std::string> MatmulLibraryPaths() {
  std::vector<std::string> paths;
  if (const std::string given = Environment("RLVR_CUBLAS"); !given.empty()) {
    std::error_code ignored;
    if (!fs::is_directory(given, ignored)) return {given};
    AddFilesIn(given, paths);
    return paths;
  }
  for (const char* toolkit : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string folder = Environment(toolkit); !folder.empty()) AddFilesIn(fs::path(folder) / "lib64", paths);
  }
  AddFilesIn("/usr/local/cuda/lib64", paths);
  paths.insert(paths.end(), std::begin(kFileNames), std::end(kFileNames));
  for (const char* python : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const std::string folder = Environment(python); !folder.empty()) AddWheelsIn(folder, paths);
  }
  if (const std::string home = Environment("HOME"); !home.empty()) AddWheelsIn(fs::path(home) / ".local", paths);
  for (const char* prefix : {"/usr/local", "/usr"}) AddWheelsIn(prefix, paths);
  return paths;
}

bool SuitsLibrary(const GemmCall& call) {
  const int64_t group = call.c_is_f32 ? 4 : 8;
  return !call.bias && std::min({call.m, call.n, call.k}) > kFewRows &&
         static_cast<double>(call.m) * static_cast<double>(call.n) * static_cast<double>(call.k) >= kLibraryProducts &&
         IsAligned(call.a, call.lda, 0) && IsAligned(call.b, call.ldb, 0) &&
         reinterpret_cast<uintptr_t>(call.c) % 16 == 0 && call.ldc % group == 0;
}

bool MultiplyByLibrary(cudaStream_t stream, const GemmCall& call, const GemmScratch& scratch) {
  if (!SuitsLibrary(call)) return false;
  const std::shared_ptr<CublasLt>& library = Library().library;
  return library && library->Multiply(stream, call, scratch.workspace, scratch.bytes);
}

std::string MatmulLibraryReport() {
  const Found& found = Library();
  if (!found.library) return "none: " + found.reason;
  return Concat("cuBLASLt ", found.library->version(), " (", found.library->path(), ")");
}

std::shared_ptr<CublasLt> ExchangeMatmulLibrary(std::shared_ptr<CublasLt> library) {
  return std::exchange(Library().library, std::move(library));
}

}  // namespace rlvr::cuda
