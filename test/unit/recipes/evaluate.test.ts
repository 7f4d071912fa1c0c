import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DataFolder } from "../../../src/data/data-folder.ts";
import { loadProtocol, parseProtocol } from "../../../src/evaluation/protocol.ts";
import { type AnsweringPolicy, untilStop } from "../../../src/recipes/answer-rows.ts";
import { type EvaluateOptions, type EvaluationEvent, evaluate } from "../../../src/recipes/evaluate.ts";
import { rescore } from "../../../src/recipes/rescore.ts";
import { readAnswers, readManifest } from "../../../src/run/evaluation-folder.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";

// One token for each character; 0 ends a text.
const tokenizer = {
  stopIds: [0],
  encode: (text: string) => Int32Array.from(text, (character) => character.charCodeAt(0)),
  decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => (id === 0 ? "" : String.fromCharCode(id))).join(""),
} as unknown as Tokenizer;

const textOf = (ids: Int32Array) => tokenizer.decode(ids);

/** Knows the answer when its question says so: "[C]". Scores that letter best, and writes that it is the answer. */
class Oracle implements AnsweringPolicy {
  readonly info = { contextLength: 4000 } as AnsweringPolicy["info"];
  calls = 0;
  /** Fails the call with this number, from 1. */
  failAt = 0;
  readonly answer: (prompt: string) => string;

  constructor(answer = (prompt: string) => prompt.slice(prompt.lastIndexOf("[") + 1).charAt(0)) {
    this.answer = answer;
  }

  #count(signal?: AbortSignal): void {
    this.calls += 1;
    if (this.calls === this.failAt) throw new Error("the machine stopped");
    signal?.throwIfAborted();
  }

  #prompt(prefixes: readonly { ids: Int32Array }[] = [], prefix: number | undefined, ids: Int32Array): string {
    return (prefix === undefined ? "" : textOf((prefixes[prefix] as { ids: Int32Array }).ids)) + textOf(ids);
  }

  scoreChoices: AnsweringPolicy["scoreChoices"] = async ({ prefixes, questions }, context) => {
    this.#count(context?.signal);
    const scores = questions.map(({ prefix, promptIds, choices }) =>
      Float64Array.from(choices, ([id = 0]) =>
        String.fromCharCode(id) === this.answer(this.#prompt(prefixes, prefix, promptIds)) ? -0.5 : -2,
      ),
    );
    return { scores, counters: { tokensComputed: 0, promptTokens: 0 } };
  };

  generate: AnsweringPolicy["generate"] = async ({ prefixes, prompts, maxNewTokens = 1 }, context) => {
    this.#count(context?.signal);
    const groups = prompts.map(({ prefix, ids }) => {
      const prompt = this.#prompt(prefixes, prefix, ids);
      const question = prompt.slice(0, prompt.lastIndexOf("Answer:") + "Answer:".length);
      const whole = ` so the answer is (${this.answer(question)}).\u0000`;
      const left = whole.slice(prompt.length - question.length);
      const completionIds = tokenizer.encode(left.slice(0, maxNewTokens));
      const none = new Float32Array(completionIds.length);
      const finishReason = left.length <= maxNewTokens ? ("stop" as const) : ("length" as const);
      return [{ completionIds, logprobs: none, entropies: none, finishReason }];
    });
    return { groups, counters: { tokensComputed: 0, promptTokens: 0 } };
  };
}

/** A subject's CSV: `count` questions whose answer is C, of which the first `known` say so. */
const csv = (count: number, known: number) =>
  Array.from({ length: count }, (_, index) => `question ${index} ${index < known ? "[C]" : "[A]"},1,2,3,4,C`).join(
    "\n",
  );

const files: Record<string, string> = {
  "mmlu/data/dev/anatomy_dev.csv": csv(5, 5),
  "mmlu/data/dev/virology_dev.csv": csv(5, 5),
  "mmlu/data/test/anatomy_test.csv": csv(40, 30),
  "mmlu/data/test/virology_test.csv": csv(10, 1),
};

const data: DataFolder = {
  list: async () => Object.keys(files),
  read: async (path) => Buffer.from(files[path] ?? ""),
};

const asks = (part: string) =>
  `title: t\nbenchmarks:\n  mmlu:\n    source: s\n    query: "{question} Answer:"\n${part}`;
const scoring = parseProtocol(
  asks('    mode: letter-logits\n    choice: "{letter}"\n    categories: hendrycks\n    aggregate: micro\n'),
  "scoring",
);
const writing = (extract: string, stop = "[]", tokens = 64) =>
  parseProtocol(
    asks(
      `    mode: generate\n    max_new_tokens: ${tokens}\n    extract: [${extract}]\n    stop: ${stop}\n` +
        "    categories: hendrycks\n    aggregate: macro\n",
    ),
    "writing",
  );

