#include "core/available_cores.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.h"

namespace rlvr {

namespace {

int WholeCores(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return 0;
  const double cores = quota / period;
  if (cores >= 1 << 20) return 0;
  const auto whole = static_cast<int>(cores);
  return whole < cores ? whole + 1 : whole;
}

// "max 100000" or "150000 100000"; a first word that is no number leaves 0.
int ReadCpuMax(const std::string& file) {
  double quota = 0, period = 0;
  std::ifstream(file) >> quota >> period;
  return WholeCores(quota, period);
}

int ReadVersion1(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return WholeCores(quota, period);
}

void Lower(int& least, int cores) {
  if (cores > 0 && (least == 0 || cores < least)) least = cores;
}

}  // namespace

int CgroupCores(const std::string& membership, const std::string& root) {
  int least = 0;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // hierarchy:controllers:/path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = Concat(",", line.substr(first + 1, second - first - 1), ",");
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",cpu,") == std::string::npos) continue;
    // In a container the path may be the host's, of which only the root is visible: folders that are absent say
    // nothing.
    for (std::string path = line.substr(second + 1);;) {
      if (path == "/") path.clear();
      Lower(least, unified ? ReadCpuMax(root + path + "/cpu.max") : ReadVersion1(root + "/cpu" + path));
      if (path.empty()) break;
      path.erase(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
    }
  }
  return least;
}

int AvailableCores() {
  int cores = 0;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  if (cores <= 0) cores = static_cast<int>(std::thread::hardware_concurrency());
  std::stringstream membership;
  membership << std::ifstream("/proc/self/cgroup").rdbuf();
  const int quota = CgroupCores(membership.str(), "/sys/fs/cgroup");
  if (quota > 0) cores = std::min(cores, quota);
  return std::max(cores, 1);
}

}  // namespace rlvr
