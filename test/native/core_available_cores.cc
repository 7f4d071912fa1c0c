// The default number of threads: CPU quotas of cgroups, of both versions, nested, absent and malformed.
#include "core/available_cores.h"

#include <filesystem>
#include <fstream>

#include "test.h"

namespace rlvr::test {
namespace {

namespace fs = std::filesystem;

class Cgroups {
 public:
  Cgroups() {
    char name[] = "/tmp/rlvr-cgroups-XXXXXX";
    const char* made = mkdtemp(name);
    if (made == nullptr) throw Error(ErrorCode::kInternal, "[test] no temporary folder");
    root_ = made;
  }
  ~Cgroups() { fs::remove_all(root_); }
  void Write(const std::string& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  int Cores(const std::string& membership) const { return CgroupCores(membership, root_.string()); }

 private:
  fs::path root_;
};

TEST("a quota of version 2 is rounded up to whole cores, and the tightest folder on the way to the root counts") {
  const Cgroups groups;
  groups.Write("a/b/cpu.max", "max 100000\n");
  EXPECT_EQ(groups.Cores("0::/a/b\n"), 0);
  groups.Write("a/cpu.max", "350000 100000\n");
  EXPECT_EQ(groups.Cores("0::/a/b\n"), 4);
  groups.Write("a/b/cpu.max", "800000 100000\n");
  EXPECT_EQ(groups.Cores("0::/a/b\n"), 4);
  groups.Write("a/b/cpu.max", "150000 100000\n");
  EXPECT_EQ(groups.Cores("0::/a/b\n"), 2);
  groups.Write("cpu.max", "100000 100000\n");
  EXPECT_EQ(groups.Cores("0::/a/b\n"), 1);
  EXPECT_EQ(groups.Cores("0::/\n"), 1);
  EXPECT_EQ(groups.Cores("0::/a/gone/deeper\n"), 1);  // a container sees only its root
}

TEST("a quota of version 1 is that of the cpu controller") {
  const Cgroups groups;
  groups.Write("cpu/job/cpu.cfs_quota_us", "250000\n");
  groups.Write("cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(groups.Cores("5:memory:/job\n4:cpu,cpuacct:/job\n"), 3);
  EXPECT_EQ(groups.Cores("5:memory:/job\n4:cpuset:/job\n"), 0);
  groups.Write("cpu/job/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(groups.Cores("4:cpu,cpuacct:/job\n"), 0);
}

TEST("text that says nothing sets no limit") {
  const Cgroups groups;
  groups.Write("cpu.max", "garbage");
  for (const char* text : {"", "\n", "0", "0:", "0::", "0::/", "::::", "x:cpu:/"}) EXPECT_EQ(groups.Cores(text), 0);
  groups.Write("cpu.max", "100000 0");
  EXPECT_EQ(groups.Cores("0::/"), 0);
  EXPECT_LE(1, AvailableCores());
}

}  // namespace
}  // namespace rlvr::test
