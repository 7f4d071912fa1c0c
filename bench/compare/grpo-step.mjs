// One GRPO step beside TRL's GRPOTrainer + PEFT, on the same model, shapes and threads, in one run on one machine.
//   node bench/compare/grpo-step.mjs smollm2|gemma3-270m|MODEL.gguf [--python PYTHON] [--dump FOLDER] [--steps 2]
//        [--out bench/results/FILE.json] [--json]
// Needs a Python with test/golden/requirements.txt; Python runs only here. --dump is where the model lies, or will lie,
// as a float32 Hugging Face folder for TRL (hf_dump.py). Ours, TRL and ours again run in turn, so that a drift of the
// machine's speed shows; a run with much foreign CPU is no evidence and says so.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fetchModel, models } from "../../scripts/fetch-models.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: "string", default: "python3" },
    dump: { type: "string" },
    steps: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    out: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [asked] = positionals;
if (!asked) {
  console.error("usage: node bench/compare/grpo-step.mjs smollm2|gemma3-270m|MODEL.gguf [--python PYTHON] [--json]");
  process.exit(2);
}
const model = asked in models ? (await fetchModel(asked)).path : asked;
const dump = values.dump ?? path.join(tmpdir(), `rlvr-bench-${path.basename(model, ".gguf")}`);

/** Runs a program whose last line on stdout is one JSON object. */
function measure(command, args) {
  console.error(`$ ${[path.basename(command), ...args].join(" ")}`);
  const result = spawnSync(command, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  if (result.status !== 0) {
    console.error(`[bench] ${command} ended with status ${result.status ?? result.error?.message}`);
    process.exit(1);
  }
  return JSON.parse(result.stdout.trim().split("\n").at(-1));
}

if (!existsSync(path.join(dump, "config.json"))) {
  const made = spawnSync(values.python, [path.join(here, "hf_dump.py"), model, dump], { stdio: ["ignore", 2, 2] });
  if (made.status !== 0) process.exit(1);
}

const ours = (...extra) =>
  measure(process.execPath, [
    path.join(here, "../grpo-step.mjs"),
    model,
    "--steps",
    values.steps,
    "--threads",
    values.threads,
    "--json",
    ...extra,
  ]);
const first = ours();
const trl = measure(values.python, [
  path.join(here, "trl_grpo.py"),
  dump,
  "--steps",
  String(Number(values.steps) + 1), // its first is the warm-up
  "--threads",
  values.threads,
]);
const second = ours();
const separate = ours("--separate");
const best = first.stepSeconds < second.stepSeconds ? first : second;
const result = {
  benchmark: "grpo-step against TRL",
  command: `node bench/compare/grpo-step.mjs ${asked in models ? asked : path.basename(asked)}`,
  date: new Date().toISOString().slice(0, 10),
  cpu: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
  ours: [first, second],
  oursWithoutPromptSharing: separate,
  trl,
  ratios: {
    step: trl.micro_step_s / best.stepSeconds,
    stepWithoutPromptSharing: trl.micro_step_s / separate.stepSeconds,
    rollout: trl.generation_s / best.rolloutSeconds,
    training: trl.training_s / best.trainingSeconds,
    memory: trl.peak_rss_bytes / best.peakRssBytes,
  },
};
const foreign = Math.max(first.foreignCpu, second.foreignCpu, separate.foreignCpu, trl.foreign_cpu ?? 0);
if (foreign > 0.05) console.error(`[bench] other programs took up to ${(100 * foreign).toFixed(0)} % of the machine`);
if (values.out) {
  mkdirSync(path.dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
}
if (values.json) {
  console.log(JSON.stringify(result));
} else {
  const row = (name, mine, theirs, unit) =>
    console.log(`${name.padEnd(12)}${mine.padStart(10)}${theirs.padStart(10)}  ${unit}`);
  const s = (x) => x.toFixed(2);
  const mib = (x) => (x / 2 ** 20).toFixed(0);
  row("", "ours", "TRL", "");
  row("step", s(best.stepSeconds), s(trl.micro_step_s), `s, ${s(result.ratios.step)} times`);
  row(
    "  unshared",
    s(separate.stepSeconds),
    s(trl.micro_step_s),
    `s, ${s(result.ratios.stepWithoutPromptSharing)} times`,
  );
  row("rollout", s(best.rolloutSeconds), s(trl.generation_s), `s, ${s(result.ratios.rollout)} times`);
  row("training", s(best.trainingSeconds), s(trl.training_s), `s, ${s(result.ratios.training)} times`);
  row("peak RSS", mib(best.peakRssBytes), mib(trl.peak_rss_bytes), `MiB, ${s(result.ratios.memory)} times less`);
}
