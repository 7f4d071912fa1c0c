import { expect, test } from "vitest";
import { defineConfig } from "../../../src/config/resolve.ts";
import { filterQuestions, outcomeOf } from "../../../src/recipes/filter.ts";
import { TinyPolicy, tinySession } from "./tiny-policy.ts";

const question = {
  id: "q",
  question: "?",
  options: { A: "one", B: "two" },
  answer: "A",
  answerText: "one",
  subject: "",
  source: "",
};

test.each([
  ["right", "<think>x</think><answer>A</answer>", "stop"],
  ["form", "x</think><answer>A</answer>", "stop"],
  ["form", "<think>x</think>\n\n<answer>(A)</answer>", "stop"],
  ["wrong", "<think>x</think><answer>B</answer>", "stop"],
  ["no answer", "The answer is A.", "stop"],
  ["truncated", "<think>x", "length"],
  ["right", "<think>x</think><answer>A</answer>", "length"],
] as const)("an answer is %s: %j (%s)", (outcome, text, finishReason) => {
  expect(outcomeOf(text, finishReason, question)).toBe(outcome);
});

test("so many hard and easy ones are taken as the config says, the same ones for the same seed", async () => {
  const config = defineConfig({
    model: { path: "tiny" },
    data: { train: "given" },
    sampling: { maxNewTokens: 6, topK: 0 },
    filter: { enabled: true, samples: 2, hard: 6, easy: 4 },
  });
  const candidates = Array.from({ length: 100 }, (_, index) => ({ ...question, id: `q${index}` }));
  const one = await filterQuestions(tinySession(config, new TinyPolicy(2)), candidates, config);
  expect(one.counts.hard.found + one.counts.easy.found).toBe(100);
  expect([one.counts.hard.taken, one.counts.easy.taken]).toEqual([6, 4]);
  const difficulty = new Map(one.difficulties.map((row) => [row.question_id, row.difficulty]));
  expect(one.questions.map(({ id }) => difficulty.get(id))).toEqual([
    ...Array(6).fill("hard"),
    ...Array(4).fill("easy"),
  ]);
  const again = await filterQuestions(tinySession(config, new TinyPolicy(2)), candidates, config);
  expect(again.questions).toEqual(one.questions);
  const other = await filterQuestions(tinySession(config, new TinyPolicy(2)), candidates, { ...config, seed: 1 });
  expect(other.questions).not.toEqual(one.questions);
});
