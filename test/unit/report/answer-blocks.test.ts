import { inflateRawSync } from "node:zlib";
import { expect, test } from "vitest";
import { type AnswerIndex, type PackedAnswers, packAnswers } from "../../../src/report/answer-blocks.ts";
import { answerBrowserScript } from "../../../src/report/answer-browser.ts";
import { page } from "../../../src/report/html.ts";
import { answer, manifest } from "../statistics/answers.ts";

const unpack = (block: string) => JSON.parse(inflateRawSync(Buffer.from(block, "base64")).toString("utf8"));

const first = [
  answer({ id: "1", text: "lone \ud800 surrogate", finish_reason: "stop" }),
  answer({ id: "2", correct: false, extracted: null, finish_reason: "length" }),
];
const runs = [
  { manifest: manifest({ name: "a" }), answers: first },
  {
    manifest: manifest({ name: "b" }),
    answers: [answer({ id: "2", logprobs: { A: -0.123456, B: Number.NEGATIVE_INFINITY } })],
  },
];

test("the index has a flag for each run and question", () => {
  const index = unpack(packAnswers(runs).index) as AnswerIndex;
  expect(index.runs).toEqual(["a", "b"]);
  expect(index.id).toEqual(["1", "2"]);
  expect(index.flags).toEqual(["16", "-1"]);
  expect(index.extracted).toEqual([
    ["A", null],
    [null, "A"],
  ]);
});

test("texts survive as they were, lone surrogates too; minus infinity becomes null", () => {
  const [rows] = packAnswers(runs).answers.map(unpack) as PackedAnswers[][];
  expect(rows?.[0]?.[0]?.[0]).toBe("lone \ud800 surrogate");
  expect(rows?.[0]?.[1]).toBeNull();
  expect(rows?.[1]?.[1]?.[2]).toEqual({ A: -0.1235, B: null });
});

test("blocks hold consecutive rows, and their starts are in the index", () => {
  const many = Array.from({ length: 3000 }, (_, i) => answer({ id: String(i), text: "x".repeat(500) }));
  const packed = packAnswers([{ manifest: manifest(), answers: many }]);
  const index = unpack(packed.index) as AnswerIndex;
  expect(index.answerBlocks).toHaveLength(packed.answers.length);
  expect(packed.answers.length).toBeGreaterThan(2);
  const sizes = packed.answers.map((block) => (unpack(block) as unknown[]).length);
  expect(index.answerBlocks).toEqual(sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0)));
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(3000);
});

test("the page's script is admitted by its hash, and one that would end early is refused", () => {
  const html = page("t", "", "", answerBrowserScript());
  expect(html).toMatch(/script-src 'sha256-[\w+/=]+'; base-uri 'none'/);
  expect(page("t", "", "")).not.toContain("script-src");
  expect(() => page("t", "", "", "'</script>'")).toThrow(RangeError);
});
