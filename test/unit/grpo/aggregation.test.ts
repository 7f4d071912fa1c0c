import { describe, expect, test } from "vitest";
import { type LossType, lossTypes, tokenWeights } from "../../../src/grpo/aggregation.ts";

// Two micro-batches of two completions: 2 and 4 tokens, then 1 and 3 of which one is masked.
const masks = [
  [
    [1, 1],
    [1, 1, 1, 1],
  ],
  [[1], [1, 0, 1]],
];
const maxNewTokens = 10;
const first = (type: LossType) => tokenWeights(type, masks, maxNewTokens).map((batch) => batch.map((row) => row[0]));

describe("the weight of a token", () => {
  test.each<[LossType, number[][]]>([
    [
      "grpo",
      [
        [1 / 8, 1 / 16],
        [1 / 4, 1 / 8],
      ],
    ], // 1 / (length · 4 completions)
    [
      "bnpo",
      [
        [1 / 12, 1 / 12],
        [1 / 6, 1 / 6],
      ],
    ], // 1 / (tokens of the micro-batch · 2 micro-batches)
    [
      "dr_grpo",
      [
        [1 / 40, 1 / 40],
        [1 / 40, 1 / 40],
      ],
    ], // 1 / (limit · 4 completions)
    [
      "dapo",
      [
        [1 / 9, 1 / 9],
        [1 / 9, 1 / 9],
      ],
    ], // 1 / tokens of the step
  ])("%s", (type, expected) => {
    expect(first(type)).toEqual(expected.map((batch) => batch.map(Math.fround)));
  });
});

test("a masked token has no weight and does not count in the length", () => {
  const weights = tokenWeights("grpo", masks, maxNewTokens)[1]?.[1];
  expect(weights && Array.from(weights)).toEqual([1 / 8, 0, 1 / 8]);
});

test("all but dr_grpo give weights that sum to 1", () => {
  for (const type of lossTypes) {
    const sum = tokenWeights(type, masks, maxNewTokens)
      .flat()
      .reduce((total, row) => total + row.reduce((a, b) => a + b, 0), 0);
    expect(sum).toBeCloseTo(type === "dr_grpo" ? 9 / 40 : 1, 6);
  }
});

test("the loss types differ from one another on this step", () => {
  const seen = lossTypes.map((type) => JSON.stringify(first(type)));
  expect(new Set(seen).size).toBe(lossTypes.length);
});

test("a step whose every token is masked has no weight and no division by zero", () => {
  for (const type of lossTypes) {
    expect(
      tokenWeights(type, [[[0, 0], []]], maxNewTokens)
        .flat()
        .map((row) => Array.from(row)),
    ).toEqual([[0, 0], []]);
  }
});
