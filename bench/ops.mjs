// Times every op at every shape on the cpu backend against what this machine can do: builds bench/native and runs it.
//   npm run bench:ops -- [--isa avx2] [--threads 1,2] [--filter TEXT] [--budget SECONDS] [--worst] [--json] [--save]
// --filter takes a part of a case's name (linear, Gemma-3-270m, 512x576x1536); --budget is the time for each op of each
// case; --worst lists the smallest shares of the roof first; --save also writes bench/results/ops-<date>.json.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { exists, root } from "../scripts/run.mjs";

const { values } = parseArgs({
  options: {
    isa: { type: "string" },
    threads: { type: "string" },
    filter: { type: "string" },
    budget: { type: "string" },
    worst: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
  },
});

const folder = path.join(root, "build-test", "bench");

function build() {
  if (!exists("cmake"))
    throw new Error("[bench] cmake is not there: install it (apt install cmake, or pip install cmake)");
  const generator = exists("ninja") && !fs.existsSync(path.join(folder, "Makefile")) ? ["-G", "Ninja"] : [];
  const options = ["-DCMAKE_BUILD_TYPE=Release", "-DRLVR_BENCH=ON", "-DRLVR_TESTS=OFF", "-Wno-dev"];
  const jobs = process.env.JOBS ?? String(os.availableParallelism());
  // The build's own lines go to stderr: stdout is the result.
  const stdio = ["ignore", 2, 2];
  execFileSync("cmake", ["-S", root, "-B", folder, ...generator, ...options], { stdio });
  execFileSync("cmake", ["--build", folder, "-j", jobs, "--target", "rlvr_bench"], { stdio });
}

// Seconds of all processors since boot that were busy, and all of them.
function processorSeconds() {
  const ticks = fs.readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1, 9).map(Number);
  const total = ticks.reduce((a, b) => a + b, 0);
  return { busy: (total - ticks[3] - ticks[4]) / 100, total: total / 100 };
}

function measure() {
  const args = ["isa", "threads", "filter", "budget"].flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  );
  const before = processorSeconds();
  const text = execFileSync(path.join(folder, "rlvr_bench"), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 28,
  });
  const after = processorSeconds();
  const report = JSON.parse(text);
  const foreign = after.busy - before.busy - report.cpu_seconds;
  return {
    ...report,
    cpu: os.cpus()[0].model,
    date: new Date().toISOString(),
    filter: values.filter ?? "",
    foreignCpu: Math.max(0, foreign) / (after.total - before.total),
  };
}

const fixed = (value, digits) => value.toFixed(digits);
const seconds = (value) =>
  value < 1e-3 ? `${fixed(value * 1e6, 1)} us` : value < 1 ? `${fixed(value * 1e3, 2)} ms` : `${fixed(value, 2)} s`;
const size = (bytes) => (bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / (1 << 20))} MiB`);

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const numeric = new Set([3, 4, 5, 6, 7, 8]);
  return rows
    .map((row) => row.map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

function print(report) {
  const out = process.stdout;
  out.write(`${report.cpu}, ${report.isa}, foreign CPU ${fixed(100 * report.foreignCpu, 1)} %\n`);
  for (const [threads, gflops] of Object.entries(report.peak.fma_gflops)) {
    const reads = report.peak.read_gbps[threads].map((read) => `${fixed(read.gbps, 0)} at ${size(read.bytes)}`);
    const { hot, cold } = report.regions[threads];
    out.write(`${threads} thread(s): ${fixed(gflops, 0)} GFLOP/s; reads in GB/s: ${reads.join(", ")}; `);
    out.write(`a parallel region ${seconds(hot.seconds_median)}, ${seconds(cold.seconds_median)} after 1 ms idle\n`);
  }
  const cases = [...report.cases];
  if (values.worst) cases.sort((a, b) => a.roof_share - b.roof_share);
  const head = ["op", "shape", "dtype", "threads", "min", "median", "GFLOP/s", "GB/s", "of roof", "case"];
  const lines = cases.map((c) => [
    c.op,
    c.shape,
    c.dtype,
    String(c.threads),
    seconds(c.seconds_min),
    seconds(c.seconds_median),
    fixed(c.gflops, 1),
    fixed(c.gbps, 1),
    `${fixed(100 * c.roof_share, 0)} %`,
    c.case,
  ]);
  out.write(`\n${table([head, ...lines])}`);
}

build();
const report = measure();
if (values.save) {
  const file = path.join(root, "bench", "results", `ops-${report.date.slice(0, 10)}.json`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
  process.stderr.write(`[bench] wrote ${path.relative(root, file)}\n`);
}
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else print(report);
