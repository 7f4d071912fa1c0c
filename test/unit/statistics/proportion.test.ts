import { expect, test } from "vitest";
import { normalInterval, sampleStandardError, standardError, wilson } from "../../../src/statistics/proportion.ts";
import { golden } from "./golden.ts";

test("intervals and errors are those of statsmodels and scipy", () => {
  expect(golden.wilson.length).toBeGreaterThan(8);
  for (const expected of golden.wilson) {
    const share = expected.correct / expected.count;
    const interval = wilson(share, expected.count);
    expect(interval.low).toBeCloseTo(expected.low, 12);
    expect(interval.high).toBeCloseTo(expected.high, 12);
    const error = standardError(share, expected.count);
    expect(error).toBeCloseTo(expected.standard_error, 14);
    expect(normalInterval(share, error).low).toBeCloseTo(expected.normal_low, 12);
    expect(normalInterval(share, error).high).toBeCloseTo(expected.normal_high, 12);
    const sample = sampleStandardError(share, expected.count);
    if (expected.sample_standard_error === null) expect(sample).toBeUndefined();
    else expect(sample).toBeCloseTo(expected.sample_standard_error, 12);
  }
});

test("the interval of 8 in 10 is Wilson's and not the normal one", () => {
  const { low, high } = wilson(0.8, 10);
  expect(low).toBeCloseTo(0.4902, 4);
  expect(high).toBeCloseTo(0.9433, 4);
  expect(normalInterval(0.8, standardError(0.8, 10)).low).toBeCloseTo(0.5521, 4);
});

test("the interval stays within 0 and 1, and says nothing when nothing was asked", () => {
  expect(wilson(0, 10).low).toBe(0);
  expect(wilson(1, 10).high).toBeCloseTo(1, 12);
  expect(wilson(1, 10).high).toBeLessThanOrEqual(1);
  expect(wilson(Number.NaN, 0)).toEqual({ low: 0, high: 1 });
});
