import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { defineSelectConfig } from "../../../src/config/load-select.ts";
import type { SelectConfig, SelectConfigInput } from "../../../src/config/select-schema.ts";
import { readQuestions } from "../../../src/data/questions.ts";
import { type SelectEvent, type SelectOptions, selectQuestions } from "../../../src/recipes/select.ts";
import type { PolicyCalls } from "../../../src/recipes/session.ts";
import type { FilterAnswer } from "../../../src/selection/evidence.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";
import { ask } from "../selection/fixtures.ts";
import { temporaryFolder } from "../text/temporary-folder.ts";

const texts = ["so \\boxed{A}", "so \\boxed{B}", "no box", "\\boxed{A} or \\boxed{B}"];

/** A model that knows four answers; which one it gives belongs to the question and the sample alone. */
class FourAnswers {
  asked = 0;
  /** Stops with RLVR_ABORTED after so many prompts. */
  stopAfter = Number.POSITIVE_INFINITY;
  readonly salt: string;

  constructor(salt = "") {
    this.salt = salt;
  }

  readonly prompts: string[] = [];
  readonly policy = {
    info: { contextLength: 4096 },
    generate: async ({ prompts, rollouts = 1 }: Parameters<PolicyCalls["generate"]>[0]) => {
      if (this.asked >= this.stopAfter) {
        const { RlvrError } = await import("../../../src/errors.ts");
        throw new RlvrError("RLVR_ABORTED", "stopped");
      }
      this.asked += prompts.length;
      const groups = prompts.map(({ key }) =>
        Array.from({ length: rollouts }, (_, sample) => {
          const [byte = 0] = createHash("sha256").update(`${this.salt}/${key}/${sample}`).digest();
          return { completionIds: Int32Array.of(byte % 5), finishReason: byte % 5 === 4 ? "length" : "stop" };
        }),
      );
      return { groups, counters: { tokensComputed: 0, promptTokens: 0 } };
    },
    close: async () => {},
  } as unknown as PolicyCalls;
  readonly tokenizer = {
    stopIds: [9],
    chat: {
      encodeChat: ([message]: { content: string }[]) => {
        this.prompts.push(message?.content ?? "");
        return new Int32Array(20);
      },
    },
    decode: ([id = 0]: Int32Array) => texts[id] ?? "cut",
  } as unknown as Tokenizer;
}

const questions = Array.from({ length: 40 }, (_, index) => ask(`q${index}`, { subject: `s${index % 2}` }));
let root: string;
let model: string;
beforeEach(() => {
  root = temporaryFolder("select");
  model = join(root, "model.gguf");
  writeFileSync(model, "weights");
});

function configFor(changes: Partial<SelectConfigInput> = {}, name = "out"): SelectConfig {
  return defineSelectConfig({
    candidates: { source: "given" },
    model: { path: model },
    strategy: { hard: 10, easy: 2 },
    output: { dir: join(root, name) },
    ...changes,
  });
}
const select = (config: SelectConfig, session?: FourAnswers, options: SelectOptions = {}) =>
  selectQuestions(config, { questions, ...(session === undefined ? {} : { session }), ...options });
const read = (name: string, file = "questions.jsonl") => readFileSync(join(root, name, file), "utf8");
const answers = (name = "out") =>
  read(name, "answers.jsonl")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as FilterAnswer);

