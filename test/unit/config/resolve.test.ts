import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { withRealPaths } from "../../../src/config/load.ts";
import { editDistance, nearest } from "../../../src/config/nearest.ts";
import { defineConfig, resolveConfig } from "../../../src/config/resolve.ts";
import { configJsonSchema, optionInfo } from "../../../src/config/schema.ts";
import { batchCounts, byteCount, describeCounts, rewardEntries, showConfig } from "../../../src/config/show.ts";
import { RlvrError } from "../../../src/errors.ts";

const minimal = "model: { path: m }\ndata: { train: d.jsonl }\n";

function messageOf(text: string, overrides: string[] = []): string {
  try {
    resolveConfig(text, "run.yaml", overrides);
  } catch (error) {
    expect(error).toBeInstanceOf(RlvrError);
    expect((error as RlvrError).code).toBe("RLVR_BAD_CONFIG");
    return (error as RlvrError).message;
  }
  throw new Error("nothing was thrown");
}

test("a config needs a model and questions; the rest has the paper's values or their reconstruction", () => {
  const { config } = resolveConfig(minimal, "run.yaml");
  expect(config).toMatchObject({
    model: { path: "m", adapter: null, device: "auto" },
    prompt: { system: "repository", question: "paper", shots: [] },
    sampling: { temperature: 0.9, topK: 50, topP: 1, maxNewTokens: 256, numGenerations: 3 },
    lora: { rank: 8, alpha: 8, targets: [], rslora: false },
    loss: { type: "grpo", epsilon: 0.2, beta: 0.04, kl: "k3" },
    optimizer: { lr: 2e-5, schedule: "cosine", warmupRatio: 0.1, weightDecay: 0.01, maxGradNorm: 1 },
    batch: { questions: 1, accumulation: 4 },
    advantage: { scale: "group" },
    filter: { enabled: false, hard: 400, easy: 100 },
    seed: 3407,
  });
  expect(rewardEntries(config.rewards)).toEqual(
    ["accuracy", "format", "xmlcount"].map((name) => ({ name, weight: 1 })),
  );
});

test("five mistakes are reported as five, with lines and the nearest known keys", () => {
  const text = `model: { path: m, devise: cpu }
data: { train: d.jsonl }
sampling:
  temperatur: 1
  num_generations: 1
optimizer:
  lr: fast
lr: 1e-3
`;
  expect(messageOf(text).split("\n")).toEqual([
    "[config] run.yaml: 5 mistakes",
    "  line 1: model.devise: unknown key; did you mean device?",
    "  line 5: sampling.num_generations: got 1; expected at least 2",
    "  line 4: sampling.temperatur: unknown key; did you mean temperature?",
    '  line 7: optimizer.lr: got "fast"; expected a number',
    "  line 8: lr: unknown key; did you mean optimizer.lr?",
  ]);
});

test("missing keys are named with what is expected", () => {
  expect(messageOf("")).toBe(
    "[config] run.yaml: 2 mistakes\n  model: is missing; expected a section\n  data: is missing; expected a section",
  );
  expect(messageOf("model: {}\ndata: {}\n")).toContain("model.path: is missing; expected text");
});

describe("a wrong value says what came and what was expected", () => {
  test.each([
    ["loss.type=grop", 'loss.type: got "grop"; expected one of grpo, bnpo, dr_grpo, dapo'],
    ["batch.questions=1.5", "batch.questions: got 1.5; expected a whole number"],
    ["batch.questions=0", "batch.questions: got 0; expected at least 1"],
    ["sampling.top_p=2", "sampling.top_p: got 2; expected at most 1"],
    ["sampling.top_p=0", "sampling.top_p: got 0; expected more than 0"],
    ["model.memory_limit=lots", 'model.memory_limit: got "lots"; expected bytes, or a text such as "4GiB" or "500MB"'],
    ["rewards=[]", "rewards: got []; expected at least 1 in the list"],
    ["rewards=[{nam: a}]", "rewards.0.name: is missing; expected text"],
    ["data.train={generator: patient-cards}", "data.train.count: is missing; expected a number"],
    ["prompt.shots=[{user: a}]", "prompt.shots.0.assistant: is missing; expected text"],
    ["evaluation.questions=5", "evaluation.questions: is 5, but data.eval names no held-out questions"],
    ["seed=yes please", 'seed: got "yes please"; expected a number'],
    ["nonsense", 'command line: "nonsense": expected key=value, such as sampling.temperature=1'],
    ["model.path.x=1", "command line: model.path.x: there is nothing under that key to set a value in"],
    ["__proto__.x=1", "__proto__: unknown key"],
  ])("%s", (override, message) => {
    expect(messageOf(minimal, [override])).toContain(message);
  });
});

test("text that is not YAML is reported with its place; a key that stands twice too", () => {
  expect(messageOf("model: { path: m\n")).toMatch(/line \d+, column \d+:/);
  expect(messageOf(`${minimal}seed: 1\nseed: 2\n`)).toContain("line 4, column 1: Map keys must be unique");
});

