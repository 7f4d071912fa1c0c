import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { defineConfig } from "../../../src/config/resolve.ts";
import type { Config, ConfigInput } from "../../../src/config/schema.ts";
import type { Question } from "../../../src/data/question.ts";
import { exitStatusOf, RlvrError } from "../../../src/errors.ts";
import type { TrainEvent } from "../../../src/recipes/events.ts";
import { type TrainOptions, trainGrpo } from "../../../src/recipes/grpo.ts";
import { rewardRegistry } from "../../../src/rewards/registry.ts";
import { listCheckpoints } from "../../../src/run/checkpoints.ts";
import { TinyPolicy, tinySession } from "./tiny-policy.ts";

const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rlvr-grpo-"));
  folders.push(folder);
  return join(folder, "run");
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const questions: Question[] = Array.from({ length: 10 }, (_, index) => ({
  id: `q${index}`,
  question: `Question ${index}?`,
  options: { A: "one", B: "two" },
  answer: "A",
  answerText: "one",
  subject: "",
  source: "test",
}));

function configFor(folder: string, changes: Partial<ConfigInput> = {}): Config {
  return defineConfig({
    model: { path: "tiny" },
    data: { train: "given" },
    sampling: { maxNewTokens: 6, numGenerations: 4, temperature: 1, topK: 0 },
    optimizer: { lr: 0.1 },
    batch: { questions: 2, accumulation: 2, steps: 8 },
    ...changes,
    output: { dir: folder, checkpointEvery: 3, ...changes.output },
  });
}

interface Run {
  policy: TinyPolicy;
  events: TrainEvent[];
  result: Awaited<ReturnType<typeof trainGrpo>>;
}
async function train(config: Config, options: TrainOptions = {}, policy = new TinyPolicy()): Promise<Run> {
  const events: TrainEvent[] = [];
  const result = await trainGrpo(config, {
    questions,
    session: tinySession(config, policy),
    ...options,
    onEvent: (event) => {
      events.push(event);
      options.onEvent?.(event);
    },
  });
  return { policy, events, result };
}

const rowsOf = (folder: string, name: string): Record<string, unknown>[] =>
  readFileSync(join(folder, name), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const withoutTimes = (rows: Record<string, unknown>[]) =>
  rows.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => !key.startsWith("time/"))));

test("a run leaves its config, metrics, completions, checkpoints, adapter and summary", async () => {
  const folder = newFolder();
  const { result, policy } = await train(configFor(folder));
  expect(
    readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort(),
  ).toEqual(["adapter", "checkpoints", "completions.jsonl", "config.yaml", "metrics.jsonl", "summary.json"]);
  expect((await listCheckpoints(join(folder, "checkpoints"))).map(({ step }) => step)).toEqual([8, 6]);
  expect(readdirSync(join(folder, "checkpoints/step-8")).sort()).toEqual([
    "adapter",
    "manifest.json",
    "state.safetensors",
    "trainer.json",
  ]);
  expect(parse(readFileSync(join(folder, "config.yaml"), "utf8")).batch.steps).toBe(8);
  expect(result).toMatchObject({ steps: 8, totalSteps: 8, interrupted: false, folder });
  expect(JSON.parse(readFileSync(join(folder, "adapter/adapter_config.json"), "utf8"))).toEqual({
    base_model_name_or_path: "tiny",
  });
  expect(policy.isClosed).toBe(false); // a session that was given stays open
});

