import { expect, test } from "vitest";
import { formatBytes, formatNumber, formatSeconds, formatShare, trailingMeans } from "../../../src/report/numbers.ts";

test("numbers keep four significant digits and turn to exponents where they must", () => {
  const cases = [0, 1, -0.5, 2.34567, 12345.6, 0.00012345, 0.001, 1e9, Number.NaN, undefined];
  expect(cases.map((value) => formatNumber(value))).toEqual([
    "0",
    "1",
    "-0.5",
    "2.346",
    "12,346",
    "1.23e-4",
    "0.001",
    "1.00e9",
    "–",
    "–",
  ]);
});

test("shares, seconds and bytes read as people say them", () => {
  expect([0, 0.4567, 1, undefined].map(formatShare)).toEqual(["0.0 %", "45.7 %", "100.0 %", "–"]);
  expect([0.04, 8.44, 59.9, 200, 7500].map(formatSeconds)).toEqual([
    "0 s",
    "8.4 s",
    "59.9 s",
    "3 min 20 s",
    "2 h 5 min",
  ]);
  expect([512, 1536, 3 * 2 ** 20, 2.5 * 2 ** 30].map(formatBytes)).toEqual(["512 B", "1.5 KiB", "3 MiB", "2.5 GiB"]);
});

test("a trailing mean looks back only, and skips gaps", () => {
  expect(trailingMeans([1, 3, 5, undefined, 9], 2)).toEqual([1, 2, 4, 5, 9]);
  expect(trailingMeans([undefined], 3)).toEqual([undefined]);
});
