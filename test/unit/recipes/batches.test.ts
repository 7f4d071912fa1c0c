import { expect, test } from "vitest";
import { QuestionStream } from "../../../src/recipes/batches.ts";
import { hash64, shuffled } from "../../../src/selection/shuffle.ts";

const questions = Array.from({ length: 5 }, (_, index) => ({
  id: `q${index}`,
  question: "?",
  options: { A: "a", B: "b" },
  answer: "A",
  answerText: "a",
  subject: "",
  source: "",
}));
const ids = (asked: { question: { id: string } }[]) => asked.map(({ question }) => question.id);

test("an epoch asks every question once before any is asked again", () => {
  const stream = new QuestionStream(questions, 1, true);
  const asked = ids([0, 1, 2, 3, 4].flatMap((step) => stream.ofStep(step, 2)));
  expect(asked.slice(0, 5).sort()).toEqual(ids(questions.map((question) => ({ question }))));
  expect(asked.slice(5).sort()).toEqual(asked.slice(0, 5).sort());
});

test("a step's questions follow from the seed and the step alone", () => {
  const stream = new QuestionStream(questions, 1, true);
  const forward = [0, 1, 2, 3].map((step) => stream.ofStep(step, 3));
  const fresh = new QuestionStream(questions, 1, true);
  expect([3, 2, 1, 0].map((step) => fresh.ofStep(step, 3)).reverse()).toEqual(forward);
  expect(ids(new QuestionStream(questions, 2, true).ofStep(0, 5))).not.toEqual(ids(stream.ofStep(0, 5)));
});

test("without shuffling the order is that of the file, in every epoch", () => {
  expect(ids(new QuestionStream(questions, 1, false).ofStep(1, 4))).toEqual(["q4", "q0", "q1", "q2"]);
});

test("the same question has another key in each epoch, and no two questions share one", () => {
  const keys = new QuestionStream(questions, 1, true).ofStep(0, 50).map(({ key }) => key);
  expect(new Set(keys).size).toBe(50);
});

test("keys are the first eight bytes of a SHA-256 (printf 'a\\nb' | sha256sum)", () => {
  expect(hash64("a", "b")).toBe(0x7e18f737311b2dc3n);
});

test("orders are spread evenly: each question comes first about equally often", () => {
  const firsts = new Map<string, number>();
  for (let seed = 0; seed < 1000; seed += 1) {
    const first = shuffled(questions, seed, "x")[0]?.id ?? "";
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  for (const count of firsts.values()) expect(Math.abs(count - 200)).toBeLessThan(60);
  expect(firsts.size).toBe(5);
});
