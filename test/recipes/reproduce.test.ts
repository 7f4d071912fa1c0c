// A whole experiment with the packaged model: stopped in the middle, continued, and done again for nothing.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadExperiment } from "../../src/config/load-experiment.ts";
import { patientCards } from "../../src/embedded/patient-cards.ts";
import { type ReproduceEvent, reproduce } from "../../src/recipes/reproduce.ts";
import { planExperiment } from "../../src/recipes/reproduce-plan.ts";

const timeoutMs = 300_000;
let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-reproduce-"));
  const data = join(folder, "data/medqa");
  mkdirSync(data, { recursive: true });
  for (const [name, split] of [
    ["train", "train"],
    ["test", "held-out"],
  ] as const) {
    const rows = patientCards({ split, count: 24, seed: 5 }).map(({ question, options, answer, answerText }) =>
      JSON.stringify({ question, options, answer: answerText, answer_idx: answer }),
    );
    writeFileSync(join(data, `phrases_no_exclude_${name}.jsonl`), rows.join("\n"));
  }
  const select = join(folder, "select.yaml");
  writeFileSync(
    select,
    "candidates: { source: { generator: patient-cards, count: 30 } }\nmodel: { path: embedded }\n" +
      "sampling: { max_new_tokens: 24 }\nstrategy: { hard: 8, easy: 0 }\n",
  );
  file = join(folder, "experiment.yaml");
  const train =
    "{ config: configs/quickstart.yaml, overrides: [filter.enabled=false, batch.steps=2, " +
    "evaluation.questions=0, guards.preflight_questions=0] }";
  writeFileSync(
    file,
    `variants:
  - { name: random, select: { config: ${select}, overrides: [strategy.kind=random, strategy.count=8] }, train: ${train} }
  - { name: hard, select: ${select}, train: ${train} }
evaluation: { protocol: zero-shot-chat, benchmarks: [medqa], data: ${join(folder, "data")}, limit: 6, max_new_tokens: 24 }
output: { dir: ${join(folder, "run")} }
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(signalAt?: (event: ReproduceEvent) => boolean) {
  const abort = new AbortController();
  const events: ReproduceEvent[] = [];
  const result = await reproduce(await loadExperiment(file), {
    version: "test",
    signal: abort.signal,
    onEvent: (event) => {
      events.push(event);
      if (signalAt?.(event)) abort.abort();
    },
  });
  return { result, events, steps: events.filter((one) => one.kind === "train" && one.event.kind === "step").length };
}

test("the plan counts what every stage will do", { timeout: timeoutMs }, async () => {
  const { stages, memory, speed } = await planExperiment(await loadExperiment(file));
  expect(stages.map(({ title, questions }) => [title, questions])).toEqual([
    ["evaluate baseline", 6],
    ["select for random", 30],
    ["select for hard", 30],
    ["train on random", 2 * 4],
    ["train on hard", 2 * 4],
    ["evaluate random, hard", 12],
    ["report", 0],
  ]);
  expect(stages[2]?.newTokens).toBe(30 * 24);
  expect(stages.every(({ seconds }) => seconds !== null && seconds >= 0)).toBe(true);
  expect(memory.totalBytes).toBeGreaterThan(memory.weightsBytes);
  expect(speed?.generation).toBeGreaterThan(0);
});

test("an experiment that is stopped goes on where it was, and is done once", { timeout: timeoutMs }, async () => {
  const stopped = await run(({ kind, ...rest }) => {
    return kind === "train" && "event" in rest && (rest.event as { kind: string }).kind === "step";
  });
  expect(stopped.result.interrupted).toBe(true);
  expect(stopped.result.report).toBeNull();
  expect(stopped.steps).toBe(1);

  const rest = await run();
  expect(rest.result.interrupted).toBe(false);
  expect(rest.steps).toBe(3); // of four, one was taken before
  expect(rest.result.evaluations.map(({ name }) => name)).toEqual(["baseline", "random", "hard"]);
  const page = readFileSync(rest.result.report ?? "", "utf8");
  for (const name of ["baseline", "random", "hard"]) expect(page).toContain(name);
  expect(readdirSync(join(folder, "run")).sort()).toEqual([
    "evaluations",
    "experiment.yaml",
    "report",
    "selections",
    "trainings",
  ]);

  const answers = () => readFileSync(join(folder, "run/evaluations/hard/answers.jsonl"), "utf8");
  const before = answers();
  expect(before.trim().split("\n")).toHaveLength(6);
  const again = await run();
  expect(again.steps).toBe(0);
  expect(again.events.some((one) => one.kind === "evaluate" && one.event.kind === "progress")).toBe(false);
  expect(answers()).toBe(before);
});

test("another experiment in the same folder is refused", async () => {
  const other = await loadExperiment(file, ["evaluation.limit=5"]);
  await expect(reproduce(other, { version: "test" })).rejects.toMatchObject({
    code: "RLVR_BAD_STATE",
    message: expect.stringContaining("another config"),
  });
});

test("two variants of one name are refused with the place", async () => {
  await expect(loadExperiment(file, ["variants.1.name=random"])).rejects.toMatchObject({
    code: "RLVR_BAD_CONFIG",
    message: expect.stringContaining('variants.1.name: is "random"'),
  });
});