test("overrides win over the file and are typed as YAML", () => {
  const text = `${minimal}rewards: [{ name: accuracy, weight: 2 }, format]\nlora: { rank: 4 }\n`;
  const { config } = resolveConfig(text, "run.yaml", [
    "rewards.0.weight=0.5",
    "lora.rank=16",
    "lora.targets=[q_proj, v_proj]",
    "batch.steps=null",
    "prompt.system=Be = brief.",
  ]);
  expect(config.rewards).toEqual([{ name: "accuracy", weight: 0.5 }, "format"]);
  expect(config.lora).toMatchObject({ rank: 16, targets: ["q_proj", "v_proj"] });
  expect(config.prompt.system).toBe("Be = brief.");
});

test("code writes the same options in camel case and gets the same checks", () => {
  const config = defineConfig({ model: { path: "m" }, data: { train: "d" }, sampling: { maxNewTokens: 7 } });
  expect(config.sampling).toMatchObject({ maxNewTokens: 7, numGenerations: 3 });
  expect(() => defineConfig({ model: { path: "m" }, data: { train: "d" }, sampling: { maxNewTokens: 0 } })).toThrow(
    "sampling.max_new_tokens: got 0; expected at least 1",
  );
});

test("every option has an origin and a note", () => {
  expect(optionInfo.size).toBeGreaterThan(55);
  for (const info of optionInfo.values()) {
    expect(["paper", "reconstruction", "ours"]).toContain(info.origin);
    expect(info.note, info.path).not.toBe("");
  }
  expect(optionInfo.get("optimizer.lr")).toEqual({ path: "optimizer.lr", origin: "paper", note: "section 3.1" });
  expect(optionInfo.get("loss.beta")?.origin).toBe("reconstruction");
});

test("the shown config says where each value comes from and loads back to the same values", () => {
  const resolved = resolveConfig(`${minimal}loss: { beta: 0 }\n`, "run.yaml", ["sampling.top_k=0"]);
  const shown = showConfig(resolved.config, resolved.setBy);
  expect(shown).toContain("lr: 0.00002 # paper: section 3.1");
  expect(shown).toContain("epsilon: 0.2 # reconstruction: clip range, TRL 0.16");
  expect(shown).toContain("beta: 0 # set by the config file");
  expect(shown).toContain("top_k: 0 # set by the command line");
  expect(parse(shown)).toEqual(resolved.values);
  expect(resolveConfig(shown, "config.yaml").config).toEqual(resolved.config);
});

test("a config made by code shows what differs from the defaults as set by the caller", () => {
  const shown = showConfig(defineConfig({ model: { path: "m" }, data: { train: "d" }, sampling: { topK: 0 } }));
  expect(shown).toContain("path: m # set by the caller");
  expect(shown).toContain("top_k: 0 # set by the caller");
  expect(shown).toContain("top_p: 1 # reconstruction: TRL 0.15");
});

test("the batch is counted in questions and in completions", () => {
  const { config } = resolveConfig(`${minimal}batch: { epochs: 2 }\n`, "run.yaml");
  const counts = batchCounts(config, 500);
  expect(counts).toEqual({
    questionsPerStep: 4,
    completionsPerStep: 12,
    completionsPerMicroBatch: 3,
    stepsPerEpoch: 125,
    totalSteps: 250,
  });
  expect(describeCounts(config, counts, 500)).toBe(
    "500 questions; a step is 4 questions × 3 rollouts = 12 completions (micro-batches: 4 of 3); " +
      "125 steps an epoch, 250 steps in all",
  );
  expect(batchCounts({ ...config, batch: { ...config.batch, steps: 40 } }, 500).totalSteps).toBe(40);
});

test("paths take environment variables and the home folder; the output folder is named after the config", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the config's own syntax
  const text = "model: { path: '${MODELS}/m.gguf' }\ndata: { train: '${DATA:-data}/x.jsonl', eval: ~/y.jsonl }\n";
  const { config } = resolveConfig(text, "run.yaml");
  const real = withRealPaths(config, "configs/small.yaml", { MODELS: "/models" });
  expect([real.model.path, real.data.train, real.output.dir]).toEqual(["/models/m.gguf", "data/x.jsonl", "runs/small"]);
  expect(real.data.eval).toMatch(/^\/.*\/y\.jsonl$/);
  expect(() => withRealPaths(config, "x", {})).toThrow("the environment has no MODELS");
});

test("sizes are read in both kinds of units", () => {
  expect([byteCount(5), byteCount("4GiB"), byteCount("1.5 MB"), byteCount("10B")]).toEqual([5, 2 ** 32, 1_500_000, 10]);
});

test("the JSON schema has every section and requires only what has no default", () => {
  const schema = configJsonSchema() as { properties: Record<string, object>; required: string[] };
  expect(Object.keys(schema.properties)).toContain("sampling");
  expect(schema.required).toEqual(["model", "data"]);
  expect(schema.properties.seed).toMatchObject({ default: 3407, origin: "reconstruction" });
});

test("the nearest word allows a third of the letters to differ", () => {
  expect([editDistance("lr", "lr"), editDistance("abcd", "abdc"), editDistance("kitten", "sitting")]).toEqual([
    0, 1, 3,
  ]);
  expect(nearest("temprature", ["temperature", "top_p"])).toBe("temperature");
  expect(nearest("zebra", ["temperature", "top_p"])).toBeUndefined();
});
