import { expect, test } from "vitest";
import { questionLines } from "../../../src/data/question.ts";
import { readQuestionFile, readQuestions, writeQuestions } from "../../../src/data/questions.ts";

const question = {
  id: "q1",
  question: "Which?",
  options: { A: "one", B: "two" },
  answer: "A",
  answerText: "one",
  subject: "numbers",
  source: "ours",
};

test("questions written and read back are equal", () => {
  const questions = [question, { ...question, id: "q2", subject: "" }];
  expect(readQuestions(writeQuestions(questions), "f").rows).toEqual(questions);
});

test("an array of options is lettered from A, and missing keys get their defaults", () => {
  const text = '{"question":"Which?","options":["one","two","three"],"answer":"C"}';
  expect(readQuestions(text, "mine.jsonl").rows[0]).toEqual({
    id: "row-1",
    question: "Which?",
    options: { A: "one", B: "two", C: "three" },
    answer: "C",
    answerText: "three",
    subject: "",
    source: "mine.jsonl",
  });
});

test("an id that occurs twice is a bad row that names the first", () => {
  expect(() => readQuestions(writeQuestions([question, question]), "f")).toThrow('row 2: "id" is "q1", as in row 1');
});

test("an answer text that contradicts the letter is a bad row", () => {
  expect(() => readQuestions(JSON.stringify({ ...question, answerText: "two" }), "f")).toThrow('"answerText" is "two"');
});

test("auto tells MedQA rows from our own", () => {
  const medqa = '{"question":"q","answer":"x","options":{"A":"x","B":"y"},"answer_idx":"A"}';
  expect(readQuestionFile(medqa, "f", "auto").rows[0]?.id).toBe("medqa-1");
  expect(readQuestionFile(writeQuestions([question]), "f", "auto").rows[0]?.id).toBe("q1");
  expect(() => readQuestionFile(medqa, "f", "questions")).toThrow('"answer" is "x"; expected one of A, B');
});

test("lettered lines stand under the question", () => {
  expect(questionLines(question)).toBe("Which?\nA. one\nB. two");
});
