import { expect, test } from "vitest";
import { defineAs } from "../../../src/config/resolve.ts";
import { selectKind } from "../../../src/config/select-schema.ts";
import { compose, poolsOf } from "../../../src/selection/strategies.ts";
import {
  describeSelection,
  expectedNoSignal,
  noSignal,
  spread,
  summarizeSelection,
} from "../../../src/selection/summary.ts";
import { known } from "./fixtures.ts";

test("a group of three is without a signal as often as all are right or all are wrong", () => {
  expect([0, 0.05, 0.1, 0.2, 0.5, 1].map((p) => Number(noSignal(p, 3).toFixed(2)))).toEqual([
    1, 0.86, 0.73, 0.52, 0.25, 1,
  ]);
});

test("with p unknown, no answers give 2/(G+1), and many answers come near their rate", () => {
  expect(expectedNoSignal(0, 0, 3)).toBeCloseTo(0.5, 12);
  // k = 1, r = 0: E[p^3] = 1·2·3/(3·4·5) = 0.1, E[(1-p)^3] = 2·3·4/(3·4·5) = 0.4.
  expect(expectedNoSignal(0, 1, 3)).toBeCloseTo(0.5, 12);
  expect(expectedNoSignal(0, 3, 3)).toBeCloseTo((1 * 2 * 3 + 4 * 5 * 6) / (5 * 6 * 7), 12);
  expect(expectedNoSignal(20_000, 100_000, 3)).toBeCloseTo(noSignal(0.2, 3), 3);
});

test("five numbers of a list", () => {
  expect(spread([4, 1, 3, 2, 10])).toEqual({ count: 5, mean: 4, least: 1, median: 3, p90: 10, most: 10 });
  expect(spread([])).toEqual({ count: 0, mean: null, least: null, median: null, p90: null, most: null });
});

test("the summary counts causes, subjects, lengths and models", () => {
  const { strategy } = defineAs(selectKind, {
    candidates: { source: "-" },
    model: { path: "-" },
    strategy: { hard: 2, easy: 1 },
  });
  const candidates = [
    known("a", 0, 3, { subject: "step1" }),
    known("b", 1, 3, { subject: "step1" }),
    known("c", 3, 3, { subject: "step2&3" }),
  ];
  const composition = compose(poolsOf(candidates, strategy, 1), 3, () => []);
  const input = {
    strategy: "filter",
    candidates,
    composition,
    badRows: 1,
    duplicates: 0,
    tooLong: 2,
    numGenerations: 3,
  };
  const summary = summarizeSelection({ ...input, evaluationSet: null });
  expect(summary).toMatchObject({
    schema: 1,
    candidates: 3,
    bad_rows: 1,
    chosen: 3,
    pools: [
      { name: "hard", found: 2, taken: 2 },
      { name: "easy", found: 1, taken: 1 },
    ],
    causes: { wrong: 2 },
    subjects: { step1: 2, "step2&3": 1 },
    question_words: { count: 3, mean: 5 },
    models: [
      { model: "m", questions: 3, samples: 3, easy: 1, hard: 2, causes: { wrong: 2 }, unparsed: 0, truncated: 0 },
    ],
    decontamination: null,
  });
  expect(summary.models[0]?.pass_rate).toBeCloseTo(4 / 9, 12);
  expect(summary.no_signal.from_pass_rates).toBeCloseTo((1 + noSignal(1 / 3, 3) + 1) / 3, 12);
  const lines = describeSelection(summary).join("\n");
  expect(lines).toContain("3 of 3 candidates chosen (left out: 1 bad rows, 2 prompts that are too long)");
  expect(lines).toContain("groups of 3 without an accuracy signal: 77.8 % by the pass rates");
  expect(lines).toContain("not checked against evaluation sets");
  const checked = summarizeSelection({ ...input, evaluationSet: { rows: 7, ngram: 13, ngram_share: 0.2 } });
  expect(describeSelection(checked).join("\n")).toContain(
    "checked against 7 evaluation rows (exact, 13-gram): 0 replaced",
  );
});