let folder: string;
let oracle: Oracle;
let used: (string | null)[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-evaluate-"));
  writeFileSync(join(folder, "model.gguf"), "weights");
  oracle = new Oracle();
  used = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (options: Partial<EvaluateOptions> = {}) =>
  evaluate({
    model: join(folder, "model.gguf"),
    targets: [{ name: "base", adapter: null, folder: join(folder, "out") }],
    protocol: scoring,
    benchmarks: ["mmlu"],
    data: async () => data,
    version: "0",
    open: async () => ({
      tokenizer,
      use: async (adapter) => {
        used.push(adapter);
        return oracle;
      },
      [Symbol.asyncDispose]: async () => {},
    }),
    ...options,
  });

describe("an evaluation", () => {
  test("scores options, keeps every answer, and counts by subject, category and total", async () => {
    const [result] = await run();
    const [mmlu] = result?.scores ?? [];
    expect(mmlu?.total).toMatchObject({ questions: 50, correct: 31, unparsed: 0, truncated: 0 });
    expect(mmlu?.total.macro.accuracy).toBeCloseTo((0.75 + 0.1) / 2);
    expect(mmlu?.categories.map(({ category }) => category)).toEqual(["Other"]);
    const answers = await readAnswers(join(folder, "out"));
    expect(answers).toHaveLength(50);
    expect(answers[0]).toMatchObject({
      benchmark: "mmlu",
      subject: "anatomy",
      id: "mmlu/anatomy/test/1",
      gold: "C",
      text: null,
      finish_reason: null,
      extracted: "C",
      correct: true,
      logprobs: { A: -2, B: -2, C: -0.5, D: -2 },
      prompt_tokens: "question 0 [C] Answer:".length,
    });
    expect(answers[0]?.prompt_hash).toMatch(/^[0-9a-f]{64}$/);
    const manifest = await readManifest(join(folder, "out"));
    expect(manifest).toMatchObject({ schema: 1, name: "base", benchmarks: ["mmlu"], limit: null, protocol: "scoring" });
    expect(manifest?.finished).not.toBeNull();
  });

  test("of one subject, or with a limit, asks that many", async () => {
    const [one] = await run({ subjects: ["virology"] });
    expect(one?.scores[0]?.total.questions).toBe(10);
    const targets = [{ name: "base", adapter: null, folder: join(folder, "limited") }];
    const [other] = await run({ limit: 8, targets });
    expect(other?.scores[0]?.subjects).toMatchObject([
      { subject: "anatomy", questions: 4 },
      { subject: "virology", questions: 4 },
    ]);
    await expect(run({ subjects: ["alchemy"] })).rejects.toThrow(/the subject alchemy; there are anatomy, virology/);
  });

  test("that a failure stopped goes on where it was, and asks nothing twice", async () => {
    oracle.failAt = 2;
    await expect(run()).rejects.toThrow("the machine stopped");
    const before = await readAnswers(join(folder, "out"));
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(50);
    expect((await readManifest(join(folder, "out")))?.finished).toBeNull();

    const events: EvaluationEvent[] = [];
    await run({ onEvent: (event) => events.push(event) });
    expect(events[0]).toMatchObject({ kind: "target", questions: 50, answered: before.length });
    const after = await readAnswers(join(folder, "out"));
    expect(after.slice(0, before.length)).toEqual(before);
    expect(new Set(after.map(({ id }) => id)).size).toBe(50);
    expect(after).toHaveLength(50);

    const { calls } = oracle;
    await run({ open: () => Promise.reject(new Error("nothing is left to ask, so no model is opened")) });
    expect(oracle.calls).toBe(calls);
  });

  test("that is interrupted says so and keeps its answers", async () => {
    const controller = new AbortController();
    const onEvent = (event: EvaluationEvent) => {
      if (event.kind === "progress") controller.abort();
    };
    const [result] = await run({ signal: controller.signal, onEvent });
    expect(result?.interrupted).toBe(true);
    expect((await readAnswers(join(folder, "out"))).length).toBeGreaterThan(0);
    expect((await run())[0]).toMatchObject({ interrupted: false, scores: [{ total: { questions: 50 } }] });
  });

  test("does not go into the folder of another one", async () => {
    await run();
    await expect(run({ limit: 8 })).rejects.toThrow(/holds an evaluation with limit null; this one has 8.*--out/);
    await expect(run({ protocol: writing("answer-is") })).rejects.toMatchObject({ code: "RLVR_BAD_STATE" });
    writeFileSync(join(folder, "model.gguf"), "other weights");
    await expect(run()).rejects.toThrow(/holds an evaluation with model_hash/);
  });

  test("of several adapters has a folder and a key each", async () => {
    for (const name of ["one", "two"]) {
      const { mkdir } = await import("node:fs/promises");
      await mkdir(join(folder, name));
      writeFileSync(join(folder, name, "adapter_config.json"), "{}");
      writeFileSync(join(folder, name, "adapter_model.safetensors"), name);
    }
    const target = (name: string, adapter: string | null) => ({ name, adapter, folder: join(folder, "runs", name) });
    const targets = [target("base", null), target("one", join(folder, "one")), target("two", join(folder, "two"))];
    const results = await run({ targets });
    expect(results.map(({ name }) => name)).toEqual(["base", "one", "two"]);
    expect(used).toEqual([null, join(folder, "one"), join(folder, "two")]);
    const keys = await Promise.all(targets.map(async (one) => (await readAnswers(one.folder))[0]?.key));
    expect(new Set(keys).size).toBe(3);
    await expect(run({ targets: [target("none", join(folder, "absent"))] })).rejects.toThrow(
      /has no adapter_config.json and no adapter_model.safetensors; expected a PEFT folder/,
    );
  });

  test("of too few examples says how many there are", async () => {
    const protocol = await loadProtocol("lm-eval", { shots: 6 });
    await expect(run({ protocol })).rejects.toThrow(
      /mmlu: .*anatomy has 5 examples; the protocol shows 6; ask with fewer/,
    );
  });
});

describe("generated answers", () => {
  test("are read, and unparsed and cut ones are counted beside the accuracy", async () => {
    const [result] = await run({ protocol: writing("answer-is") });
    expect(result?.scores[0]?.total).toMatchObject({ questions: 50, correct: 31, unparsed: 0, truncated: 0 });
    const [answer] = await readAnswers(join(folder, "out"));
    expect(answer).toMatchObject({
      text: " so the answer is (C).",
      finish_reason: "stop",
      extracted: "C",
      logprobs: null,
    });

    const targets = [{ name: "base", adapter: null, folder: join(folder, "cut") }];
    const [cut] = await run({ targets, protocol: writing("answer-is", "[]", 10) });
    expect(cut?.scores[0]?.total).toMatchObject({ correct: 0, unparsed: 50, truncated: 50 });
  });

  test("end before a stop text, and are the same whether the engine is asked once or in rounds", async () => {
    const long = (prompt: string) =>
      `${prompt.slice(prompt.lastIndexOf("[") + 1).charAt(0)}) ${"x".repeat(300)} STOP no`;
    oracle = new Oracle(long);
    const targets = (name: string) => [{ name: "base", adapter: null, folder: join(folder, name) }];
    await run({ targets: targets("rounds"), protocol: writing("answer-is", '["STOP"]', 1000) });
    await run({ targets: targets("once"), protocol: writing("answer-is", "[]", 1000) });
    const [rounds, once] = await Promise.all(["rounds", "once"].map((name) => readAnswers(join(folder, name))));
    expect(rounds?.[0]).toMatchObject({ text: ` so the answer is (C) ${"x".repeat(300)} `, finish_reason: "stop" });
    expect(once?.[0]?.text).toBe(` so the answer is (C) ${"x".repeat(300)} STOP no).`);
  });

  test("a text ends before the first of its stops", () => {
    expect(untilStop("a Question: b </s>", ["</s>", "Question:"])).toEqual({ text: "a ", isStopped: true });
    expect(untilStop("a", ["b"])).toEqual({ text: "a", isStopped: false });
  });
});

describe("rescoring", () => {
  test("reads the same texts with other readers, without a model", async () => {
    oracle = new Oracle(() => "?) Answer: C. Not (A");
    await run({ protocol: writing("answer-is") });
    const out = join(folder, "again");
    const again = await rescore(join(folder, "out"), writing("answer-colon"), out, "1");
    expect(again).toMatchObject({ answers: 50, changed: 50, scores: [{ total: { correct: 50, unparsed: 0 } }] });
    const [first] = await readAnswers(out);
    expect(first).toMatchObject({ extracted: "C", correct: true });
    expect(first?.key).not.toBe((await readAnswers(join(folder, "out")))[0]?.key);
    expect(await readManifest(out)).toMatchObject({ protocol_hash: writing("answer-colon").hash, version: "1" });
    // Once more: nothing is there twice.
    await rescore(join(folder, "out"), writing("answer-colon"), out, "1");
    expect(readFileSync(join(out, "answers.jsonl"), "utf8").trim().split("\n")).toHaveLength(50);
  });

  test("of an answer that lost a field is refused with its place, and so is a manifest that is none", async () => {
    await run();
    const file = join(folder, "out/answers.jsonl");
    const [first, second = "", ...rest] = readFileSync(file, "utf8").split("\n");
    const broken = JSON.stringify({ ...JSON.parse(second), gold: undefined });
    writeFileSync(file, [first, broken, ...rest].join("\n"));
    const again = () => rescore(join(folder, "out"), scoring, join(folder, "again"), "1");
    await expect(again()).rejects.toThrow(`${file}, line 2: is not what "rlvr evaluate" writes: gold`);
    await expect(run()).rejects.toThrow("answers.jsonl, line 2");
    writeFileSync(join(folder, "out/evaluation.json"), "{}");
    await expect(again()).rejects.toThrow(/evaluation\.json: is not what "rlvr evaluate" writes: schema/);
    await expect(run()).rejects.toThrow(/evaluation\.json: is not what/);
  });

  test("is refused where the other protocol asks otherwise, and where there is no evaluation", async () => {
    await run({ protocol: writing("answer-is") });
    const into = join(folder, "x");
    await expect(rescore(join(folder, "out"), writing("answer-is", "[]", 65), into, "1")).rejects.toThrow(
      /asks mmlu otherwise than these answers were asked: max_new_tokens is 65, not 64/,
    );
    await expect(rescore(folder, writing("answer-is"), into, "1")).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
  });
});
