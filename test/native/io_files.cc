#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "io_builders.h"
#include "test.h"

namespace rlvr {
namespace {

using test::TempFolder;

TEST("a mapped file shows the bytes of the file, and an empty one has none") {
  const TempFolder folder;
  const MappedFile file(folder.Write("a", "hello"));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.data()), file.size()), "hello");
  EXPECT_EQ(MappedFile(folder.Write("b", "")).size(), size_t{0});
}

TEST("pages that were dropped are read again from the file") {
  const TempFolder folder;
  const std::string bytes(100000, 'x');
  const MappedFile file(folder.Write("a", bytes));
  EXPECT_EQ(std::to_integer<int>(file.data()[50000]), 'x');
  DropPages(file.data(), file.size());
  EXPECT_EQ(std::memcmp(file.data(), bytes.data(), bytes.size()), 0);
}

TEST("a missing file, a folder and a pipe are refused as files") {
  const TempFolder folder;
  EXPECT_THROW_CODE(MappedFile(folder / "none"), ErrorCode::kIo, "No such file");
  EXPECT_THROW_CODE(MappedFile(folder.path()), ErrorCode::kIo, "is a folder");
  EXPECT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THROW_CODE(MappedFile(folder / "pipe"), ErrorCode::kIo, "not a regular file");
  EXPECT_THROW_CODE(ReadTextFile(folder.Write("long", std::string(100, 'x')), 99), ErrorCode::kBadCheckpoint,
                    "100 bytes");
}

TEST("a file appears under its name only when it is committed") {
  const TempFolder folder;
  folder.Write("a", "old");
  {
    AtomicFile file(folder / "a");
    file.Write("new");
    EXPECT_EQ(ReadTextFile(folder / "a"), "old");
    EXPECT_EQ(folder.FileCount(), size_t{2});
    file.Commit();
    EXPECT_EQ(ReadTextFile(folder / "a"), "new");
  }
  {
    AtomicFile file(folder / "a");
    file.Write("never");
  }
  EXPECT_EQ(ReadTextFile(folder / "a"), "new");
  EXPECT_EQ(folder.FileCount(), size_t{1});
  EXPECT_THROW_CODE(WriteTextFile(folder / "no/such/folder", "x"), ErrorCode::kIo, "cannot create");
}

TEST("a write that the system refuses leaves the old file and nothing else") {
  const TempFolder folder;
  folder.Write("a", "old");
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {10000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::vector<float> values(10000);
  EXPECT_THROW_CODE(WriteSafetensors(folder / "a", {{"t", DType::kF32, {10000}, values.data(), nullptr}}),
                    ErrorCode::kIo, "cannot write");
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(ReadTextFile(folder / "a"), "old");
  EXPECT_EQ(folder.FileCount(), size_t{1});
}

TEST("a full disk is named as such and leaves nothing behind") {
  const TempFolder folder;
  const std::string disk = folder / "disk";
  std::filesystem::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) SKIP("mounting a small disk needs root");
  const std::vector<float> values(100000);
  EXPECT_THROW_CODE(WriteSafetensors(disk + "/a", {{"t", DType::kF32, {100000}, values.data(), nullptr}}),
                    ErrorCode::kIo, "disk full");
  EXPECT(std::filesystem::is_empty(disk));
  WriteSafetensors(disk + "/b", {{"t", DType::kF32, {100}, values.data(), nullptr}});  // what fits still works
  EXPECT(std::filesystem::exists(disk + "/b"));
  umount(disk.c_str());
}

}  // namespace
}  // namespace rlvr
