import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RlvrError } from "../../../src/errors.ts";
import { clipped, readEvaluation, readEvaluations } from "../../../src/recipes/read-evaluation.ts";
import { writeEvaluation } from "../report/evaluation-fixture.ts";
import { answer, manifest } from "../statistics/answers.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-read-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = { textLimit: 100 };
const file = () => join(folder, "answers.jsonl");

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RlvrError);
  return (error as RlvrError).message;
}

test("an evaluation comes back as it was written, with separators and lone surrogates in its texts", async () => {
  const answers = [
    answer({ id: "1", text: "a\u2028b\n\ud800 汉字", finish_reason: "stop" }),
    answer({ id: "2", extracted: null, correct: false, logprobs: null }),
  ];
  writeEvaluation(folder, { name: "base" }, answers);
  const run = await readEvaluation(folder, options);
  expect(run.manifest).toEqual(manifest({ name: "base" }));
  expect(run.answers).toEqual(answers);
  expect(run.categoryMaps).toEqual({});
});

test("lines longer than a chunk of the file are whole, and long texts lose their middle", async () => {
  const text = `${"汉".repeat(700_000)}end`;
  writeEvaluation(folder, {}, [answer({ id: "1", text }), answer({ id: "2", text: "short" })]);
  const { answers } = await readEvaluation(folder, { textLimit: 1000 });
  expect(answers.map((one) => one.text?.slice(-5))).toEqual(["汉汉end", "short"]);
  expect(answers[0]?.text).toMatch(/^汉{750}\n\[… 699,003 characters left out; answers\.jsonl has them …\]\n汉/);
  expect((await readEvaluation(folder, { textLimit: 0 })).answers.map((one) => one.text)).toEqual(["", ""]);
  expect(clipped("abcd", 4)).toBe("abcd");
});

test("a last line that a crash has torn is left out; a torn line before others is not", async () => {
  writeEvaluation(folder, {}, [answer({ id: "1" })]);
  appendFileSync(file(), '{"benchmark":"mm');
  expect((await readEvaluation(folder, options)).answers).toHaveLength(1);
  appendFileSync(file(), `\n${JSON.stringify(answer({ id: "2" }))}\n`);
  expect(await refusal(readEvaluation(folder, options))).toContain(`${file()}, line 2: is not JSON`);
});

test("a line that is no answer is refused with its place and its fields", async () => {
  writeEvaluation(folder, {}, [answer({ id: "1" })]);
  appendFileSync(file(), `${JSON.stringify({ ...answer({ id: "2" }), correct: "yes", gold: 3 })}\n`);
  const message = await refusal(readEvaluation(folder, options));
  expect(message).toContain(`${file()}, line 2`);
  expect(message).toMatch(/gold: .*string.*correct: .*boolean/);
});

test("a question that is answered twice, and answers of two models, are refused", async () => {
  writeEvaluation(folder, {}, [answer({ id: "1" }), answer({ id: "2" }), answer({ id: "1" })]);
  expect(await refusal(readEvaluation(folder, options))).toContain("line 3: answers 1 again, after line 1");
  writeEvaluation(folder, {}, [answer({ id: "1" }), answer({ id: "2", key: "fedcba9876543210" })]);
  expect(await refusal(readEvaluation(folder, options))).toContain("answers of two models or protocols");
});

test("an empty evaluation, and one that lacks a benchmark, say what to do", async () => {
  writeEvaluation(folder, {}, []);
  expect(await refusal(readEvaluation(folder, options))).toContain("run the evaluation first");
  writeEvaluation(folder, { finished: null, benchmarks: ["mmlu", "gsm8k"] }, [answer({ id: "1" })]);
  expect(await refusal(readEvaluation(folder, options))).toContain(
    "no answers to gsm8k; the evaluation has not finished",
  );
  expect((await readEvaluation(folder, { ...options, benchmarks: ["mmlu"] })).answers).toHaveLength(1);
});

test("a manifest of another version or none is refused", async () => {
  writeEvaluation(folder, {}, [answer({ id: "1" })]);
  writeFileSync(join(folder, "evaluation.json"), JSON.stringify({ ...manifest(), schema: 2 }));
  expect(await refusal(readEvaluation(folder, options))).toMatch(
    /evaluation\.json: is not what "rlvr evaluate" writes: schema/,
  );
  rmSync(join(folder, "evaluation.json"));
  expect(await refusal(readEvaluation(folder, options))).toMatch(
    /there is no .*evaluation\.json; expected a folder that rlvr evaluate wrote/,
  );
});

test("the protocol's category maps come with it", async () => {
  writeEvaluation(folder, {}, [answer({ id: "1" })]);
  const parts = { mmlu: { categories: "lm-eval", mode: "score" }, gsm8k: {} };
  writeFileSync(join(folder, "protocol.json"), JSON.stringify({ name: "lm-eval", benchmarks: parts }));
  expect((await readEvaluation(folder, options)).categoryMaps).toEqual({ mmlu: "lm-eval" });
});

test("several evaluations share their questions' texts, and names that are taken get their folder's", async () => {
  const [one, two] = [join(folder, "one"), join(folder, "two")] as const;
  for (const path of [one, two]) writeEvaluation(path, { name: "same" }, [answer({ id: "1" })]);
  const runs = await readEvaluations([one, two], options);
  expect(runs.map(({ manifest: { name } }) => name)).toEqual(["same", "same (two)"]);
  expect(runs[1]?.answers[0]?.options).toBe(runs[0]?.answers[0]?.options);
});
