// An observer that records each op call as a zone of a trace.
#pragma once

#include "core/trace.h"
#include "ops/observed_ops.h"

namespace rlvr {

class OpTracer : public OpObserver {
 public:
  explicit OpTracer(ZoneTrace& trace) : trace_(trace) {}
  void Observe(const OpCall& call, const OpBody& body) override {
    Zone zone;
    zone.name = call.name;
    zone.layer = LayerScope::current();
    zone.rows = call.rows();
    zone.flops = call.flops;
    zone.bytes = call.bytes;
    zone.start_ns = ZoneTrace::Now();
    body();
    zone.length_ns = ZoneTrace::Now() - zone.start_ns;
    trace_.Add(zone);
  }

 private:
  ZoneTrace& trace_;
};

}  // namespace rlvr
