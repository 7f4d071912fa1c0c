// What every benchmark measures besides its work: time, peak memory, and the share of the machine that others took.
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";

export const seconds = () => Number(process.hrtime.bigint()) / 1e9;

/** Clock ticks of all processors since boot: all, and those that were not idle. */
export function machineTicks() {
  const ticks = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((sum, value) => sum + value, 0);
  return { total, busy: total - ticks[3] - ticks[4] };
}

/** Ticks of this process; with `children` also those of its children that have ended and been waited for. */
export function ownTicks({ children = false } = {}) {
  const stat = readFileSync("/proc/self/stat", "utf8");
  // Fields 14 to 17 of the line, counted behind the name in brackets, which may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number);
  return user + system + (children ? childUser + childSystem : 0);
}

/** Starts a measurement; the function returned ends it: its seconds, and the machine's share that others took. */
export function startMeter(options) {
  const machine = machineTicks();
  const own = ownTicks(options);
  const start = seconds();
  return () => {
    const end = seconds();
    const now = machineTicks();
    const others = now.busy - machine.busy - (ownTicks(options) - own);
    return { seconds: end - start, foreignCpu: Math.max(0, others) / Math.max(1, now.total - machine.total) };
  };
}

/** Most resident bytes of this process so far. */
export const peakRss = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What a result says of the machine it was measured on. */
export function machine() {
  return {
    cpu: `${cpus().length} x ${cpus()[0]?.model.trim() ?? "unknown"}`,
    kernel: release(),
    node: process.version,
  };
}
