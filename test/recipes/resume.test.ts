// The engine's own runs: interrupted, resumed, on one thread and on two, they are one and the same run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineConfig } from "../../src/config/resolve.ts";
import type { Config, ConfigInput } from "../../src/config/schema.ts";
import { initialWeights } from "../../src/embedded/initial-model.ts";
import { writeModelFiles } from "../../src/embedded/pretrain.ts";
import { encodeSafetensors } from "../../src/embedded/safetensors-writer.ts";
import { buildTokenizer } from "../../src/embedded/tokenizer.ts";
import { trainGrpo } from "../../src/recipes/grpo.ts";

const root = resolve(import.meta.dirname, "../..");
const steps = 4;
let folder: string;
let model: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-resume-"));
  model = join(folder, "model");
  const tokenizer = buildTokenizer();
  await writeModelFiles(model, tokenizer);
  const vocabSize = Object.keys(tokenizer.model.vocab).length;
  writeFileSync(join(model, "model.safetensors"), encodeSafetensors(initialWeights(vocabSize, 3)));
});
afterAll(() => rmSync(folder, { recursive: true }));

function configFor(name: string, changes: Partial<ConfigInput> = {}): Config {
  return defineConfig({
    model: { path: model, threads: 1 },
    data: { train: { generator: "patient-cards", count: 6 } },
    prompt: { system: "none", question: "lines" },
    sampling: { maxNewTokens: 12, temperature: 2, topK: 0 },
    optimizer: { lr: 1e-2 },
    batch: { questions: 1, accumulation: 2, steps },
    rewards: [{ name: "letters", module: join(root, "test/recipes/length-reward.mjs") }],
    guards: { preflightQuestions: 2 },
    ...changes,
    output: { dir: join(folder, name), checkpointEvery: 2 },
  });
}

/** What a run leaves, without the times and the memory that no two processes share. */
function record(name: string) {
  const metrics = readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !/^(time|memory)\//.test(key))));
  const file = (path: string) => readFileSync(join(folder, name, path));
  return {
    metrics,
    completions: file("completions.jsonl").toString(),
    adapter: file("adapter/adapter_model.safetensors").toString("base64"),
    state: file(`checkpoints/step-${steps}/state.safetensors`).toString("base64"),
  };
}

describe("bit for bit the same run", () => {
  let whole: ReturnType<typeof record>;
  beforeAll(async () => {
    await trainGrpo(configFor("whole"));
    whole = record("whole");
  });

  test("the run learns: its adapter is not the one it began with, and the sampler's logprobs are the trainer's", () => {
    expect(whole.metrics).toHaveLength(steps);
    expect(whole.metrics.at(-1)?.kl).toBeGreaterThan(0);
    for (const row of whole.metrics) expect(row.sampler_gap).toBeLessThanOrEqual(1e-5);
  });

  test.each([1, 2, 3])("stopped after step %i and resumed", async (stop) => {
    const controller = new AbortController();
    const config = configFor(`stop-${stop}`);
    const first = await trainGrpo(config, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === "step" && event.metrics.step === stop) controller.abort();
      },
    });
    expect(first).toMatchObject({ steps: stop, interrupted: true });
    await trainGrpo(config, { resume: true });
    expect(record(`stop-${stop}`)).toEqual(whole);
  });

  test("on two threads", async () => {
    await trainGrpo(configFor("threads", { model: { path: model, threads: 2 } }));
    expect(record("threads")).toEqual(whole);
  });

  test("but not with another seed: the comparison can fail", async () => {
    await trainGrpo(configFor("seed", { seed: 1 }));
    expect(record("seed").completions).not.toBe(whole.completions);
    expect(record("seed").adapter).not.toBe(whole.adapter);
  });
});

test("Ctrl-C finishes the step, saves and exits with 130; --resume goes on from there", async () => {
  const config = join(folder, "run.yaml");
  writeFileSync(
    config,
    `model: { path: ${model}, threads: 1 }
data: { train: { generator: patient-cards, count: 6 } }
prompt: { system: none, question: lines }
sampling: { max_new_tokens: 12, temperature: 2, top_k: 0 }
batch: { questions: 1, accumulation: 2, steps: 500 }
rewards: [{ name: letters, module: ${join(root, "test/recipes/length-reward.mjs")} }]
output: { dir: ${join(folder, "ctrl-c")} }
`,
  );
  const rlvr = (...args: string[]) => {
    const main = [join(root, "test/unit/run-with-vite.mjs"), join(root, "src/cli/main.ts")];
    const child = spawn(process.execPath, [...main, "train", config, "--json", ...args], { stdio: "pipe" });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk) => {
      output.stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output.stderr += chunk;
    });
    return { child, output };
  };
  const first = rlvr();
  while (!/^step +3\/500/m.test(first.output.stderr)) await once(first.child.stderr, "data");
  first.child.kill("SIGINT");
  expect(await once(first.child, "close")).toEqual([130, null]);
  const result = JSON.parse(first.output.stdout);
  expect(result).toMatchObject({ interrupted: true, totalSteps: 500 });
  expect(result.steps).toBeGreaterThanOrEqual(3);

  const second = rlvr("--resume", `batch.steps=${result.steps + 1}`);
  expect(await once(second.child, "close"), second.output.stderr).toEqual([0, null]);
  expect(second.output.stderr).toContain(`continuing at step ${result.steps + 1}`);
  expect(JSON.parse(second.output.stdout)).toMatchObject({ interrupted: false, steps: result.steps + 1 });
});
