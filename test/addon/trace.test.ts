// The profile of a training step: its form, its names, and how much of the step's time it explains.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { train } from "../../src/cli/train.ts";
import { Policy } from "../../src/engine/policy.ts";
import { Tracer, type TraceTotal, traceTable } from "../../src/engine/tracer.ts";
import { generateRequest, loadOptions, root } from "./tiny.ts";

interface TraceEvent {
  name: string;
  ph: string;
  cat?: string;
  pid: number;
  tid: number;
  ts?: number;
  dur?: number;
  args?: Record<string, number>;
}

let folder: string;
let events: TraceEvent[];
let shown = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rlvr-trace-"));
  const file = join(folder, "trace.json");
  const overrides = ["batch.steps=1", "evaluation.questions=0", "filter.enabled=false", "model.threads=1"];
  const console = {
    isJson: false,
    log: (line: string) => {
      shown += `${line}\n`;
    },
    warn: () => {},
    result: () => {},
  };
  await train(
    {
      config: join(root, "configs/quickstart.yaml"),
      overrides: [...overrides, `output.dir=${join(folder, "run")}`],
      resume: false,
      showConfig: false,
      trace: file,
    },
    console,
  );
  const parsed = JSON.parse(await readFile(file, "utf8"));
  events = parsed.traceEvents;
}, 120_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const of = (cat: string) => events.filter((event) => event.cat === cat) as Required<TraceEvent>[];
const sum = (list: readonly { dur: number }[]) => list.reduce((total, { dur }) => total + dur, 0);

test("every event of the file has the fields of the trace-event form", () => {
  for (const event of events) {
    expect(typeof event.name).toBe("string");
    expect([event.pid, [1, 2].includes(event.tid)]).toEqual([1, true]);
    expect(["M", "X", "i"]).toContain(event.ph);
    if (event.ph !== "X") continue;
    expect(event.ts).toBeGreaterThanOrEqual(0);
    expect(event.dur).toBeGreaterThanOrEqual(0);
  }
});

test("a step has its phases, one after the other", () => {
  const phases = of("phase").map(({ name }) => name);
  expect(phases).toEqual(["prepare", "rollout", "reward", "reference", "accumulate", "update", "record"]);
});

test("ops are named as the contract names them, and lie inside a call of the engine", async () => {
  const contract = await readFile(join(root, "native/ops/ops.h"), "utf8");
  const known = new Set([...contract.matchAll(/virtual (?:void|double) ([A-Z]\w+)\(/g)].map(([, name]) => name));
  expect(known.has("Linear") && known.has("AdamW")).toBe(true);
  const calls = of("call");
  expect(new Set(calls.map(({ name }) => name))).toEqual(new Set(["generate", "accumulate", "update"]));
  const ops = of("op");
  expect(ops.length).toBeGreaterThan(100);
  const slack = 1; // microseconds: times are rounded
  for (const { name, ts, dur, args } of ops) {
    if (!known.has(name)) throw new Error(`${name} is no op`);
    if (!calls.some((call) => ts >= call.ts - slack && ts + dur <= call.ts + call.dur + slack)) {
      throw new Error(`${name} at ${ts} lies in no call`);
    }
    expect(args.rows).toBeGreaterThan(0);
  }
  expect(ops.some(({ name, args }) => name === "AttentionBackward" && args.layer === 0)).toBe(true);
});

test("the ops explain at least 90 % of the engine's time, and each phase holds the engine's call that it waits for", () => {
  expect(sum(of("op")) / sum(of("call"))).toBeGreaterThanOrEqual(0.9);
  const slack = 1; // microseconds: times are rounded
  const { ts: start } = of("phase").find(({ name }) => name === "rollout") as Required<TraceEvent>;
  for (const [phase, call] of [
    ["rollout", "generate"],
    ["accumulate", "accumulate"],
    ["update", "update"],
  ]) {
    const [waiting] = of("phase").filter(({ name }) => name === phase);
    const inside = of("call").filter(({ name, ts }) => name === call && ts >= start);
    expect(inside.length, phase).toBeGreaterThan(0);
    for (const { ts, dur } of inside) {
      expect(ts).toBeGreaterThanOrEqual((waiting?.ts ?? 0) - slack);
      expect(ts + dur).toBeLessThanOrEqual((waiting?.ts ?? 0) + (waiting?.dur ?? 0) + slack);
    }
  }
});

test("the command shows a table of the totals and where the file is", () => {
  expect(shown).toMatch(/phase rollout +[\d.]+ m?s +[\d.]+ % +1\n/);
  expect(shown).toMatch(/op Linears +[\d.]+ m?s +[\d.]+ % +\d+ +[\d.]+\n/);
  expect(shown).toContain("trace.json");
});

test("a full trace keeps the first zones, says how many it left out, and counts all in the totals", async () => {
  await using policy = await Policy.load(loadOptions());
  policy.startTrace({ maxZones: 5 });
  await policy.generate(generateRequest());
  const trace = policy.stopTrace();
  expect(trace.name.length).toBe(5);
  expect(trace.totals.reduce((calls, total) => calls + total.calls, 0)).toBe(5 + trace.dropped);
  const tracer = new Tracer();
  tracer.record({ stopTrace: () => trace })[Symbol.dispose]();
  const file = JSON.parse([...tracer.events()].join(""));
  expect(file.otherData.droppedZones).toBe(trace.dropped);
  expect(file.traceEvents.at(-1).name).toContain(`${trace.dropped} later zones`);
});

test("without startTrace nothing is recorded, and after stopTrace nothing more", async () => {
  await using policy = await Policy.load(loadOptions());
  await policy.generate(generateRequest());
  expect(policy.stopTrace().name.length).toBe(0);
  policy.startTrace();
  policy.stopTrace();
  await policy.generate(generateRequest());
  expect(policy.stopTrace().totals).toEqual([]);
  expect(() => policy.startTrace({ maxZones: -1 })).toThrow(RangeError);
});

test("the table names kind, time, share and calls", () => {
  const totals: TraceTotal[] = [
    { kind: "phase", name: "rollout", calls: 2, ms: 1500, share: 0.75 },
    { kind: "op", name: "Linear", calls: 40, ms: 2.5, share: 0.125, gflops: 100 },
  ];
  expect(traceTable(totals)).toBe(
    [
      "                  time   share  calls  GFLOP/s",
      "phase rollout  1500 ms  75.0 %      2",
      "op Linear      2.50 ms  12.5 %     40    100.0",
    ].join("\n"),
  );
});
