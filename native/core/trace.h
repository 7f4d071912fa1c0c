// Where a call's time goes: zones with their begin and length, kept up to a limit, and totals by name without one.
// A zone is recorded by the thread that runs the engine; nobody else touches the trace meanwhile.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rlvr {

struct Zone {
  const char* name = "";  // a literal
  int64_t start_ns = 0;   // of the monotonic clock, which Node's hrtime shows as well
  int64_t length_ns = 0;
  int32_t layer = -1;  // of the model; -1: none
  int64_t rows = 0;    // packed rows; 0: not an op
  double flops = 0;    // what the op's formula needs
  double bytes = 0;    // of its operands, each moved once
};

struct ZoneTotal {
  const char* name = "";
  int64_t calls = 0;
  int64_t length_ns = 0;
  double flops = 0;
  double bytes = 0;
};

class ZoneTrace {
 public:
  // Zones beyond max_zones are counted in the totals and in dropped() alone.
  void Start(size_t max_zones);
  // Ends recording; what was recorded stays until Start() or Clear().
  void Stop() { on_ = false; }
  void Clear();
  bool on() const { return on_; }
  void Add(const Zone& zone);

  const std::vector<Zone>& zones() const { return zones_; }
  const std::vector<ZoneTotal>& totals() const { return totals_; }
  int64_t dropped() const { return dropped_; }

  static int64_t Now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

 private:
  bool on_ = false;
  size_t max_zones_ = 0;
  std::vector<Zone> zones_;
  std::vector<ZoneTotal> totals_;
  int64_t dropped_ = 0;
};

// A zone as long as the object lives; a branch when the trace is off.
class ZoneScope {
 public:
  ZoneScope(ZoneTrace& trace, const char* name) : trace_(trace) {
    if (!trace.on()) return;
    zone_.name = name;
    zone_.start_ns = ZoneTrace::Now();
  }
  ZoneScope(const ZoneScope&) = delete;
  ZoneScope& operator=(const ZoneScope&) = delete;
  ~ZoneScope() {
    if (zone_.start_ns == 0) return;
    zone_.length_ns = ZoneTrace::Now() - zone_.start_ns;
    trace_.Add(zone_);
  }

 private:
  ZoneTrace& trace_;
  Zone zone_;
};

// The layer that this thread computes, for the zones of its ops. Costs two stores a layer, traced or not.
class LayerScope {
 public:
  explicit LayerScope(int64_t layer) : before_(current_) { current_ = static_cast<int32_t>(layer); }
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;
  ~LayerScope() { current_ = before_; }
  static int32_t current() { return current_; }

 private:
  static thread_local int32_t current_;
  int32_t before_;
};

}  // namespace rlvr
