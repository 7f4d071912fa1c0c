import { expect, test } from "vitest";
import type { BenchmarkRow } from "../../../src/data/benchmark-row.ts";
import { BatchCollector, rowGroups, rowsOf } from "../../../src/evaluation/batches.ts";
import { limited } from "../../../src/evaluation/choose.ts";
import type { EncodedRow } from "../../../src/evaluation/encode.ts";

const row = (subject: string, id: number): BenchmarkRow => ({
  benchmark: "mmlu",
  id: `mmlu/${subject}/test/${id}`,
  subject,
  question: "?",
  options: ["a", "b"],
  answer: "A",
});

const encoded = (ids: readonly number[], subject = "a"): EncodedRow => ({
  row: row(subject, 1),
  shots: [],
  promptHash: "",
  promptIds: Int32Array.from(ids),
  choices: [],
  isCut: false,
});

test("what all prompts of a subject begin with is shared, and each keeps a token of its own", () => {
  expect(rowGroups([encoded([1, 2, 3, 4]), encoded([1, 2, 9])])).toMatchObject([{ sharedTokens: 2 }]);
  expect(rowGroups([encoded([1, 2, 3]), encoded([1, 2])])).toMatchObject([{ sharedTokens: 1 }]);
  expect(rowGroups([encoded([1, 2, 3])])).toMatchObject([{ sharedTokens: 0 }]);
  expect(rowGroups([])).toEqual([]);
});

test("a call has at least 32 rows and 16 times the tokens of its shared beginning", () => {
  const beginning = Array.from({ length: 20 }, (_, index) => index);
  const rows = Array.from({ length: 100 }, (_, index) => encoded([...beginning, 100 + index, 0, 0, 0, 0, 0, 0, 0]));
  expect(rowGroups(rows).map((group) => group.rows.length)).toEqual([40, 40, 20]);
  const short = Array.from({ length: 70 }, (_, index) => encoded([100 + index, 0]));
  expect(rowGroups(short).map((group) => group.rows.length)).toEqual([32, 32, 6]);
});

test("small subjects go into one call, in order, and nothing is lost", () => {
  const collector = new BatchCollector();
  const groups = Array.from({ length: 7 }, (_, index) =>
    rowGroups(Array(10).fill(encoded([index, 1], `s${index}`))),
  ).flat();
  const calls = [...groups.map((group) => collector.add(group)), collector.rest()].filter((call) => call !== undefined);
  expect(calls.map((call) => rowsOf(call).length)).toEqual([40, 30]);
  expect(calls.flatMap(rowsOf)).toEqual(groups.flatMap(({ rows }) => rows));
  expect(collector.rest()).toBeUndefined();
});

test("a limit takes the first rows of each subject, as evenly as they come", () => {
  const rows = [..."aaaa", ..."b", ..."ccc"].map((subject, index) => ({ row: row(subject, index) }));
  const subjects = (limit: number | null) =>
    limited(rows, limit)
      .map((one) => one.row.subject)
      .join("");
  expect(subjects(4)).toBe("aabc");
  expect(subjects(6)).toBe("aaabcc");
  expect(subjects(2)).toBe("ab");
  expect(subjects(100)).toBe("aaaabccc");
  expect(subjects(null)).toBe("aaaabccc");
});
