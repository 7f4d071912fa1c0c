// Files that are written: complete under their name, or not there at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/error.h"

namespace rlvr {

// Writes beside `path` under a temporary name; Commit() syncs, renames over `path` and syncs the folder. Without Commit
// (an exception, a refused write) the temporary file is removed and `path` is as it was. Errors are RLVR_IO and say
// "disk full" when that is the reason.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void Write(const void* data, size_t bytes);
  void Write(std::string_view text) { Write(text.data(), text.size()); }
  void Commit();
  size_t written() const { return written_; }

 private:
  [[noreturn]] void Fail(const char* doing, int error);
  void Discard();

  std::string path_;
  std::string temporary_;
  int file_ = -1;
  size_t written_ = 0;
};

// The whole of a small text file, by the same rules.
void WriteTextFile(const std::string& path, std::string_view text);

}  // namespace rlvr
