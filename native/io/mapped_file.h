// Files that are read: a read-only memory map, and small text files read whole with a size bound.
#pragma once

#include <cstddef>
#include <string>

#include "core/error.h"

namespace rlvr {

// A regular file mapped read-only. A file of zero bytes has size() 0 and data() null.
// Throws RLVR_IO when the system refuses it, and when it is a folder, a pipe or a device.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Tells the system that these mapped bytes will not be read soon, so that they leave the resident set; they are read
// from disk again when needed. For weights that have been packed into a backend's own layout.
void DropPages(const void* data, size_t bytes);

bool IsRegularFile(const std::string& path);
bool IsFolder(const std::string& path);

// The whole file. Throws RLVR_IO when it cannot be read, RLVR_BAD_CHECKPOINT when it is longer than max_bytes.
std::string ReadTextFile(const std::string& path, size_t max_bytes = size_t{64} << 20);

}  // namespace rlvr
