#include "backends/cuda/emulator/settings.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "core/error.h"

namespace rlvr::cuda::emulator {

namespace {

// The place of the variable's value in the list of its words; `fallback` when it is not set.
int Choice(const char* variable, std::initializer_list<const char*> words, int fallback) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return fallback;
  int index = 0;
  for (const char* word : words) {
    if (std::strcmp(value, word) == 0) return index;
    ++index;
  }
  throw Error(ErrorCode::kBadArgument, Concat("[cuda emulator] ", variable, " is \"", value,
                                              "\"; see native/backends/cuda/emulator/settings.h."));
}

uint64_t Number(const char* variable, uint64_t fallback) {
  const char* value = std::getenv(variable);
  return value ? std::strtoull(value, nullptr, 10) : fallback;
}

Settings FromEnvironment() {
  Settings settings;
  settings.order = static_cast<ThreadOrder>(Choice("RLVR_EMULATOR_ORDER", {"ascending", "descending", "random"}, 0));
  settings.async_copy = static_cast<AsyncCopy>(Choice("RLVR_EMULATOR_ASYNC", {"late", "early", "random"}, 0));
  settings.fault = static_cast<Fault>(Choice("RLVR_EMULATOR_FAULT", {"none", "no-device", "old-driver"}, 0));
  settings.seed = Number("RLVR_EMULATOR_SEED", settings.seed);
  settings.memory_bytes = Number("RLVR_EMULATOR_MEMORY", settings.memory_bytes);
  return settings;
}

}  // namespace

Settings& CurrentSettings() {
  static Settings settings = FromEnvironment();
  return settings;
}

}  // namespace rlvr::cuda::emulator
