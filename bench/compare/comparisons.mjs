// How each comparison is measured, on our side and on the peer's. A measure gives one finding for each of its goals
// (goals.mjs), in their order: { value, ours, peer, foreignCpu, note, raw }.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "../meter.mjs";
import { batchedSpeed, promptSpeed } from "./llama.mjs";
import { foreignOf } from "./runner.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const program = (name) => path.join(here, "..", name);
const LLAMA_TYPES = ["F32", "Q8_0", "Q4_0"]; // besides the type as shipped
const DECODED = [1, 9, 32]; // sequences at a time
const TRL_ATTEMPTS = 2; // minutes each

/** Our program's JSON, with the threads of the comparison. */
const ours = (run, name, args, label) =>
  run.runner.json(label, process.execPath, [program(name), ...args, "--threads", String(run.threads)]);
const python = (run, name, args, label, attempts) => {
  const threads = ["--threads", String(run.threads)];
  return run.runner.json(
    label,
    run.peers.python().python,
    ["-W", "ignore", path.join(here, name), ...args, ...threads],
    attempts,
  );
};

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const perSecond = (value) => `${value.toFixed(0)} tok/s`;

/** Runs `use` with a folder that is gone afterwards. */
async function withFolder(use) {
  const folder = mkdtempSync(path.join(tmpdir(), "rlvr-bench-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function greedy(run, model) {
  const file = await run.peers.shipped(model);
  const dump = run.peers.dump(model, file);
  run.runner.say("rlvr-node");
  const { text } = await run.runner.run(process.execPath, [
    program("greedy.mjs"),
    file,
    "--threads",
    String(run.threads),
  ]);
  const mine = JSON.parse(text);
  const theirs = await withFolder(async (folder) => {
    const prompts = path.join(folder, "prompts.json");
    writeFileSync(prompts, text);
    run.runner.say("transformers");
    const { python: command } = run.peers.python();
    const answer = await run.runner.run(command, ["-W", "ignore", path.join(here, "greedy.py"), dump, prompts]);
    return JSON.parse(answer.text.trim().split("\n").at(-1));
  });
  const asked = theirs.completions.flat();
  const given = mine.completions.flat();
  const agreeing = asked.filter((id, i) => id === given[i]).length;
  return [
    {
      value: agreeing / asked.length,
      ours: given.length,
      peer: asked.length,
      raw: { mine, theirs },
    },
  ];
}

export async function grpoStep(run, model) {
  const file = await run.peers.shipped(model);
  const dump = run.peers.dump(model, file);
  const steps = (count) => ["--steps", String(count), "--json"];
  const one = (label, ...extra) => ours(run, "grpo-step.mjs", [file, ...steps(run.quick ? 1 : 2), ...extra], label);
  const first = await one("rlvr-node, 1 of 2");
  // TRL's first step warms up; its steps take minutes, and differ by little.
  const trl = await python(run, "trl_grpo.py", [dump, "--steps", "2"], "TRL", run.quick ? 1 : TRL_ATTEMPTS);
  const second = run.quick ? first : await one("rlvr-node, 2 of 2");
  const separate = await one("rlvr-node without prompt sharing", "--separate");
  const seconds = median([first.stepSeconds, second.stepSeconds]);
  const raw = { ours: [first, second], separate, trl };
  const foreignCpu = foreignOf(first, second, trl);
  return [
    {
      value: trl.micro_step_s / seconds,
      ours: `${seconds.toFixed(2)} s`,
      peer: `${trl.micro_step_s.toFixed(2)} s`,
      note: `without prompt sharing ${separate.stepSeconds.toFixed(2)} s: ${(trl.micro_step_s / separate.stepSeconds).toFixed(2)} times`,
      foreignCpu,
      raw,
    },
    {
      value: trl.peak_rss_bytes / Math.max(first.peakRssBytes, second.peakRssBytes),
      ours: mebibytes(Math.max(first.peakRssBytes, second.peakRssBytes)),
      peer: mebibytes(trl.peak_rss_bytes),
      note: `without prompt sharing ${mebibytes(separate.peakRssBytes)}`,
    },
    { value: Math.max(first.samplerGap, second.samplerGap, separate.samplerGap) },
    {
      value: Math.max(...[first, separate].map((step) => Math.abs(step.enginePeakBytes / step.plannedBytes - 1))),
      ours: mebibytes(first.enginePeakBytes),
      peer: mebibytes(first.plannedBytes),
      note: "the larger of with and without prompt sharing",
    },
  ];
}

export async function loraStep(run, model) {
  const file = await run.peers.shipped(model);
  const dump = run.peers.dump(model, file);
  return await withFolder(async (folder) => {
    const repeats = ["--repeats", "2"];
    const sides = await run.runner.alternate(run.quick ? 1 : 2, {
      ours: (which) => ours(run, "lora-step.mjs", [file, ...repeats, "--save", folder, "--json"], `rlvr-node${which}`),
      torch: (which) => python(run, "lora_step.py", [dump, folder, ...repeats], `torch + PEFT${which}`),
    });
    const time = (results) => median(results.flatMap((result) => result.seconds));
    const [mine, theirs] = [time(sides.ours), time(sides.torch)];
    const [{ shape, loss, gradNorm, lossBefore }] = sides.ours;
    const [torch] = sides.torch;
    const tokens = shape.batch * shape.tokens;
    return [
      {
        value: theirs / mine,
        ours: perSecond(tokens / mine),
        peer: perSecond(tokens / theirs),
        foreignCpu: foreignOf(sides.ours, sides.torch),
        raw: sides,
      },
      {
        value: Math.abs(loss - torch.loss),
        ours: loss.toFixed(6),
        peer: torch.loss.toFixed(6),
        note: `${lossBefore.toFixed(3)} before the adapter's first step`,
      },
      {
        value: Math.abs(gradNorm / torch.grad_norm - 1),
        ours: gradNorm.toFixed(5),
        peer: torch.grad_norm.toFixed(5),
      },
    ];
  });
}

export async function decode(run, model) {
  const file = await run.peers.shipped(model);
  const { bin } = run.peers.llama();
  const sides = await run.runner.alternate(run.quick ? 1 : 2, {
    ours: (which) =>
      ours(
        run,
        "decode.mjs",
        [file, "--sequences", DECODED.join(","), "--repeats", "1", "--json"],
        `rlvr-node${which}`,
      ),
    llama: (which) => {
      // The peer also at 8: some of its formats are slower at 9 than at 8, and its best counts.
      const sequences = [1, 8, 9, 32];
      const options = { prompt: 128, newTokens: 64, sequences, threads: run.threads, label: `llama.cpp${which}` };
      return batchedSpeed(run.runner, bin, file, options);
    },
  });
  const speed = (runs, sequences) =>
    median(runs.map((parts) => parts.find((part) => part.sequences === sequences).tokensPerSecond));
  const llamaRuns = sides.llama.map(({ runs }) => runs);
  return DECODED.map((sequences, i) => {
    const mine = speed(
      sides.ours.map(({ results }) => results),
      sequences,
    );
    const counts = sequences === 9 ? [8, 9] : [sequences];
    const theirs = Math.max(...counts.map((count) => speed(llamaRuns, count)));
    return {
      value: mine / theirs,
      ours: perSecond(mine),
      peer: perSecond(theirs),
      foreignCpu: foreignOf(sides.ours, sides.llama),
      raw: i === 0 ? sides : undefined,
    };
  });
}

export async function prefill(run, model) {
  const file = await run.peers.shipped(model);
  const { bin } = run.peers.llama();
  const files = { shipped: file };
  for (const type of LLAMA_TYPES) files[type] = run.peers.requantised(model, file, type);
  const llama = Object.entries(files).map(([type, typed]) => [
    type,
    async (which) => {
      const common = { threads: run.threads, label: `llama.cpp ${type}${which}` };
      const single = await promptSpeed(run.runner, bin, typed, { tokens: 512, repeats: 3, ...common });
      const shape = { prompt: 128, newTokens: 1, sequences: [4] };
      const batched = await batchedSpeed(run.runner, bin, typed, { ...shape, ...common });
      const foreignCpu = Math.max(single.foreignCpu, batched.foreignCpu);
      return { single: single.tokensPerSecond, batched: batched.runs[0].promptTokensPerSecond, foreignCpu };
    },
  ]);
  const { ours: mine, ...peers } = await run.runner.alternate(run.quick ? 1 : 2, {
    ours: (which) =>
      ours(run, "prefill.mjs", [file, "--shapes", "1x512,4x128", "--repeats", "3", "--json"], `rlvr-node${which}`),
    ...Object.fromEntries(llama),
  });
  const speed = (index) => median(mine.map(({ results }) => results[index].tokensPerSecond));
  const best = (shape) =>
    Object.entries(peers)
      .map(([type, runs]) => ({ type, speed: median(runs.map((part) => part[shape])) }))
      .reduce((a, b) => (a.speed > b.speed ? a : b));
  return ["single", "batched"].map((shape, i) => {
    const { type, speed: theirs } = best(shape);
    return {
      value: speed(i) / theirs,
      ours: perSecond(speed(i)),
      peer: `${perSecond(theirs)} (${type})`,
      foreignCpu: foreignOf(mine, ...Object.values(peers)),
      raw: i === 0 ? { ours: mine, llama: peers } : undefined,
    };
  });
}

/** Speed of matrix products on our side and on torch's, each shape at its median of the rounds. */
export async function gemm(run) {
  const shapes = ["512x576x1536", "512x1536x576", "512x640x2048", "512x2048x640", "512x576x49152", "128x640x262144"];
  const options = ["--filter", "products", "--threads", String(run.threads), "--budget", "0.5", "--json"];
  const sides = await run.runner.alternate(run.quick ? 1 : 2, {
    ours: (which) => run.runner.json(`rlvr-node${which}`, process.execPath, [program("ops.mjs"), ...options]),
    torch: (which) => python(run, "gemm.py", shapes, `torch${which}`),
  });
  const peak = median(sides.ours.map((report) => report.peak.fma_gflops[run.threads]));
  const product = ({ cases }, shape) => {
    const found = cases.find((entry) => entry.op === "Linear" && entry.dtype === "F32" && entry.shape === shape);
    if (found === undefined) throw new Error(`[bench] the ops benchmark has no Linear of ${shape} in F32`);
    return found.gflops;
  };
  const rows = shapes.map((shape) => ({
    shape,
    ours: median(sides.ours.map((report) => product(report, shape))),
    torch: median(sides.torch.map((report) => report.gflops[shape])),
  }));
  const lowest = (ratio) => rows.reduce((a, b) => (ratio(a) < ratio(b) ? a : b));
  const ofPeak = lowest((row) => row.ours / peak);
  const ofTorch = lowest((row) => row.ours / row.torch);
  const foreignCpu = foreignOf(sides.ours, sides.torch);
  const gigaflops = (value) => `${value.toFixed(0)} GF/s`;
  return [
    {
      value: ofPeak.ours / peak,
      ours: gigaflops(ofPeak.ours),
      peer: gigaflops(peak),
      note: `lowest at ${ofPeak.shape}`,
      foreignCpu,
      raw: { peak, rows },
    },
    {
      value: ofTorch.ours / ofTorch.torch,
      ours: gigaflops(ofTorch.ours),
      peer: gigaflops(ofTorch.torch),
      note: `lowest at ${ofTorch.shape}`,
      foreignCpu,
    },
  ];
}

export async function choices(run, model) {
  const file = await run.peers.shipped(model);
  const shape = run.quick ? ["--questions", "16"] : ["--questions", "32"];
  const result = await ours(run, "choices.mjs", [file, ...shape, "--repeats", "1", "--json"], "rlvr-node");
  const { sharedQuestionsPerSecond: shared, separateQuestionsPerSecond: separate, tokensComputed } = result;
  return [
    {
      value: shared / separate,
      ours: `${shared.toFixed(2)} questions/s`,
      peer: `${separate.toFixed(2)} questions/s`,
      note: `${result.shape.questions} questions of ${result.shape.prompt} tokens behind ${result.shape.header}; rows ${tokensComputed.shared} and ${tokensComputed.separate}`,
      foreignCpu: result.foreignCpu,
      raw: result,
    },
  ];
}
