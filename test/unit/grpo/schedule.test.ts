import { expect, test } from "vitest";
import { scheduleFactor, warmupSteps } from "../../../src/grpo/schedule.ts";

// Learning rates of transformers 5.24.0 get_cosine_schedule_with_warmup: 2e-5, no warm-up, 125 steps.
test.each([
  [0, 2e-5],
  [1, 1.9996841892833e-5],
  [31, 1.71153567720929e-5],
  [62, 1.01256603988335e-5],
  [124, 3.158107167e-9],
  [125, 0],
])("cosine at step %i of 125 is %d", (step, expected) => {
  expect(2e-5 * scheduleFactor("cosine", step, 125, 0)).toBeCloseTo(expected, 18);
});

test("warm-up rises from 0 in equal steps and then hands over", () => {
  const factors = (name: "cosine" | "linear" | "constant") =>
    [0, 1, 2, 3, 4, 8, 12].map((step) => Number(scheduleFactor(name, step, 12, 4).toFixed(6)));
  expect(factors("cosine")).toEqual([0, 0.25, 0.5, 0.75, 1, 0.5, 0]);
  expect(factors("linear")).toEqual([0, 0.25, 0.5, 0.75, 1, 0.5, 0]);
  expect(factors("constant")).toEqual([0, 0.25, 0.5, 0.75, 1, 1, 1]);
  expect(scheduleFactor("cosine", 6, 12, 4)).toBeCloseTo(0.853553, 6);
  expect(scheduleFactor("linear", 6, 12, 4)).toBe(0.75);
});

test("past the end the rate stays 0", () => {
  expect(scheduleFactor("linear", 20, 12, 4)).toBe(0);
});

test("warm-up steps are rounded up, as transformers does", () => {
  expect([warmupSteps(125, 0.1), warmupSteps(125, 0), warmupSteps(100, 0.1)]).toEqual([13, 0, 10]);
});
