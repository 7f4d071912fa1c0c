#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

namespace rlvr {

namespace {

// A descriptor of a regular file for reading, closed at the end of the scope.
class ReadHandle {
 public:
  explicit ReadHandle(const std::string& path) {
    if (path.find('\0') != std::string::npos) {
      throw Error(ErrorCode::kIo,
                  Concat("[file] the path ", path.c_str(), "... contains a zero byte. Check the path."));
    }
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ < 0) {
      throw Error(ErrorCode::kIo, Concat("[file] cannot open ", path, ": ", std::strerror(errno),
                                         ". Check the path and its permissions."));
    }
    struct stat status;
    const bool known = fstat(file_, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
      close(file_);
      throw Error(ErrorCode::kIo, Concat("[file] ", path, known && S_ISDIR(status.st_mode) ? " is a folder" : " is not",
                                         known && S_ISDIR(status.st_mode) ? "" : " a regular file",
                                         "; a file was expected. Check the path."));
    }
    size_ = static_cast<size_t>(status.st_size);
  }
  ~ReadHandle() { close(file_); }
  ReadHandle(const ReadHandle&) = delete;
  ReadHandle& operator=(const ReadHandle&) = delete;
  int file() const { return file_; }
  size_t size() const { return size_; }

 private:
  int file_;
  size_t size_ = 0;
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const ReadHandle handle(path);
  size_ = handle.size();
  if (size_ == 0) return;
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, handle.file(), 0);
  if (memory == MAP_FAILED) {
    throw Error(ErrorCode::kIo, Concat("[file] cannot map ", path, " (", size_, " bytes): ", std::strerror(errno),
                                       ". Free memory, or raise the address space limit (ulimit -v)."));
  }
  data_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

void DropPages(const void* data, size_t bytes) {
  // Only whole pages inside the range: its neighbours may still be in use.
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

bool IsRegularFile(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool IsFolder(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string ReadTextFile(const std::string& path, size_t max_bytes) {
  const ReadHandle handle(path);
  if (handle.size() > max_bytes) {
    throw Error(ErrorCode::kBadCheckpoint,
                Concat("[file] ", path, " has ", handle.size(), " bytes; a text file of at most ", max_bytes,
                       " was expected. Check that it is the right file."));
  }
  std::string text(handle.size(), '\0');
  size_t got = 0;
  while (got < text.size()) {
    const ssize_t count = read(handle.file(), text.data() + got, text.size() - got);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw Error(ErrorCode::kIo, Concat("[file] cannot read ", path, ": ", std::strerror(errno), ". Check the disk."));
    }
    if (count == 0) break;  // the file became shorter; its parser will say what is missing
    got += static_cast<size_t>(count);
  }
  text.resize(got);
  return text;
}

}  // namespace rlvr