test("every candidate is asked once with the filter prompt; the chosen ones carry their evidence", async () => {
  const session = new FourAnswers();
  const events: SelectEvent[] = [];
  const { summary, questions: file } = await select(configFor(), session, { onEvent: (event) => events.push(event) });
  expect(session.asked).toBe(40);
  expect(session.prompts[0]).toContain(
    "put your final answer within \\boxed{ }. Please answer:\nWhich of these is q0?",
  );
  expect(events[0]).toEqual({ kind: "start", candidates: 40, missing: 40 });
  expect(events.at(-1)).toEqual({ kind: "progress", phase: "answer", done: 40, total: 40 });
  const rows = read("out")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  expect(rows.map(({ pool }) => pool)).toEqual([...Array(10).fill("hard"), ...Array(2).fill("easy")]);
  for (const { pool, evidence } of rows) {
    expect(evidence).toHaveLength(1);
    expect(evidence[0]).toMatchObject({ model: "model", difficulty: pool, pass_rate: pool === "easy" ? 1 : 0 });
    expect(evidence[0].cause === null).toBe(pool === "easy");
  }
  // The training reads what the selection writes.
  const [first] = readQuestions(read("out"), file).rows;
  expect(first).toEqual(questions.find(({ id }) => id === first?.id));
  expect(summary).toMatchObject({
    candidates: 40,
    chosen: 12,
    models: [{ model: "model", questions: 40, samples: 1 }],
  });
  expect(Object.keys(summary.models[0]?.causes ?? {})).toEqual(["wrong", "no box", "several boxes", "truncated"]);
  expect(JSON.parse(read("out", "summary.json"))).toEqual(summary);
  expect(read("out", "config.yaml")).toContain("hard: 10 # set by the caller");
});

test("an interrupted selection keeps its answers and goes on; the result is that of an uninterrupted one", async () => {
  await select(configFor({}, "whole"), new FourAnswers());
  const config = configFor({ sampling: { questions: 8 } });
  const stopped = new FourAnswers();
  stopped.stopAfter = 16;
  const failing = select(config, stopped);
  await expect(failing).rejects.toMatchObject({ code: "RLVR_ABORTED" });
  await expect(failing).rejects.toThrow("16 of 40 candidates are answered and kept. The same command goes on");
  expect(answers()).toHaveLength(16);
  const again = new FourAnswers();
  await select(config, again);
  expect(again.asked).toBe(24);
  expect(read("out")).toBe(read("whole"));
});

test("composing again in another way asks nothing, and --compose-only needs no model to be loaded", async () => {
  await select(configFor({ sampling: { samples: 3 } }), new FourAnswers());
  const idle = new FourAnswers();
  for (const strategy of [
    { hard: 3, easy: 1 },
    { kind: "pass_rate", count: 4, minPassRate: 0.1, maxPassRate: 0.9 },
    { kind: "percentile", count: 4, toPercentile: 50 },
    { kind: "random", count: 7 },
  ] as const) {
    const config = configFor({ sampling: { samples: 3 }, strategy });
    const { summary } = await select(config, idle);
    expect(summary.chosen).toBe(strategy.kind === undefined ? 4 : strategy.count);
    expect((await select(config, undefined, { composeOnly: true })).summary).toEqual(summary);
  }
  expect(idle.asked).toBe(0);
});

test("--compose-only with missing answers says how many", async () => {
  const missing = select(configFor(), undefined, { composeOnly: true });
  await expect(missing).rejects.toThrow("40 of 40 candidates have no answer of model under these settings");
});

test("more samples later keep the earlier ones; fewer read the first of them", async () => {
  await select(configFor({ sampling: { samples: 1 } }), new FourAnswers());
  const first = answers();
  await select(configFor({ sampling: { samples: 3 } }), new FourAnswers());
  const all = answers();
  expect(all.slice(0, 40)).toEqual(first);
  expect(all).toHaveLength(120);
  const idle = new FourAnswers();
  const { summary } = await select(configFor({ sampling: { samples: 2 } }), idle);
  expect([idle.asked, summary.models[0]?.samples]).toEqual([0, 2]);
});

test("other settings, or other weights under the same name, are other answers", async () => {
  await select(configFor(), new FourAnswers());
  const warmer = new FourAnswers();
  await select(configFor({ sampling: { temperature: 1 } }), warmer);
  writeFileSync(model, "other weights");
  const retrained = new FourAnswers();
  await select(configFor(), retrained);
  expect([warmer.asked, retrained.asked, new Set(answers().map(({ key }) => key)).size]).toEqual([40, 40, 3]);
});

test("answers to other questions of the same ids are refused", async () => {
  await select(configFor(), new FourAnswers());
  const changed = questions.map((question) => ({ ...question, question: `${question.question} Now?` }));
  const refused = select(configFor(), new FourAnswers(), { questions: changed });
  await expect(refused).rejects.toThrow('answers another question under the id "q0"');
});

