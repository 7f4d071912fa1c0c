import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytes, duration } from "../../../src/cli/console.ts";
import { checkGpu, checkMemory, checkNode } from "../../../src/cli/doctor.ts";
import { pretrainOverrides } from "../../../src/cli/pretrain.ts";
import { runFolderFor } from "../../../src/cli/run-folder.ts";
import { Eta, stepLine } from "../../../src/cli/train-progress.ts";
import type { StepMetrics } from "../../../src/run/records.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function rlvr(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(
    process.execPath,
    [join(root, "test/unit/run-with-vite.mjs"), join(root, "src/cli/main.ts"), ...args],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [status] = (await once(child, "close")) as [number];
  return { status, stdout, stderr };
}

describe("the rlvr command", () => {
  test("lists its commands and exits with 0", async () => {
    const { status, stdout } = await rlvr("--help");
    expect(status).toBe(0);
    for (const command of ["train", "generate", "plan", "doctor", "pretrain"])
      expect(stdout).toContain(`\n  ${command} `);
  });

  test("a reader that closes its end early does not make it fail", async () => {
    const script = join(root, "test/unit/run-with-vite.mjs");
    const child = spawn(process.execPath, [script, join(root, "src/cli/main.ts"), "train", "--help"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const [status] = (await once(child, "close")) as [number];
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("exits with 2 for what it does not know, and names the nearest", async () => {
    const { status, stdout, stderr } = await rlvr("trian", "x.yaml");
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("Did you mean train?");
  });

  test("reports every mistake of a config, on stderr and as the one JSON object", async () => {
    const file = join(folder, "bad.yaml");
    writeFileSync(file, "model: { pth: m }\ndata: { train: d }\nseed: x\n");
    const { status, stdout, stderr } = await rlvr("train", file, "lora.rank=0", "--json");
    expect(status).toBe(2);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe("RLVR_BAD_CONFIG");
    for (const mistake of ["model.path: is missing", "did you mean path?", "lora.rank: got 0", 'seed: got "x"']) {
      expect(error.message).toContain(mistake);
      expect(stderr).toContain(mistake);
    }
  });

  test("shows the resolved config with the origin of each value", async () => {
    const { status, stdout } = await rlvr("train", join(root, "configs/quickstart.yaml"), "--show-config", "seed=5");
    expect(status).toBe(0);
    expect(stdout).toContain("num_generations: 8 # set by the config file");
    expect(stdout).toContain("seed: 5 # set by the command line");
    expect(stdout).toContain("epsilon: 0.2 # reconstruction: clip range, TRL 0.16");
  });

  test("says which file is missing, with the status of missing data", async () => {
    const model = join(folder, "nowhere.gguf");
    const { status, stderr } = await rlvr("generate", model, "Hello");
    expect(status).toBe(5);
    expect(stderr).toContain(`there is no ${model}`);
  });

  test.each(["plan", "train"])(
    "%s of a config whose model is missing names the key and how to get one",
    async (command) => {
      const model = join(folder, "nowhere.gguf");
      const { status, stderr } = await rlvr(command, join(root, "configs/quickstart.yaml"), `model.path=${model}`);
      expect(status).toBe(5);
      expect(stderr).toContain(`there is no ${model}`);
      expect(stderr).toContain("rlvr download owner/name");
      expect(stderr).toContain("model.path");
    },
  );

  test("plans the quickstart from the model's header alone", async () => {
    const { status, stdout } = await rlvr("plan", join(root, "configs/quickstart.yaml"), "--json");
    expect(status).toBe(0);
    const { counts, memory_bytes: memory } = JSON.parse(stdout);
    expect(counts).toMatchObject({ questionsPerStep: 4, completionsPerStep: 32, totalSteps: 100 });
    // 4 layers, rank 8: q 128+128, k and v 128+64, o 128+128, gate, up and down 128+384; five F32 values each:
    // the value, its gradient, two moments, and a copy in the transposes that the kernels read.
    expect(memory.adapter_and_optimizer).toBe(4 * 8 * (256 + 192 + 192 + 256 + 3 * 512) * 20);
    const { weights, adapter_and_optimizer, rollouts, reference, training, kernels, total } = memory;
    expect(total).toBe(weights + adapter_and_optimizer + kernels + Math.max(rollouts, reference, training));
  });
});

test("each config of the package is sound and opens with the command that runs it", async () => {
  const { loadConfig } = await import("../../../src/config/load.ts");
  const files = [
    "quickstart",
    "smollm2-medqa",
    "gemma-3-270m-medqa",
    ...["random", "phi-4", "gemma-3-27b", "gemma-3-12b"].map((name) => `open-medical-r1/${name}`),
  ];
  for (const name of files) {
    const file = join(root, "configs", `${name}.yaml`);
    const text = readFileSync(file, "utf8");
    expect(text.split("\n")[0], name).toMatch(new RegExp(`^# .*(rlvr train configs/${name}\\.yaml|npm run train)`));
    const { config } = await loadConfig(file);
    if (!name.startsWith("open-medical-r1")) continue;
    expect(config).toMatchObject({
      sampling: { numGenerations: 3 },
      optimizer: { lr: 2e-5, schedule: "cosine" },
      batch: { questions: 1, accumulation: 4 },
      rewards: ["accuracy", "format", "xmlcount"],
      prompt: { system: "repository", question: "paper", shots: [] },
    });
  }
});

test("each selection of the package is sound, opens with its command, and its training reads what it writes", async () => {
  const { loadConfig } = await import("../../../src/config/load.ts");
  const { loadSelectConfig } = await import("../../../src/config/load-select.ts");
  for (const name of [
    "smollm2-select",
    ...["random", "phi-4", "gemma-3-27b", "gemma-3-12b"].map((model) => `open-medical-r1/select-${model}`),
  ]) {
    const file = join(root, "configs", `${name}.yaml`);
    expect(readFileSync(file, "utf8").split("\n")[0], name).toBe(`# npx rlvr select configs/${name}.yaml`);
    const { config } = await loadSelectConfig(file);
    if (!name.startsWith("open-medical-r1")) continue;
    const isRandom = name.endsWith("random");
    expect(config.strategy).toMatchObject(
      isRandom ? { kind: "random", count: 500 } : { kind: "filter", hard: 400, easy: 100 },
    );
    expect(config.prompt.instruction).toBe("paper");
    expect(config.model.path === null).toBe(isRandom);
    const training = await loadConfig(file.replace("select-", ""));
    expect(training.config.data.train).toBe(join(config.output.dir ?? "", "questions.jsonl"));
    expect(training.config.filter.enabled).toBe(false);
  }
});

test("the first interrupt lets the work finish, the second ends the process with 130", async () => {
  const child = spawn(
    process.execPath,
    [join(root, "test/unit/run-with-vite.mjs"), join(import.meta.dirname, "interruptible.ts")],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let seen = "";
  const until = async (text: string) => {
    while (!seen.includes(text)) seen += String((await once(child.stdout, "data"))[0]);
  };
  await until("ready");
  child.kill("SIGINT");
  await until("aborted");
  expect(seen).toBe("ready\nfirst\naborted\n");
  expect(child.exitCode).toBeNull();
  child.kill("SIGINT");
  expect((await once(child, "exit"))[0]).toBe(130);
});

test("a new run takes the first free folder, a resumed one the last that holds a run", async () => {
  const base = join(folder, "runs", "small");
  expect(await runFolderFor(base, false)).toBe(base);
  expect(await runFolderFor(base, true)).toBe(base);
  for (const name of ["small", "small-2", "small-10", "smaller", "small-x"]) {
    mkdirSync(join(folder, "runs", name, "checkpoints", "step-1"), { recursive: true });
  }
  mkdirSync(join(folder, "runs", "small-11"));
  expect(await runFolderFor(base, false)).toBe(`${base}-11`);
  expect(await runFolderFor(base, true)).toBe(`${base}-10`);
});

const metrics = {
  step: 12,
  reward: 3.214,
  "rewards/accuracy": 0.917,
  "rewards/format": 1.4,
  kl: 0.01234,
  informative_groups: 0.75,
  completion_length: 41.7,
  "time/rollout": 0.5,
  "time/reference": 0,
  "time/train": 0.74,
} as unknown as StepMetrics;

test("a step is one line with its rewards, its times and the time that is left", () => {
  expect(stepLine(metrics, 100, 105)).toBe(
    "step  12/100  reward 3.21 (accuracy 0.92, format 1.40)  kl 0.012  informative 75 %  length 42  " +
      "1.2 s (0.5 + 0.0 + 0.7)  ETA 1:45",
  );
});

test("the ETA follows the last ten steps", () => {
  const eta = new Eta();
  const after = (step: number, seconds: number) =>
    eta.after({ ...metrics, step, "time/rollout": seconds, "time/train": 0 }, 30);
  expect(after(1, 100)).toBe(2900);
  for (let step = 2; step <= 10; step += 1) after(step, 1);
  expect(after(11, 1)).toBe(19);
});

test("numbers for people", () => {
  expect([duration(5), duration(65), duration(7389)]).toEqual(["0:05", "1:05", "2:03:09"]);
  expect([bytes(0), bytes(900), bytes(1536), bytes(98_362_432), bytes(2 ** 34)]).toEqual([
    "0 B",
    "900 B",
    "1.5 KiB",
    "93.8 MiB",
    "16.0 GiB",
  ]);
});

test("doctor knows the oldest Node.js and little memory", () => {
  expect([checkNode("20.18.1").status, checkNode("20.19.0").status, checkNode("22.0.0").status]).toEqual([
    "failure",
    "ok",
    "ok",
  ]);
  expect([checkMemory(5e8, 8e9).status, checkMemory(4e9, 8e9).status]).toEqual(["warning", "ok"]);
});

test("doctor takes a missing CUDA library for no fault, one that cannot be used for a warning", () => {
  const status = { usable: false, library: "", build: "", cublas: "", cards: [], problem: "build it" };
  expect(checkGpu(() => status)).toMatchObject({ status: "ok", fix: "build it" });
  expect(checkGpu(() => ({ ...status, library: "x.so" }))).toMatchObject({ status: "warning", fix: "build it" });
  const cards = [{ name: "a card", capability: "8.9", totalBytes: 24e9, freeBytes: 20e9 }];
  expect(checkGpu(() => ({ ...status, usable: true, cards })).detail).toContain("a card (sm 8.9");
});

test("pretrain takes its numbers by their config names and reports every mistake", () => {
  expect(pretrainOverrides(["careful_steps=5", "learning_rate=1e-3"])).toEqual({ carefulSteps: 5, learningRate: 1e-3 });
  expect(() => pretrainOverrides(["careful_step=5", "seed=x"])).toThrow(
    /did you mean careful_steps\?[\s\S]*seed: got "x"/,
  );
});
