#include "backends/cuda_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include "core/error.h"

namespace rlvr {

namespace {

constexpr int kMostCards = 16;
constexpr size_t kMessageBytes = 2048;

const char* FileName(CudaLibrary library) {
  return library == CudaLibrary::kCuda ? "librlvr_cuda.so" : "librlvr_cuda_emulated.so";
}

// The folder of the addon or program that this code is in.
std::string OwnFolder() {
  Dl_info info = {};
  if (dladdr(reinterpret_cast<void*>(&OwnFolder), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string file = info.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::vector<std::string> Candidates(CudaLibrary library) {
  std::vector<std::string> paths;
  const char* variable = library == CudaLibrary::kCuda ? "RLVR_CUDA_LIBRARY" : "RLVR_CUDA_EMULATED_LIBRARY";
  if (const char* given = std::getenv(variable); given != nullptr && *given != '\0') return {given};
  const std::string own = OwnFolder();
  for (const char* folder : {"", "/../cuda", "/../../build/cuda"})
    paths.push_back(own + folder + "/" + FileName(library));
  return paths;
}

Error Unusable(const std::string& text) { return Error(ErrorCode::kCuda, "[cuda] " + text); }

struct Loaded {
  std::string path;
  const CudaLibraryTable* table;
};

// Loaded once and never unloaded: kernels and their state live as long as the process.
Loaded Load(CudaLibrary library) {
  std::string path;
  for (const std::string& candidate : Candidates(library)) {
    if (access(candidate.c_str(), R_OK) != 0) continue;
    path = candidate;
    break;
  }
  const char* command = library == CudaLibrary::kCuda ? "npm run build:cuda" : "npm run build:cuda-emulated";
  if (path.empty()) {
    throw Unusable(Concat(FileName(library), " is not there (looked in ", Candidates(library).front(),
                          "). Build it with ", command, ", or use device: cpu."));
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    throw Unusable(Concat(path, " cannot be loaded: ", dlerror(), ". Build it again with ", command, "."));
  }
  const auto entry = reinterpret_cast<CudaLibraryEntry>(dlsym(handle, kCudaLibraryEntry));
  if (entry == nullptr) {
    throw Unusable(
        Concat(path, " is no library of rlvr-node: it has no ", kCudaLibraryEntry, ". Build it with ", command, "."));
  }
  const CudaLibraryTable* table = entry();
  if (table->contract != kCudaContract) {
    throw Unusable(Concat(path, " was built for another version of the engine. Build it again with ", command, "."));
  }
  return {path, table};
}

std::vector<CudaCard> Cards(const CudaLibraryTable& table) {
  std::vector<CudaCard> cards(kMostCards);
  char message[kMessageBytes] = "";
  const int count = table.cards(cards.data(), kMostCards, message, sizeof message);
  if (count < 0) throw Error(ErrorCode::kCuda, message);
  if (count == 0) throw Unusable("there is no NVIDIA GPU on this machine. Use device: cpu.");
  cards.resize(static_cast<size_t>(std::min(count, kMostCards)));
  return cards;
}

}  // namespace

std::unique_ptr<Ops> CreateCudaBackend(CudaLibrary library, bool fp8_kv) {
  const Loaded loaded = Load(library);
  Cards(*loaded.table);
  char message[kMessageBytes] = "";
  Ops* ops = loaded.table->create(0, fp8_kv, message, sizeof message);
  if (ops == nullptr) throw Error(ErrorCode::kCuda, message);
  return std::unique_ptr<Ops>(ops);
}

CudaStatus InspectCuda(CudaLibrary library) {
  CudaStatus status;
  try {
    const Loaded loaded = Load(library);
    status.library = loaded.path;
    status.build = loaded.table->build;
    char text[kMessageBytes] = "";
    loaded.table->cublas(text, sizeof text);
    status.cublas = text;
    status.cards = Cards(*loaded.table);
    status.usable = true;
  } catch (const std::exception& error) {
    status.problem = error.what();
  }
  return status;
}

}  // namespace rlvr
