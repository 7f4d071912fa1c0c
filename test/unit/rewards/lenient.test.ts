import { describe, expect, test } from "vitest";
import { extractOption } from "../../../src/rewards/extract-option.ts";
import { lenientAccuracy, lenientFormat } from "../../../src/rewards/lenient.ts";
import type { RewardContext } from "../../../src/rewards/reward.ts";

const question = {
  id: "q",
  question: "Which?",
  options: { A: "Iron", B: "Iron deficiency", C: "Aspirin", D: "Vitamin C" },
  answer: "C",
  answerText: "Aspirin",
  subject: "",
  source: "",
};
const context: RewardContext = { finishReason: "stop", completionLength: 1, rollout: 0 };

describe("an answer names an option", () => {
  test.each([
    ["C", "C"],
    ["c", "C"],
    ["(C)", "C"],
    ["C.", "C"],
    ["C. Aspirin", "C"],
    ["(C) Aspirin", "C"],
    ["C: aspirin", "C"],
    ["\\boxed{C}", "C"],
    ["$\\boxed{\\text{C}}$", "C"],
    ["**C**", "C"],
    ["The answer is C", "C"],
    ["The answer is (C).", "C"],
    ["aspirin", "C"],
    ["It is Aspirin, because", "C"],
    ["iron deficiency", "B"],
    ["D. Vitamin C", "D"],
    ["vitamin c", "D"],
    ["(A) Iron", "A"],
    ["**A** is right", "A"],
    ["A because iron is stored", "A"],
    ["A (iron)", "A"],
    ["A patient needs C", "C"],
    ["A 35-year-old needs C", "C"],
    ["I think it is C", "C"],
  ])("%s → %s", (answer, letter) => {
    expect(extractOption(answer, question)).toBe(letter);
  });

  test.each([
    "",
    " ",
    "C or D",
    "A or B",
    "A and B",
    "A, B",
    "A B",
    "A / B",
    "A - Iron, B - Iron deficiency",
    "A Iron or B Iron deficiency",
    "\\boxed{A} or \\boxed{B}",
    "Both A and C are right",
    "A. Iron and C. Aspirin",
    "A diet",
    "E",
    "Ibuprofen",
    "I do not know",
    "iron or aspirin",
  ])("%j names none, or more than one", (answer) => {
    expect(extractOption(answer, question)).toBeUndefined();
  });

  test("the letter I is an option where there are so many, and a word before other words", () => {
    const many = { options: { A: "one", B: "two", I: "nine" } };
    expect(extractOption("I or B", many)).toBeUndefined();
    expect(extractOption("I is right", many)).toBe("I");
    expect(extractOption("I would say B", many)).toBe("B");
  });
});

test("lenient accuracy reads the last answer block, closed or not", () => {
  const score = (completion: string) => lenientAccuracy(completion, question, context);
  expect(score("<answer>A</answer><answer>(C) Aspirin</answer>")).toBe(2);
  expect(score("<think>x</think><answer>C.")).toBe(2);
  expect(score("<answer>A</answer>")).toBe(0);
  expect(score("The answer is C")).toBe(0);
});

test("lenient format allows white space around the blocks and wants a thought", () => {
  const score = (completion: string) => lenientFormat(completion, question, context);
  expect(score("\n<think>x</think>\n\n <answer>C</answer>\n\n")).toBe(2);
  expect(score("<think> </think><answer>C</answer>")).toBe(1);
  expect(score("Well. <think>x</think><answer>C</answer>")).toBe(1);
  expect(score("<answer>C</answer><think>x</think>")).toBe(0);
  expect(score("<think>x<answer>C</answer>")).toBe(0);
  expect(score("")).toBe(0);
});

test("an option whose name is hostile to patterns is compared as text", () => {
  const odd = { options: { A: "(a+)+$", B: ".*" } };
  expect(extractOption("(a+)+$", odd)).toBe("A");
  expect(extractOption(`${"(a+".repeat(100_000)}!`, odd)).toBeUndefined();
});
