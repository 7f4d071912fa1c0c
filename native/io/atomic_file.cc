#include "io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace rlvr {

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  temporary_ = Concat(path_, ".tmp-", getpid(), "-", counter++);
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file_ < 0) Fail("create", errno);
}

AtomicFile::~AtomicFile() { Discard(); }

void AtomicFile::Discard() {
  if (file_ < 0) return;
  close(file_);
  file_ = -1;
  unlink(temporary_.c_str());
}

void AtomicFile::Fail(const char* doing, int error) {
  Discard();
  if (error == ENOSPC || error == EDQUOT) {
    throw Error(ErrorCode::kIo, Concat("[file] disk full: cannot ", doing, " ", path_, " after ", written_, " bytes (",
                                       std::strerror(error), "). Nothing was left behind. Free space and try again."));
  }
  throw Error(ErrorCode::kIo, Concat("[file] cannot ", doing, " ", path_, ": ", std::strerror(error),
                                     ". Nothing was left behind. Check the folder and its permissions."));
}

void AtomicFile::Write(const void* data, size_t bytes) {
  RLVR_CHECK(file_ >= 0, "write after commit");
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const size_t part = bytes < (size_t{1} << 30) ? bytes : size_t{1} << 30;  // Linux writes at most 2 GiB a call
    const ssize_t count = write(file_, from, part);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) Fail("write", errno);
    from += count;
    bytes -= static_cast<size_t>(count);
    written_ += static_cast<size_t>(count);
  }
}

void AtomicFile::Commit() {
  RLVR_CHECK(file_ >= 0, "second commit");
  if (fsync(file_) != 0) Fail("sync", errno);
  // Some network file systems report a full disk only here.
  const int closed = close(file_);
  file_ = -1;
  const int close_error = errno;
  if (closed != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = closed != 0 ? close_error : errno;
    unlink(temporary_.c_str());
    Fail("publish", error);
  }
  // The new name is durable once the folder is.
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  const int parent = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    fsync(parent);  // refused by some file systems, which then order the rename themselves
    close(parent);
  }
}

void WriteTextFile(const std::string& path, std::string_view text) {
  AtomicFile file(path);
  file.Write(text);
  file.Commit();
}

}  // namespace rlvr
