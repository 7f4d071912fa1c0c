import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Benchmark } from "../../../src/data/benchmark-row.ts";
import { categoriesOf, categoryMapNames, cmmluSubjectNames, medicalSubjects } from "../../../src/data/categories.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";

const sizes = (benchmark: Benchmark, map?: string) =>
  [...categoriesOf(benchmark, map)].map(([category, subjects]) => [category, subjects.length]);
const all = (benchmark: Benchmark, map?: string) => [...categoriesOf(benchmark, map).values()].flat();

test("MMLU's 57 subjects fall into four categories, and only anatomy moves between the two maps", () => {
  expect(sizes("mmlu")).toEqual([
    ["STEM", 18],
    ["Humanities", 13],
    ["Social Science", 12],
    ["Other", 14],
  ]);
  expect(sizes("mmlu", "lm-eval").map(([, count]) => count)).toEqual([19, 13, 12, 13]);
  expect(new Set(all("mmlu")).size).toBe(57);
  expect(new Set(all("mmlu", "lm-eval"))).toEqual(new Set(all("mmlu")));
  expect(categoriesOf("mmlu").get("Other")).toContain("anatomy");
  expect(categoriesOf("mmlu", "lm-eval").get("STEM")).toContain("anatomy");
});

test("CMMLU counts the China-specific subjects once, or twice as upstream", () => {
  expect(sizes("cmmlu")).toEqual([
    ["STEM", 17],
    ["Humanities", 11],
    ["Social Science", 13],
    ["Other", 11],
    ["China specific", 15],
  ]);
  expect(sizes("cmmlu", "overlapping").map(([, count]) => count)).toEqual([17, 13, 22, 15, 15]);
  expect(all("cmmlu")).toHaveLength(67);
  expect(all("cmmlu", "overlapping")).toHaveLength(82);
  expect(new Set(all("cmmlu"))).toEqual(new Set(Object.keys(cmmluSubjectNames)));
});

test("a subject that has no group of its own is its own category", () => {
  expect(all("mmlu-pro")).toHaveLength(14);
  expect(categoriesOf("mmlu-pro").get("computer science")).toEqual(["computer science"]);
  expect(all("gsm8k")).toEqual(["gsm8k"]);
});

test("every medical subject is a subject", () => {
  for (const benchmark of ["mmlu", "cmmlu", "mmlu-pro", "gsm8k", "medqa"] as const) {
    expect(all(benchmark)).toEqual(expect.arrayContaining([...medicalSubjects[benchmark]]));
  }
});

test("an unknown map is refused with the names there are", () => {
  expect(() => categoriesOf("mmlu", "toString")).toThrow(
    /mmlu has no category map "toString"; it has hendrycks, lm-eval/,
  );
  expect(categoryMapNames("cmmlu")).toEqual(["disjoint", "overlapping"]);
});

test.skipIf(skipsSharedData)("the maps name exactly the subjects of the files", () => {
  const subjects = (folder: string, ending: string) =>
    new Set(readdirSync(join(sharedData, folder)).map((file) => file.slice(0, -ending.length)));
  expect(new Set(all("mmlu"))).toEqual(subjects("mmlu/data/test", "_test.csv"));
  expect(new Set(all("cmmlu"))).toEqual(subjects("cmmlu/test", ".csv"));
});
