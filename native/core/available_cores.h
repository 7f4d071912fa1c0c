// How many cores this process may use: what a thread pool takes when it is not told.
#pragma once

#include <string>

namespace rlvr {

// Affinity and the cgroup's CPU quota, at least 1.
int AvailableCores();

// The smallest CPU quota in whole cores, rounded up, that holds for a process; 0: none. `membership` is the text of
// /proc/self/cgroup, `root` the folder where cgroups are mounted. Version 2 (every folder from the process's up to
// the root counts) and version 1.
int CgroupCores(const std::string& membership, const std::string& root);

}  // namespace rlvr
