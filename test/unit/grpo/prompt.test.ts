import { expect, test } from "vitest";
import { paperSystemPrompt, questionMessages, repositorySystemPrompt } from "../../../src/grpo/prompt.ts";

const question = {
  id: "q",
  question: "Which?",
  options: { A: "one", B: "two" },
  answer: "B",
  answerText: "two",
  subject: "",
  source: "",
};

test("the system prompt has the repository's spelling and its missing spaces", () => {
  expect(repositorySystemPrompt).toContain("with the answer.The reasoning process is");
  expect(repositorySystemPrompt).toContain("think about it sinceraly.The reasoning process and answer");
  expect(repositorySystemPrompt.endsWith("<think> reasoning process here </think><answer> answer here </answer>")).toBe(
    true,
  );
  expect(repositorySystemPrompt).toHaveLength(493);
});

test("the printed prompt differs from it in two spaces and one word", () => {
  const repaired = repositorySystemPrompt
    .replace("answer.The", "answer. The")
    .replace("sinceraly.The", "sincerely. The");
  expect(paperSystemPrompt).toBe(repaired);
});

test("the default conversation is the system text and the question with its choices", () => {
  expect(questionMessages(question, { system: "repository", questionFormat: "paper", shots: [] })).toEqual([
    { role: "system", content: repositorySystemPrompt },
    { role: "user", content: "Which?\nAnswer Choices: (A) one (B) two " },
  ]);
});

test("worked examples stand between the system text and the question", () => {
  const shots = [{ user: "First?", assistant: "<think>x</think><answer>A</answer>" }];
  expect(questionMessages(question, { system: "Be brief.", questionFormat: "lines", shots })).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "First?" },
    { role: "assistant", content: "<think>x</think><answer>A</answer>" },
    { role: "user", content: "Which?\nA. one\nB. two" },
  ]);
});
