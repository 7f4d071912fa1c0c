import { expect, test } from "vitest";
import { PythonRandom } from "../../../src/evaluation/python-random.ts";

// The literals are what CPython 3.11.7 prints for random.Random(seed).sample(range(n), k).
test("samples of a large population equal Python's, one after another", () => {
  const random = new PythonRandom(1234);
  expect(random.sample(7100, 5)).toEqual([6374, 3610, 957, 61, 742]);
  expect(random.sample(7100, 5)).toEqual([6610, 4769, 286, 5501, 5677]);
  for (let drawn = 2; drawn < 999; drawn += 1) random.sample(7100, 5);
  expect(random.sample(7100, 5)).toEqual([5529, 416, 2863, 406, 1490]);
});

test("a small population is shuffled instead, as in Python", () => {
  const random = new PythonRandom(1234);
  expect(random.sample(20, 5)).toEqual([14, 3, 0, 2, 1]);
  expect(random.sample(100, 30).slice(0, 8)).toEqual([85, 88, 10, 12, 45, 30, 2, 3]);
  const other = new PythonRandom(0);
  expect(other.sample(1, 1)).toEqual([0]);
  expect(other.sample(5, 5)).toEqual([3, 0, 1, 2, 4]);
});

test("more examples than rows, and a seed that is none, are refused", () => {
  expect(() => new PythonRandom(1).sample(4, 5)).toThrow(/5 examples are wanted of 4/);
  expect(() => new PythonRandom(-1)).toThrow(RangeError);
});
