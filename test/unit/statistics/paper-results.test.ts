import { expect, test } from "vitest";
import { paperBenchmarks, paperScore, paperTable } from "../../../src/statistics/paper-results.ts";

test("the table has the paper's twenty numbers", () => {
  expect(paperTable.map((row) => [row.model, ...paperBenchmarks.map((name) => row.accuracy[name])])).toEqual([
    ["Gemma-3-12b-it", 0.669, 0.475, 0.5615, 0.9219],
    ["GRPO(Randomly)", 0.6632, 0.4622, 0.5611, 0.9151],
    ["GRPO(Phi-4)", 0.6678, 0.4699, 0.562, 0.9295],
    ["GRPO(Gemma-3-27b)", 0.6699, 0.4681, 0.5618, 0.9227],
    ["GRPO(Gemma-3-12b)", 0.6745, 0.4645, 0.5577, 0.9189],
  ]);
});

test("GSM8K's values are whole numbers of 1,319 questions", () => {
  const counts = paperTable.map((row) => Math.round(row.accuracy.gsm8k * 1319));
  expect(counts).toEqual([1216, 1207, 1226, 1217, 1212]);
  expect(counts.map((count) => Number((count / 1319).toFixed(4)))).toEqual(paperTable.map((row) => row.accuracy.gsm8k));
});

test("sample sizes imply the errors: 0.40, 0.46, 0.45 and 0.74 points for the baseline", () => {
  const baseline = paperTable[0] as (typeof paperTable)[number];
  const errors = paperBenchmarks.map((name) => paperScore(baseline, name)?.standardError as number);
  expect(errors.map((error) => Number((100 * error).toFixed(2)))).toEqual([0.4, 0.46, 0.45, 0.74]);
  const mmlu = paperScore(baseline, "mmlu");
  expect(mmlu?.low).toBeCloseTo(0.6612, 4);
  expect(mmlu?.high).toBeCloseTo(0.6767, 4);
  expect(paperScore(baseline, "medqa")).toBeUndefined();
});
