import fc from "fast-check";
import { expect, test } from "vitest";
import { deviation, groupAdvantages, mean } from "../../../src/grpo/advantages.ts";

const rounded = (groups: number[][]) => groups.map((group) => group.map((value) => Number(value.toFixed(4))));

test("one winner of three gets +1.155, the others -0.577, whatever the size of the gap", () => {
  expect(rounded(groupAdvantages([[1, 0, 0]]))).toEqual([[1.1545, -0.5773, -0.5773]]);
  expect(rounded(groupAdvantages([[5, 3, 3]]))).toEqual([[1.1546, -0.5773, -0.5773]]);
});

test("the deviation has n - 1 and 1e-4 is added to it", () => {
  // mean 2, deviation 1 with n - 1 (0.8165 with n): 1 / 1.0001
  expect(groupAdvantages([[1, 2, 3]])[0]).toEqual([-1 / 1.0001, 0, 1 / 1.0001]);
});

test("a group with equal rewards has zero advantages", () => {
  expect(groupAdvantages([[0.1, 0.1, 0.1]])).toEqual([[0, 0, 0]]);
  expect(
    groupAdvantages(
      [
        [0.1, 0.1, 0.1],
        [1, 0, 0],
      ],
      "batch",
    )[0],
  ).toEqual([0, 0, 0]);
});

test("each group has its own baseline; the batch's deviation is shared", () => {
  const groups = [
    [1, 3],
    [10, 10.5],
  ];
  const spread = deviation([1, 3, 10, 10.5]) + 1e-4;
  expect(groupAdvantages(groups, "batch")).toEqual([
    [-1 / spread, 1 / spread],
    [-0.25 / spread, 0.25 / spread],
  ]);
  expect(groupAdvantages(groups, "none")).toEqual([
    [-1, 1],
    [-0.25, 0.25],
  ]);
});

test("advantages sum to zero in every group and keep the order of the rewards", () => {
  const rewards = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 9 });
  fc.assert(
    fc.property(
      fc.array(rewards, { minLength: 1, maxLength: 5 }),
      fc.constantFrom("group", "batch", "none"),
      (groups, scale) => {
        for (const [index, group] of groupAdvantages(groups, scale as "group").entries()) {
          expect(Math.abs(group.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-9);
          const order = (values: number[]) => values.map((value) => values.map((other) => Math.sign(value - other)));
          expect(order(group)).toEqual(order(groups[index] ?? []));
        }
      },
    ),
    { seed: 7 },
  );
});

test("mean and deviation of little are 0", () => {
  expect([mean([]), deviation([]), deviation([3])]).toEqual([0, 0, 0]);
});
