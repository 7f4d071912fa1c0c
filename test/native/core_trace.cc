// Zones of a trace: what is kept, what is counted, what a trace that is off costs.
#include "core/trace.h"

#include "engine_fixture.h"
#include "ops/op_call.h"
#include "test.h"

namespace rlvr::test {
namespace {

TEST("zones nest, and the inner one lies inside the outer one") {
  ZoneTrace trace;
  trace.Start(10);
  {
    const ZoneScope outer(trace, "outer");
    const ZoneScope inner(trace, "inner");
  }
  EXPECT_EQ(trace.zones().size(), 2u);
  const Zone inner = trace.zones()[0], outer = trace.zones()[1];  // noted as they end
  EXPECT_EQ(std::string(inner.name), "inner");
  EXPECT_EQ(std::string(outer.name), "outer");
  EXPECT(outer.start_ns <= inner.start_ns);
  EXPECT(inner.start_ns + inner.length_ns <= outer.start_ns + outer.length_ns);
}

TEST("a full trace keeps the first zones, counts the others and goes on with the totals") {
  ZoneTrace trace;
  trace.Start(3);
  for (int i = 0; i < 10; ++i) trace.Add({.name = "zone", .length_ns = 5, .flops = 2});
  EXPECT_EQ(trace.zones().size(), 3u);
  EXPECT_EQ(trace.dropped(), 7);
  EXPECT_EQ(trace.totals().size(), 1u);
  EXPECT_EQ(trace.totals()[0].calls, 10);
  EXPECT_EQ(trace.totals()[0].length_ns, 50);
  EXPECT_EQ(trace.totals()[0].flops, 20.0);
}

TEST("a trace that is off or stopped records nothing; a new start forgets the last one") {
  ZoneTrace trace;
  { const ZoneScope zone(trace, "before"); }
  EXPECT_EQ(trace.zones().size(), 0u);
  trace.Start(10);
  { const ZoneScope zone(trace, "during"); }
  trace.Stop();
  { const ZoneScope zone(trace, "after"); }
  EXPECT_EQ(trace.zones().size(), 1u);
  trace.Start(10);
  EXPECT_EQ(trace.zones().size(), 0u);
  EXPECT_EQ(trace.totals().size(), 0u);
}

TEST("the layer of a zone is that of its thread, and the outer one returns") {
  EXPECT_EQ(LayerScope::current(), -1);
  {
    const LayerScope outer(4);
    { const LayerScope inner(7); }
    EXPECT_EQ(LayerScope::current(), 4);
  }
  EXPECT_EQ(LayerScope::current(), -1);
}

TEST("keys that rows see are counted with their ancestors and within the window") {
  // A prompt of 3 and two rollouts of 2: 1 + 2 + 3, then twice 4 + 5.
  const Span spans[] = {{-1, 0, 0, 3, 0, 0}, {0, 3, 3, 2, 0, 0}, {0, 3, 5, 2, 0, 0}};
  const SpanView batch{spans, 3, nullptr, 7};
  EXPECT_EQ(VisibleKeys(batch, 0), 24.0);
  EXPECT_EQ(VisibleKeys(batch, 1), 7.0);
  EXPECT_EQ(VisibleKeys(batch, 3), 1.0 + 2 + 3 + 4 * 3);
  // Decoding the fifth key of a rollout whose other keys are in the pool.
  const Span decode[] = {{-1, 0, 0, 0, 3, 0}, {0, 3, 0, 1, 4, 0}};
  EXPECT_EQ(VisibleKeys({decode, 2, nullptr, 1}, 0), 8.0);
}

TEST("an engine that is traced gives the same bits, its ops with layers and rows, and nothing after the stop") {
  const auto engine = LoadEngine(Options("gemma3"));
  GenerateRequest request;
  request.prompts.push_back({Tokens(9, 1, engine->info().vocab), 1});
  request.rollouts = 2;
  request.max_new_tokens = 4;
  const GenerateResult plain = engine->Generate(request, {});
  engine->StartTrace(100000);
  const GenerateResult traced = engine->Generate(request, {});
  const ZoneTrace trace = engine->StopTrace();
  EXPECT_EQ(plain.groups[0][0].ids, traced.groups[0][0].ids);
  EXPECT_EQ(plain.groups[0][0].logprobs, traced.groups[0][0].logprobs);
  int64_t ops = 0, in_layers = 0, calls = 0, op_ns = 0, call_ns = 0;
  for (const Zone& zone : trace.zones()) {
    const bool is_call = std::string(zone.name) == "generate";
    calls += is_call;
    ops += !is_call;
    in_layers += zone.layer >= 0;
    EXPECT(zone.layer < engine->info().layers);
    EXPECT(is_call || zone.rows > 0);
    (is_call ? call_ns : op_ns) += zone.length_ns;
  }
  EXPECT_EQ(calls, 1);
  EXPECT(ops > 20 && in_layers > 20 && in_layers < ops);
  EXPECT(op_ns > 0 && op_ns <= call_ns);
  (void)engine->Generate(request, {});
  EXPECT_EQ(engine->StopTrace().zones().size(), 0u);
}

}  // namespace
}  // namespace rlvr::test