test("questions asked twice are asked once; too few candidates are an error, and the answers stay", async () => {
  const twice = [...questions, { ...ask("again"), question: questions[0]?.question.toUpperCase() ?? "" }];
  const session = new FourAnswers();
  const { summary } = await select(configFor(), session, { questions: twice });
  expect([summary.duplicates, summary.candidates, session.asked]).toEqual([1, 40, 40]);
  const tooMany = select(configFor({ strategy: { hard: 400, easy: 100 } }), session);
  await expect(tooMany).rejects.toThrow(/hard: 400 wanted, \d+ of 40 candidates are; lower strategy.hard/);
  expect(session.asked).toBe(40);
});

describe("several models", () => {
  const both = (rule: "all" | "any") =>
    configFor({ journals: [join(root, "other")], strategy: { rule, hard: 1, easy: 0 } });
  const hardOf = ({
    models,
    pools,
  }: {
    models: readonly { hard: number }[];
    pools: readonly { name: string; found: number }[];
  }) => [...models.map(({ hard }) => hard), pools.find(({ name }) => name === "hard")?.found ?? 0];

  test("a question is hard when all of them find it so, or any of them", async () => {
    const other = join(root, "other.gguf");
    writeFileSync(other, "other model");
    await select(configFor({ model: { path: other }, strategy: { hard: 1, easy: 1 } }, "other"), new FourAnswers("x"));
    const session = new FourAnswers();
    const all = await select(both("all"), session);
    const any = await select(both("any"), session);
    expect(session.asked).toBe(40);
    expect(all.summary.models.map((one) => one.model)).toEqual(["model", "other"]);
    const [a = 0, b = 0, hardForAll = 0] = hardOf(all.summary);
    const [, , hardForAny = 0] = hardOf(any.summary);
    expect(hardForAll).toBeLessThan(Math.min(a, b));
    expect(hardForAny).toBeGreaterThan(Math.max(a, b));
    expect(hardForAll + hardForAny).toBe(a + b);
    // Journals alone need no model.
    const alone = configFor({
      model: {},
      journals: [join(root, "other"), join(root, "out")],
      strategy: { hard: 1, easy: 1 },
    });
    expect(hardOf((await select(alone)).summary)).toEqual([b, a, hardForAll]);
  });

  test("a journal that lacks a candidate, has two settings, or is not there is an error", async () => {
    await expect(select(both("all"), new FourAnswers())).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
    const few = configFor({ strategy: { hard: 1, easy: 1 } }, "other");
    await select(few, new FourAnswers(), { questions: questions.slice(0, 30) });
    await expect(select(both("all"), new FourAnswers())).rejects.toThrow(
      "10 of 40 candidates have no answer in one of the journals",
    );
    await select({ ...few, seed: 1 }, new FourAnswers(), { questions: questions.slice(0, 30) });
    await expect(select(both("all"), new FourAnswers())).rejects.toThrow("has answers under 2 settings");
  });
});

test("chosen questions that a benchmark has are replaced and reported", async () => {
  const clean = await select(configFor({}, "clean"), new FourAnswers());
  const [taken] = readQuestions(read("clean"), clean.questions).rows;
  const benchmarks = join(root, "benchmarks");
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(benchmarks, "test"), { recursive: true });
  writeFileSync(join(benchmarks, "test/virology_test.csv"), `"${taken?.question}",one,x,y,z,A\n`);
  const { summary } = await select(
    configFor({ decontamination: { against: benchmarks, benchmarks: ["mmlu"] } }),
    new FourAnswers(),
  );
  expect(summary.decontamination).toMatchObject({
    rows: 1,
    replaced: [{ question_id: taken?.id, kind: "exact", row: "mmlu/virology/test/1" }],
  });
  expect(summary.chosen).toBe(12);
  expect(readQuestions(read("out"), "out").rows.map(({ id }) => id)).not.toContain(taken?.id);
});

test("random asks no model and needs none", async () => {
  const { summary } = await select(configFor({ model: {}, strategy: { kind: "random", count: 5 } }));
  expect(summary).toMatchObject({ chosen: 5, models: [], no_signal: { from_pass_rates: null } });
});
