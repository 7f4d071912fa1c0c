// A profile: phases of the program and what the engine did in them, as a trace-event file and as a table.
// The file's form: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Perfetto opens it).
import type { EngineTrace } from "../native/types.ts";

/** The part of a policy that a tracer uses. */
interface Traced {
  startTrace?(options?: { maxZones?: number }): void;
  stopTrace?(): EngineTrace;
}

/** One line of the table: a phase, a call of the engine, or an op. */
export interface TraceTotal {
  readonly kind: "phase" | "call" | "op";
  readonly name: string;
  readonly calls: number;
  readonly ms: number;
  /** Of all phases together; of all ops together for an op. */
  readonly share: number;
  /** Billions of operations a second that the op's formula needs. */
  readonly gflops?: number;
}

interface Phase {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

const maxPhases = 100_000;
const [programLane, engineLane] = [1, 2];

/**
 * Collects phases and the traces of policies.
 *
 * @example
 * const tracer = new Tracer();
 * { using recording = tracer.record(policy); await policy.generate(request); }
 * await writeFile("trace.json", tracer.events());
 */
export class Tracer {
  readonly #phases: Phase[] = [];
  readonly #engine: EngineTrace[] = [];
  #phasesDropped = 0;
  // The engine's clock is the monotonic one; performance.now() counts from the start of the program.
  readonly #offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

  /** Notes that the program did `name` between two values of performance.now(). */
  phase(name: string, startMs: number, endMs: number): void {
    if (this.#phases.length < maxPhases) this.#phases.push({ name, startMs, endMs });
    else this.#phasesDropped += 1;
  }

  /** Traces a policy until what it returns is disposed. The policy must be open and idle both times. */
  record(policy: Traced): Disposable {
    policy.startTrace?.();
    return {
      [Symbol.dispose]: () => {
        const trace = policy.stopTrace?.();
        if (trace !== undefined) this.#engine.push(trace);
      },
    };
  }

  /** Zones and phases that were too many to keep; they are in the totals of the engine, not in the file. */
  get dropped(): number {
    return this.#engine.reduce((sum, trace) => sum + trace.dropped, this.#phasesDropped);
  }

  /** The file in pieces: a JSON object with `traceEvents`, times in microseconds from the first event. */
  *events(): Generator<string> {
    const first = this.#firstMs();
    const event = (fields: object) => JSON.stringify({ pid: 1, ...fields });
    yield `{"displayTimeUnit":"ms","otherData":{"droppedZones":${this.dropped}},"traceEvents":[\n`;
    yield event({ name: "process_name", ph: "M", tid: programLane, args: { name: "rlvr" } });
    yield `,\n${event({ name: "thread_name", ph: "M", tid: programLane, args: { name: "program" } })}`;
    yield `,\n${event({ name: "thread_name", ph: "M", tid: engineLane, args: { name: "engine" } })}`;
    const micros = (ms: number) => Math.round(ms * 1e6) / 1e3;
    for (const { name, startMs, endMs } of this.#phases) {
      const time = { ts: micros(startMs + this.#offsetMs - first), dur: micros(endMs - startMs) };
      yield `,\n${event({ name, cat: "phase", ph: "X", tid: programLane, ...time })}`;
    }
    for (const trace of this.#engine) {
      for (let i = 0; i < trace.name.length; i++) {
        const { cat, args } = describeZone(trace, i);
        const [start, length] = [trace.startMs[i] as number, trace.lengthMs[i] as number];
        const name = trace.totals[trace.name[i] as number]?.name;
        yield `,\n${event({ name, cat, ph: "X", tid: engineLane, ts: micros(start - first), dur: micros(length), args })}`;
      }
      if (trace.dropped > 0) {
        const last = trace.name.length - 1;
        const end = (trace.startMs[last] ?? first) + (trace.lengthMs[last] ?? 0);
        const name = `the trace is full: ${trace.dropped} later zones are in the totals alone`;
        yield `,\n${event({ name, ph: "i", s: "g", tid: engineLane, ts: micros(end - first) })}`;
      }
    }
    yield "\n]}\n";
  }

  /** Time by name, the largest first: phases, calls of the engine, ops. */
  totals(): TraceTotal[] {
    const phases = new Map<string, { calls: number; ms: number; flops: number }>();
    const calls: typeof phases = new Map();
    const ops: typeof phases = new Map();
    const add = (to: typeof phases, name: string, count: number, ms: number, flops: number) => {
      const old = to.get(name) ?? { calls: 0, ms: 0, flops: 0 };
      to.set(name, { calls: old.calls + count, ms: old.ms + ms, flops: old.flops + flops });
    };
    for (const { name, startMs, endMs } of this.#phases) add(phases, name, 1, endMs - startMs, 0);
    for (const { totals } of this.#engine) {
      for (const { name, calls: count, lengthMs, flops } of totals) {
        add(isCall(name) ? calls : ops, name, count, lengthMs, flops);
      }
    }
    const rows = (kind: TraceTotal["kind"], of: typeof phases, wholeMs: number) =>
      [...of]
        .map(([name, { calls: count, ms, flops }]) => ({
          kind,
          name,
          calls: count,
          ms,
          share: wholeMs > 0 ? ms / wholeMs : 0,
          ...(flops > 0 && ms > 0 ? { gflops: flops / ms / 1e6 } : {}),
        }))
        .sort((a, b) => b.ms - a.ms);
    const whole = (of: typeof phases) => [...of.values()].reduce((sum, { ms }) => sum + ms, 0);
    return [
      ...rows("phase", phases, whole(phases)),
      ...rows("call", calls, whole(phases) || whole(calls)),
      ...rows("op", ops, whole(ops)),
    ];
  }

  #firstMs(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { startMs } of this.#phases) first = Math.min(first, startMs + this.#offsetMs);
    for (const { startMs } of this.#engine) for (const ms of startMs) first = Math.min(first, ms);
    return first;
  }
}

/** Calls are named as the methods of Policy, ops as in native/ops/ops.h. */
const isCall = (name: string) => /^[a-z]/.test(name);

function describeZone(trace: EngineTrace, i: number): { cat: string; args: Record<string, number> } {
  const name = trace.totals[trace.name[i] as number]?.name ?? "";
  if (isCall(name)) return { cat: "call", args: {} };
  const [layer, rows] = [trace.layer[i] as number, trace.rows[i] as number];
  const seconds = (trace.lengthMs[i] as number) / 1e3;
  const rate = (count: number) => Math.round(count / Math.max(seconds, 1e-9) / 1e7) / 100;
  const [gflops, gbps] = [rate(trace.flops[i] as number), rate(trace.bytes[i] as number)];
  return { cat: "op", args: { ...(layer < 0 ? {} : { layer }), rows, gflops, gbps } };
}

/** The totals as text, one table. */
export function traceTable(totals: readonly TraceTotal[]): string {
  const head = ["", "time", "share", "calls", "GFLOP/s"];
  const lines = totals.map(({ kind, name, calls, ms, share, gflops }) => [
    `${kind} ${name}`,
    ms < 10 ? `${ms.toFixed(2)} ms` : ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`,
    `${(100 * share).toFixed(1)} %`,
    String(calls),
    gflops === undefined ? "" : gflops.toFixed(1),
  ]);
  const all = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...all.map((line) => (line[column] as string).length)));
  return all
    .map((line) =>
      line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))),
    )
    .map((line) => line.join("  ").trimEnd())
    .join("\n");
}
