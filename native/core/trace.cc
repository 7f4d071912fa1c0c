#include "core/trace.h"

#include <cstring>

namespace rlvr {

thread_local int32_t LayerScope::current_ = -1;

void ZoneTrace::Start(size_t max_zones) {
  Clear();
  max_zones_ = max_zones;
  on_ = true;
}

void ZoneTrace::Clear() {
  on_ = false;
  zones_ = {};
  totals_.clear();
  dropped_ = 0;
}

void ZoneTrace::Add(const Zone& zone) {
  if (!on_) return;
  ZoneTotal* total = nullptr;
  for (ZoneTotal& candidate : totals_) {  // some thirty names: quicker than a map
    if (candidate.name == zone.name || std::strcmp(candidate.name, zone.name) == 0) total = &candidate;
  }
  if (total == nullptr) {
    totals_.push_back({zone.name});
    total = &totals_.back();
  }
  ++total->calls;
  total->length_ns += zone.length_ns;
  total->flops += zone.flops;
  total->bytes += zone.bytes;
  if (zones_.size() < max_zones_) {
    zones_.push_back(zone);
  } else {
    ++dropped_;
  }
}

}  // namespace rlvr
