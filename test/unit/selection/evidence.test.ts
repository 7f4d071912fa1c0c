import { expect, test } from "vitest";
import { difficultyOf, filterOutcomes, readFilterAnswer } from "../../../src/selection/difficulty.ts";
import { candidateOf, evidenceOf } from "../../../src/selection/evidence.ts";
import { filterMessages } from "../../../src/selection/filter-prompt.ts";
import { answerOf, ask } from "./fixtures.ts";

const question = ask("q");

test("the prompt is Fig. 1's, then the question with its choices as the paper's data has them", () => {
  expect(filterMessages(question, { instruction: "paper", question: "paper" })).toEqual([
    {
      role: "user",
      content:
        "Please reason step by step, and put your final answer within \\boxed{ }. Please answer:\n" +
        "Which of these is q?\nAnswer Choices: (A) one (B) two ",
    },
  ]);
  expect(filterMessages(question, { instruction: "Answer.", question: "lines" })[0]?.content).toBe(
    "Answer.\nWhich of these is q?\nA. one\nB. two",
  );
});

test.each([
  ["right", "A", "so \\boxed{A}", "stop"],
  ["right", "A", "so \\boxed{A} and then it talks", "length"],
  ["right", "A", "\\boxed{(A) one} \\boxed{A}", "stop"],
  ["wrong", "B", "so \\boxed{B}", "stop"],
  ["wrong", null, "so \\boxed{}", "stop"],
  ["wrong", null, "so \\boxed{A or B}", "stop"],
  ["no box", null, "The answer is A.", "stop"],
  ["no box", null, "", "stop"],
  ["several boxes", "A", "\\boxed{B}, no, \\boxed{A}", "stop"],
  ["several boxes", "B", "\\boxed{A}, no, \\boxed{B}", "stop"],
  ["truncated", null, "so \\boxed{A", "length"],
  ["truncated", "B", "so \\boxed{B} but", "length"],
] as const)("an answer is %s (%s): %j (%s)", (outcome, extracted, text, reason) => {
  expect(readFilterAnswer(text, reason, question, "boxed")).toEqual({ outcome, extracted });
});

test.each([
  ["right", "A", "A", "stop"],
  ["right", "A", "\n (A) one\nbecause of B", "stop"],
  ["right", "A", "A. one, and on", "length"],
  ["right", "A", "The answer is (A)", "stop"],
  ["wrong", "B", "B. two", "stop"],
  ["no answer", null, "(A) or (B)", "stop"],
  ["no answer", null, "A patient comes", "stop"],
  ["no answer", null, "", "stop"],
  ["no answer", null, "I think:\nA", "stop"],
  ["truncated", null, "well", "length"],
] as const)("in the other form an answer is %s (%s): %j (%s)", (outcome, extracted, text, reason) => {
  expect(readFilterAnswer(text, reason, question, "letter")).toEqual({ outcome, extracted });
});

test("easy is right at least half of the time; a hard question keeps its main cause, the first on a tie", () => {
  expect(difficultyOf(["right"], filterOutcomes)).toEqual({ difficulty: "easy", cause: null });
  expect(difficultyOf(["right", "wrong"], filterOutcomes)).toEqual({ difficulty: "easy", cause: null });
  expect(difficultyOf(["no box"], filterOutcomes)).toEqual({ difficulty: "hard", cause: "no box" });
  expect(difficultyOf(["right", "truncated", "wrong", "truncated"], filterOutcomes).cause).toBe("truncated");
  expect(difficultyOf(["truncated", "wrong", "right"], filterOutcomes).cause).toBe("wrong");
});

const evidence = (model: string, ...texts: string[]) =>
  evidenceOf(
    question,
    model,
    texts.map((text, sample) => answerOf(question, sample, text)),
    "boxed",
  );

test("evidence is what a model's answers say", () => {
  expect(evidence("m", "\\boxed{A}", "none", "\\boxed{B}")).toEqual({
    model: "m",
    outcomes: ["right", "no box", "wrong"],
    extracted: ["A", null, "B"],
    completion_tokens: [9, 4, 9],
    pass_rate: 1 / 3,
    difficulty: "hard",
    cause: "wrong",
  });
});

test("several models: hard when all of them, or any of them, find it so; the pass rate is the mean", () => {
  const both = [evidence("a", "\\boxed{A}"), evidence("b", "none")];
  expect(candidateOf(question, both, "all")).toMatchObject({ difficulty: "easy", cause: null, passRate: 0.5 });
  expect(candidateOf(question, both, "any")).toMatchObject({ difficulty: "hard", cause: "no box", passRate: 0.5 });
  const wrong = [evidence("a", "\\boxed{B}"), evidence("b", "none")];
  expect(candidateOf(question, wrong, "all")).toMatchObject({ difficulty: "hard", cause: "wrong", passRate: 0 });
  expect(candidateOf(question, [], "all")).toMatchObject({ difficulty: null, passRate: null });
});
