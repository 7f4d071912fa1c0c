import { expect, test } from "vitest";
import type { BenchmarkRow } from "../../../src/data/benchmark-row.ts";
import { askedRows, choiceTexts, promptText } from "../../../src/evaluation/prompts.ts";
import { loadProtocol, type Protocol, partOf } from "../../../src/evaluation/protocol.ts";

const row = (
  benchmark: BenchmarkRow["benchmark"],
  subject: string,
  question: string,
  rest: Partial<BenchmarkRow> = {},
) => ({
  benchmark,
  id: `${benchmark}/${subject}/test/1`,
  subject,
  question,
  options: ["one", "two", "three", "four"],
  answer: "B",
  ...rest,
});

const prompt = (protocol: Protocol, asked: BenchmarkRow, shots: readonly BenchmarkRow[] = []) =>
  promptText({ row: asked, shots }, partOf(protocol, asked.benchmark));

test("official MMLU has two spaces before the subject and a blank line after each example", async () => {
  const asked = row("mmlu", "high_school_physics", "Why?");
  expect(prompt(await loadProtocol("official"), asked, [row("mmlu", "high_school_physics", "How?")])).toBe(
    "The following are multiple choice questions (with answers) about  high school physics.\n\n" +
      "How?\nA. one\nB. two\nC. three\nD. four\nAnswer: B\n\nWhy?\nA. one\nB. two\nC. three\nD. four\nAnswer:",
  );
});

test("official CMMLU is Chinese, and scores letters without a space", async () => {
  const asked = row("cmmlu", "logical", "为什么？");
  const protocol = await loadProtocol("official");
  expect(prompt(protocol, asked)).toBe(
    "以下是关于逻辑学的单项选择题，请直接给出正确答案的选项。\n\n题目：为什么？\nA. one\nB. two\nC. three\nD. four\n答案是：",
  );
  expect(choiceTexts(asked, partOf(protocol, "cmmlu"))).toEqual(["A", "B", "C", "D"]);
});

test("official MMLU-Pro leaves padding out and shows the worked solution as its own answer", async () => {
  const shot = row("mmlu-pro", "law", "How?", {
    options: ["one", "two", "three", "N/A"],
    solution: "A: Let's think step by step. The answer is (B).",
  });
  expect(prompt(await loadProtocol("official"), row("mmlu-pro", "law", "Why?"), [shot])).toBe(
    "The following are multiple choice questions (with answers) about law. Think step by step and then finish your answer " +
      'with "the answer is (X)" where X is the correct letter choice.\n\n\n\n' +
      "Question:\nHow?\nOptions:\nA. one\nB. two\nC. three\nAnswer: Let's think step by step. The answer is (B).\n\n" +
      "Question:\nWhy?\nOptions:\nA. one\nB. two\nC. three\nD. four\nAnswer: Let's think step by step.",
  );
});

test("the paper's reading of MMLU ends without a cue, with white space trimmed off both ends", async () => {
  const shot = row("mmlu", "anatomy", "How?");
  const asked = row("mmlu", "anatomy", "Why?", { options: ["one", "two", "three", "four "] });
  expect(prompt(await loadProtocol("paper"), asked, [shot])).toBe(
    "Answer the following multiple choice question about  anatomy. The last line of your response should be of the " +
      "following format: 'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think step by step before " +
      "answering.\n\nHow?\nA) one\nB) two\nC) three\nD) four\nAnswer: B\n\n\nWhy?\nA) one\nB) two\nC) three\nD) four",
  );
});

test("the chat prompt is the paper's Fig. 1 with the options of its training data", async () => {
  expect(prompt(await loadProtocol("zero-shot-chat"), row("medqa", "medqa", "Why?"))).toBe(
    "Please reason step by step, and put your final answer within \\boxed{ }. Please answer:\n" +
      "Why?\nAnswer Choices: (A) one (B) two (C) three (D) four ",
  );
});

test("a question that spells a placeholder or a replacement pattern stays as it is", async () => {
  const text = prompt(await loadProtocol("lm-eval"), row("mmlu", "anatomy", "{options} $& $1 {subject}"));
  expect(text).toContain("\n\n{options} $& $1 {subject}\nA. one");
});

test("examples are of the question's subject, and too few are refused", async () => {
  const part = partOf(await loadProtocol("lm-eval", { shots: 2 }), "mmlu");
  const examples = [row("mmlu", "a", "1"), row("mmlu", "b", "2"), row("mmlu", "a", "3"), row("mmlu", "a", "4")];
  const [asked] = askedRows([row("mmlu", "a", "?")], examples, part);
  expect(asked?.shots.map(({ question }) => question)).toEqual(["1", "3"]);
  expect(() => askedRows([row("mmlu", "b", "?")], examples, part)).toThrow(/b has 1 examples; the protocol shows 2/);
});
