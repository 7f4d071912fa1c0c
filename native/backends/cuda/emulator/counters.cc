#include "backends/cuda/emulator/counters.h"

#include "backends/cuda/emulator/launch.h"

namespace rlvr::cuda::emulator {

namespace {
std::map<std::string, Counters>& Table() {
  static std::map<std::string, Counters> table;
  return table;
}
}  // namespace

Counters& Counters::operator+=(const Counters& other) {
  launches += other.launches;
  blocks += other.blocks;
  threads += other.threads;
  barriers += other.barriers;
  collectives += other.collectives;
  mma += other.mma;
  ldmatrix += other.ldmatrix;
  ldmatrix_wavefronts += other.ldmatrix_wavefronts;
  async_copy_bytes += other.async_copy_bytes;
  load_bytes += other.load_bytes;
  store_bytes += other.store_bytes;
  return *this;
}

void AddCounters(const std::string& kernel, const Counters& counters) { Table()[kernel] += counters; }

Counters TotalCounters() {
  Counters total;
  for (const auto& [name, counters] : Table()) total += counters;
  return total;
}

const std::map<std::string, Counters>& CountersByKernel() { return Table(); }

Counters CountersOf(const std::string& kernel) {
  const auto found = Table().find(kernel);
  return found == Table().end() ? Counters() : found->second;
}

void ResetCounters() { Table().clear(); }

}  // namespace rlvr::cuda::emulator
