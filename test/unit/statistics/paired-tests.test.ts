import { expect, test } from "vitest";
import { counterUniform } from "../../../src/statistics/counter-random.ts";
import {
  differenceDistribution,
  exactMcNemar,
  holm,
  PairedBootstrap,
  percentileInterval,
} from "../../../src/statistics/paired-tests.ts";
import { golden } from "./golden.ts";

test("the exact McNemar test is that of statsmodels", () => {
  for (const { only_first, only_second, p } of golden.mcnemar) {
    const found = exactMcNemar({ questions: 10_000, onlyFirst: only_first, onlySecond: only_second });
    expect(Math.abs(found - p)).toBeLessThan(1e-9);
  }
});

test("six questions won and none lost is 2 / 64", () => {
  expect(exactMcNemar({ questions: 100, onlyFirst: 0, onlySecond: 6 })).toBeCloseTo(2 / 64, 14);
  expect(exactMcNemar({ questions: 100, onlyFirst: 0, onlySecond: 0 })).toBe(1);
});

test("Holm's adjustment is that of statsmodels", () => {
  for (const { p, adjusted } of golden.holm) {
    const found = holm(p);
    expect(found).toHaveLength(adjusted.length);
    for (const [index, value] of found.entries()) expect(value).toBeCloseTo(adjusted[index] as number, 12);
  }
  expect(holm([])).toEqual([]);
});

test("the distribution of a difference is the multinomial's", () => {
  // Two questions, one lost in two: -2 and 0 with a quarter each, -1 with a half.
  expect([...differenceDistribution({ questions: 2, onlyFirst: 1, onlySecond: 0 })]).toEqual([0.25, 0.5, 0.25, 0, 0]);
  const distribution = differenceDistribution({ questions: 11_582, onlyFirst: 900, onlySecond: 1000 });
  expect(distribution).toHaveLength(2 * 11_582 + 1);
  let [sum, mean, square] = [0, 0, 0];
  for (const [index, probability] of distribution.entries()) {
    const difference = index - 11_582;
    sum += probability;
    mean += probability * difference;
    square += probability * difference * difference;
  }
  expect(sum).toBeCloseTo(1, 10);
  expect(mean).toBeCloseTo(100, 6);
  // n * (share discordant - share difference squared)
  expect(square - mean * mean).toBeCloseTo(1900 - 100 ** 2 / 11_582, 4);
});

test("the percentile interval interpolates as numpy does", () => {
  const values = Float64Array.from({ length: 101 }, (_, index) => 100 - index);
  expect(percentileInterval(values)).toEqual({ low: 2.5, high: 97.5 });
});

const counts = new Map([
  ["anatomy", { questions: 135, onlyFirst: 10, onlySecond: 25 }],
  ["virology", { questions: 166, onlyFirst: 12, onlySecond: 9 }],
]);

test("the same seed gives the same intervals, another seed others that are near", () => {
  const of = (seed: number) =>
    new PairedBootstrap(counts, { resamples: 4000, seed }).intervals(["anatomy", "virology"]).micro;
  expect(of(1)).toEqual(of(1));
  expect(of(2)).not.toEqual(of(1));
  expect(of(2).low).toBeCloseTo(of(1).low, 2);
});

test("a subject's draws do not depend on which others are compared", () => {
  const alone = new PairedBootstrap(new Map([...counts].slice(1)), { resamples: 500, seed: 7 });
  const together = new PairedBootstrap(counts, { resamples: 500, seed: 7 });
  expect(together.intervals(["virology"])).toEqual(alone.intervals(["virology"]));
  expect(() => alone.intervals(["anatomy"])).toThrow(RangeError);
});

test("models that never differ have an interval of nothing", () => {
  const same = new Map([["anatomy", { questions: 135, onlyFirst: 0, onlySecond: 0 }]]);
  const { micro, macro } = new PairedBootstrap(same, { resamples: 200, seed: 1 }).intervals(["anatomy"]);
  expect([micro, macro]).toEqual([
    { low: 0, high: 0 },
    { low: 0, high: 0 },
  ]);
});

test("subjects of one question each have the interval of their questions together, and none for macro", () => {
  const single = new Map(
    Array.from({ length: 40 }, (_, i) => [
      `s${i}`,
      { questions: 1, onlyFirst: i < 8 ? 1 : 0, onlySecond: i > 35 ? 1 : 0 },
    ]),
  );
  const { micro, macro } = new PairedBootstrap(single, { resamples: 4000, seed: 1 }).intervals([...single.keys()]);
  expect(macro).toBeNull();
  // 8 lost, 4 won of 40: -0.1, with a deviation of sqrt((0.3 - 0.01) / 40) = 0.085.
  expect(micro.low).toBeCloseTo(-0.275, 1);
  expect(micro.high).toBeCloseTo(0.075, 1);
});

test("counted random numbers are uniform and not alike between streams", () => {
  const draws = (stream: string) => Array.from({ length: 20_000 }, (_, index) => counterUniform(3, stream, index));
  const [a, b] = [draws("anatomy"), draws("virology")];
  const bins = new Array<number>(20).fill(0);
  for (const draw of a) bins[Math.floor(20 * draw)] = (bins[Math.floor(20 * draw)] ?? 0) + 1;
  // Chi-squared with 19 degrees of freedom: 43.8 is its 99.9 % point.
  expect(bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)).toBeLessThan(43.8);
  const correlation =
    a.reduce((sum, draw, index) => sum + (draw - 0.5) * ((b[index] as number) - 0.5), 0) / (20_000 / 12);
  expect(Math.abs(correlation)).toBeLessThan(0.03);
  const lagged = a.slice(1).reduce((sum, draw, index) => sum + (draw - 0.5) * ((a[index] as number) - 0.5), 0);
  expect(Math.abs(lagged / (20_000 / 12))).toBeLessThan(0.03);
});
