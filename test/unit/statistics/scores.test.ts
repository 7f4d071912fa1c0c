import { expect, test } from "vitest";
import { categoriesOf } from "../../../src/data/categories.ts";
import { RlvrError } from "../../../src/errors.ts";
import { scoreBenchmark } from "../../../src/statistics/scores.ts";
import { answer, evaluationOf } from "./answers.ts";
import { golden } from "./golden.ts";

const categories = new Map([
  ["Life", ["anatomy", "virology"]],
  ["Words", ["prehistory"]],
  ["Unasked", ["sociology"]],
]);

test("micro counts questions alike, macro subjects alike", () => {
  const { answers } = evaluationOf({ anatomy: "1100", virology: "11", prehistory: "0001" });
  const scores = scoreBenchmark("mmlu", answers, categories);
  expect(scores.total).toMatchObject({ questions: 10, correct: 5, accuracy: 0.5 });
  expect(scores.total.macro.accuracy).toBeCloseTo((0.5 + 1 + 0.25) / 3, 14);
  expect(scores.categories.map(({ category, questions, accuracy }) => [category, questions, accuracy])).toEqual([
    ["Life", 6, 4 / 6],
    ["Words", 4, 0.25],
  ]);
  expect(scores.categories[0]?.macro.accuracy).toBe(0.75);
  expect(scores.subjects.map(({ subject, accuracy }) => [subject, accuracy])).toEqual([
    ["anatomy", 0.5],
    ["virology", 1],
    ["prehistory", 0.25],
  ]);
});

test("averages and errors are those of the golden answers", () => {
  const { subjects, micro, macro, macro_standard_error_first } = golden.comparison;
  const first = Object.fromEntries(Object.entries(subjects).map(([name, { first }]) => [name, first]));
  const scores = scoreBenchmark("mmlu", evaluationOf(first).answers, categoriesOf("mmlu"));
  expect(scores.total.accuracy).toBeCloseTo(micro[0], 14);
  expect(scores.total.macro.accuracy).toBeCloseTo(macro[0], 14);
  expect(scores.total.macro.standardError).toBeCloseTo(macro_standard_error_first, 14);
});

test("unparsed and truncated answers are counted beside every accuracy", () => {
  const answers = [
    answer({ id: "1" }),
    answer({ id: "2", extracted: null, correct: false }),
    answer({ id: "3", extracted: null, correct: false, text: "…", finish_reason: "length" }),
    answer({ id: "4", text: "A", finish_reason: "stop", subject: "virology" }),
  ];
  const scores = scoreBenchmark("mmlu", answers, categories);
  expect(scores.total).toMatchObject({ questions: 4, correct: 2, unparsed: 2, truncated: 1 });
  expect(scores.subjects[0]).toMatchObject({ subject: "anatomy", questions: 3, unparsed: 2, truncated: 1 });
  expect(scores.subjects[1]).toMatchObject({ subject: "virology", questions: 1, unparsed: 0, truncated: 0 });
});

test("a subject in two categories counts in both and once in the total", () => {
  const answers = [
    answer({ id: "1", benchmark: "cmmlu", subject: "chinese_history" }),
    answer({ id: "2", benchmark: "cmmlu", subject: "chinese_history", correct: false }),
    answer({ id: "3", benchmark: "cmmlu", subject: "arts" }),
  ];
  const overlapping = scoreBenchmark("cmmlu", answers, categoriesOf("cmmlu", "overlapping"));
  expect(overlapping.categories.map(({ category, questions }) => [category, questions])).toEqual([
    ["Humanities", 3],
    ["China specific", 2],
  ]);
  expect(overlapping.total).toMatchObject({ questions: 3, correct: 2, macro: { subjects: 2, accuracy: 0.75 } });
  const disjoint = scoreBenchmark("cmmlu", answers, categoriesOf("cmmlu", "disjoint"));
  expect(disjoint.categories.map(({ category, questions }) => [category, questions])).toEqual([
    ["Humanities", 1],
    ["China specific", 2],
  ]);
  expect(disjoint.total).toEqual(overlapping.total);
});

test("a subject that the map does not have is reported, not dropped", () => {
  const { answers } = evaluationOf({ alchemy: "10", anatomy: "1" });
  const scores = scoreBenchmark("mmlu", answers, categories);
  expect(scores.total.questions).toBe(3);
  expect(scores.categories.at(-1)).toMatchObject({ category: "Uncategorized", subjects: ["alchemy"], questions: 2 });
});

test("no answers are no score", () => {
  expect(() => scoreBenchmark("mmlu", [], categories)).toThrow(RlvrError);
});