test("metrics have exactly the published fields, one row a step", async () => {
  const folder = newFolder();
  await train(configFor(folder));
  const rows = rowsOf(folder, "metrics.jsonl");
  expect(rows.map((row) => row.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const fields =
    "step, loss, reward, reward_std, rewards/accuracy, rewards/format, rewards/xmlcount, advantage_abs, kl, clip_ratio, " +
    "entropy, sampler_gap, learning_rate, grad_norm, completion_length, truncated_ratio, informative_groups, " +
    "tokens_computed, time/rollout, time/reference, time/train, memory/peak_bytes";
  for (const row of rows) expect(Object.keys(row)).toEqual(fields.split(", "));
  expect(rows[0]).toMatchObject({ learning_rate: 0, sampler_gap: 0, "memory/peak_bytes": 1000 });
  expect(rows[0]?.kl).toBeCloseTo(0, 12); // an adapter that has learned nothing is the base
  expect(rows[7]?.kl).toBeGreaterThan(1e-4);
  expect(rows[1]?.learning_rate).toBeCloseTo(0.1, 10); // 8 steps, warm-up of one
});

test("completions have the question, the text, the finish reason and each reward, and agree with the metrics", async () => {
  const folder = newFolder();
  await train(configFor(folder));
  const rows = rowsOf(folder, "completions.jsonl");
  expect(rows).toHaveLength(8 * 4 * 4);
  expect(Object.keys(rows[0] ?? {})).toEqual(
    "step,question_id,rollout,text,finish_reason,tokens,reward,rewards/accuracy,rewards/format,rewards/xmlcount,advantage".split(
      ",",
    ),
  );
  const first = rows.filter((row) => row.step === 1).map((row) => row.reward as number);
  const mean = first.reduce((sum, value) => sum + value, 0) / first.length;
  expect(rowsOf(folder, "metrics.jsonl")[0]?.reward).toBeCloseTo(mean, 12);
});

test("each step samples, asks the base, trains each micro-batch and updates once", async () => {
  const config = configFor(newFolder(), { batch: { questions: 2, accumulation: 2, steps: 1 } });
  const { policy } = await train(config);
  const step = ["generate", "reference", "accumulate", "accumulate", "update"];
  expect(policy.calls).toEqual(["generate", ...step]); // the pre-flight's rollouts come first
  const without = await train(
    configFor(newFolder(), { loss: { beta: 0 }, batch: { questions: 4, accumulation: 1, steps: 1 } }),
  );
  expect(without.policy.calls).toEqual(["generate", "generate", "accumulate", "update"]);
});

test("one micro-batch of four questions and four of one learn the same", async () => {
  const states: string[] = [];
  for (const [size, accumulation] of [
    [4, 1],
    [1, 4],
  ] as const) {
    const config = configFor(newFolder(), { batch: { questions: size, accumulation, steps: 4 } });
    const { policy } = await train(config);
    states.push(policy.state);
  }
  const logits = states.map((state) => JSON.parse(state).logits.flat() as number[]);
  for (const [index, value] of (logits[0] ?? []).entries()) expect(logits[1]?.[index]).toBeCloseTo(value, 6);
});

describe("a resumed run", () => {
  test.each([1, 2, 3, 4, 7])("that stopped after step %i is bit-identical to the uninterrupted run", async (stop) => {
    const whole = newFolder();
    const reference = await train(configFor(whole));

    const folder = newFolder();
    const config = configFor(folder);
    const controller = new AbortController();
    const first = await train(config, {
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === "step" && event.metrics.step === stop) controller.abort();
      },
    });
    expect(first.result).toMatchObject({ steps: stop, interrupted: true });
    const second = await train(config, { resume: true });
    expect(second.result).toMatchObject({ steps: 8, interrupted: false });

    expect(second.policy.state).toBe(reference.policy.state);
    expect(withoutTimes(rowsOf(folder, "metrics.jsonl"))).toEqual(withoutTimes(rowsOf(whole, "metrics.jsonl")));
    expect(readFileSync(join(folder, "completions.jsonl"))).toEqual(readFileSync(join(whole, "completions.jsonl")));
  });

  test("that died between checkpoints cuts its logs back and takes the lost steps again", async () => {
    const whole = newFolder();
    const reference = await train(configFor(whole));
    const folder = newFolder();
    const config = configFor(folder);
    const die = (event: TrainEvent) => {
      if (event.kind === "step" && event.metrics.step === 5) throw new Error("power cut");
    };
    await expect(train(config, { onEvent: die })).rejects.toThrow("power cut");
    expect(rowsOf(folder, "metrics.jsonl")).toHaveLength(5);
    const { events, policy } = await train(config, { resume: true });
    expect(events.find((event) => event.kind === "start")).toMatchObject({ firstStep: 4 });
    expect(policy.state).toBe(reference.policy.state);
    expect(rowsOf(folder, "metrics.jsonl").map((row) => row.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(readFileSync(join(folder, "completions.jsonl"))).toEqual(readFileSync(join(whole, "completions.jsonl")));
  });

  test("with another seed differs: the comparison can fail", async () => {
    const one = await train(configFor(newFolder()));
    const other = await train(configFor(newFolder(), { seed: 1 }));
    expect(other.policy.state).not.toBe(one.policy.state);
  });

  test("falls back to the checkpoint before a damaged one, and says so", async () => {
    const folder = newFolder();
    const config = configFor(folder);
    const { policy: reference } = await train(config);
    writeFileSync(join(folder, "checkpoints/step-8/state.safetensors"), "x");
    const { events, policy } = await train(config, { resume: true });
    expect(events.find((event) => event.kind === "start")).toMatchObject({ firstStep: 7 });
    const notices = events.flatMap((event) => (event.kind === "notice" ? [event.message] : []));
    expect(notices.join()).toContain("step-8 is damaged (state.safetensors has 1 bytes");
    expect(policy.state).toBe(reference.state);
  });

  test("refuses another config, naming what differs, but may be longer", async () => {
    const folder = newFolder();
    await train(configFor(folder));
    const changed = configFor(folder, { optimizer: { lr: 0.2 }, loss: { beta: 0 } });
    const error = await train(changed, { resume: true }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "RLVR_BAD_STATE" });
    expect((error as Error).message).toContain("loss.beta was 0.04 and is 0");
    expect((error as Error).message).toContain("optimizer.lr was 0.1 and is 0.2");
    const longer = configFor(folder, { batch: { questions: 2, accumulation: 2, steps: 9 } });
    const { result, events } = await train(longer, { resume: true });
    expect(result.steps).toBe(9);
    expect(JSON.stringify(events)).toContain("batch.steps was 8 and is 9");
  });

  test("is not taken for a new one: a folder that holds a run is refused without resume", async () => {
    const folder = newFolder();
    await train(configFor(folder));
    await expect(train(configFor(folder))).rejects.toThrow("already holds a run. Continue it with --resume");
  });
});

test("GRPO raises the verifier's reward, and does not when the reward is dealt out among the rollouts", async () => {
  const longRun = { batch: { questions: 2, accumulation: 2, steps: 60 }, loss: { beta: 0 } } as const;
  const gain = async (config: Config, options: TrainOptions) => {
    await train(config, options);
    const rewards = rowsOf(config.output.dir ?? "", "metrics.jsonl").map((row) => {
      return (
        (row["rewards/accuracy"] as number) + (row["rewards/format"] as number) + (row["rewards/xmlcount"] as number)
      );
    });
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    return mean(rewards.slice(-10)) - mean(rewards.slice(0, 10));
  };
  expect(await gain(configFor(newFolder(), longRun), {})).toBeGreaterThan(1.5);

  // The control: the same scores, each given to the neighbour of the rollout that earned it.
  const rotated = ["accuracy", "format", "xmlcount"].map((name) => {
    let last = 0;
    const { reward } = rewardRegistry[name] as (typeof rewardRegistry)[string];
    const neighbour: typeof reward = (text, question, context) => {
      const given = last;
      last = reward(text, question, context) as number;
      return given;
    };
    return { name, weight: 1, reward: neighbour };
  });
  expect(Math.abs(await gain(configFor(newFolder(), longRun), { rewards: rotated }))).toBeLessThan(1);
});

test("a pre-flight without a spread of rewards ends the run before its first step, with a way out", async () => {
  const folder = newFolder();
  const rewards = [{ name: "nothing", weight: 1, reward: () => 0 }];
  const error = await train(configFor(folder), { rewards }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RlvrError);
  expect(error).toMatchObject({ code: "RLVR_NO_SIGNAL" });
  expect((error as Error).message).toContain("every rollout of each of 8 groups (4 rollouts a question) got the same");
  expect(exitStatusOf(error)).toBe(1);
  expect(rowsOf(folder, "metrics.jsonl")).toEqual([]);

  const config = configFor(folder, { guards: { onNoSignal: "warn" } });
  const { events, result } = await train(config, { rewards });
  expect(result.steps).toBe(8);
  expect(events.some((event) => event.kind === "notice" && event.level === "warning")).toBe(true);
});

test("a step whose gradient is not finite is skipped and said; several in a row end the run", async () => {
  const policy = new TinyPolicy();
  policy.badUpdates = 2;
  const { events, result } = await train(configFor(newFolder()), {}, policy);
  expect(result.steps).toBe(8);
  const notices = events.flatMap((event) => (event.kind === "notice" ? [event.message] : []));
  expect(notices.filter((message) => message.includes("was skipped"))).toHaveLength(2);

  const diverged = new TinyPolicy();
  diverged.badUpdates = 3;
  await expect(train(configFor(newFolder()), {}, diverged)).rejects.toMatchObject({ code: "RLVR_DIVERGED" });
});

test("both batch counts are told before the first step", async () => {
  const { events } = await train(configFor(newFolder()));
  expect(events.find((event) => event.kind === "start")).toMatchObject({
    questions: 10,
    counts: {
      questionsPerStep: 4,
      completionsPerStep: 16,
      completionsPerMicroBatch: 8,
      stepsPerEpoch: 3,
      totalSteps: 8,
    },
  });
});

test("held-out questions are answered before and after, sampled and greedily", async () => {
  const config = configFor(newFolder(), {
    data: { train: "given", eval: "given" },
    evaluation: { questions: 10 },
    batch: { questions: 2, accumulation: 2, steps: 60 },
  });
  const { result } = await train(config, { evalQuestions: questions });
  const { before, after } = result.evaluation;
  expect(before?.questions).toBe(10);
  expect(after?.greedy).toMatchObject({ accuracy: 1, format: 1, truncated: 0 });
  expect((after?.sampled.format ?? 0) - (before?.sampled.format ?? 0)).toBeGreaterThan(0.3);
});

test("prompts and completions that exceed the model's context are refused before training", async () => {
  const config = configFor(newFolder(), { sampling: { maxNewTokens: 60 } });
  await expect(train(config)).rejects.toThrow("66 together, but the model's context is 64");
});

test("a random sample trains on so many questions, and on the same ones for the same seed", async () => {
  const asked = async (seed: number) => {
    const folder = newFolder();
    await train(configFor(folder, { data: { train: "given", sample: 4 }, seed }));
    return new Set(rowsOf(folder, "completions.jsonl").map((row) => row.question_id));
  };
  const first = await asked(1);
  expect(first.size).toBe(4);
  expect(await asked(1)).toEqual(first);
  expect(await asked(2)).not.toEqual(first);
});

test("the filter stage trains on the questions that it chose, and a resumed run on the same ones", async () => {
  const folder = newFolder();
  const config = configFor(folder, { filter: { enabled: true, hard: 3, easy: 1 } });
  const controller = new AbortController();
  const { events } = await train(config, {
    signal: controller.signal,
    onEvent: (event) => event.kind === "step" && controller.abort(),
  });
  const filter = events.find((event) => event.kind === "filter");
  expect(filter?.counts.hard.found).toBe(10 - (filter?.counts.easy.found ?? 0));
  const chosen = new Set(rowsOf(folder, "selection.jsonl").map((row) => row.id));
  expect(chosen.size).toBe((filter?.counts.hard.taken ?? 0) + (filter?.counts.easy.taken ?? 0));
  expect(rowsOf(folder, "filter.jsonl")).toHaveLength(10);
  const resumed = await train(config, { resume: true });
  expect(resumed.events.some((event) => event.kind === "filter")).toBe(false);
  const asked = new Set(rowsOf(folder, "completions.jsonl").map((row) => row.question_id));
  expect(asked).toEqual(chosen);
});
