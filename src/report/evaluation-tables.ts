// Scores and comparisons as rows of text, once for the terminal, Markdown, CSV and the page.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { BenchmarkComparison, Comparison, GroupDifference, PairedDifference } from "../statistics/compare.ts";
import { type PaperRow, paperScore } from "../statistics/paper-results.ts";
import type { Interval } from "../statistics/proportion.ts";
import type { BenchmarkScores } from "../statistics/scores.ts";

/** One evaluation's scores. */
export interface EvaluationScores {
  readonly name: string;
  readonly benchmarks: readonly BenchmarkScores[];
}

export type Cell = string | number | null;

/** A table of text: what each column is called, whether it holds numbers, and the rows. */
export interface TextTable {
  readonly title: string;
  readonly columns: readonly { readonly name: string; readonly isNumber: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

export const benchmarkNames: Readonly<Record<Benchmark, string>> = {
  mmlu: "MMLU",
  cmmlu: "CMMLU",
  "mmlu-pro": "MMLU-Pro",
  gsm8k: "GSM8K",
  medqa: "MedQA",
};

const properNames = new Map([
  ["us", "US"],
  ["european", "European"],
  ["chinese", "Chinese"],
  ["marxist", "Marxist"],
]);

/** "high school biology" for high_school_biology, "US foreign policy" for us_foreign_policy. */
export function subjectName(subject: string): string {
  return subject
    .split(/[_ ]/)
    .map((word) => properNames.get(word) ?? word)
    .join(" ");
}

/** 0.669 as the paper prints it: "0.6690". */
export function formatAccuracy(value: number): string {
  return value.toFixed(4);
}

/** A difference in percentage points with its sign: "+1.25", "−0.50", "0.00". */
export function formatPoints(difference: number): string {
  const text = (100 * difference).toFixed(2);
  if (Number(text) === 0) return "0.00";
  return Number(text) > 0 ? `+${text}` : text.replace("-", "−");
}

export function formatPointInterval({ low, high }: Interval): string {
  return `${formatPoints(low)} to ${formatPoints(high)}`;
}

/** "0.032", "0.0004", "<0.0001". */
export function formatP(p: number): string {
  if (p < 0.0001) return "<0.0001";
  return p < 0.01 ? p.toFixed(4) : p.toFixed(3);
}

export const textColumns = (...names: string[]) => names.map((name) => ({ name, isNumber: false }));
export const numberColumns = (...names: string[]) => names.map((name) => ({ name, isNumber: true }));

/** Differences between two evaluations: each benchmark's total and its categories. */
export function comparisonTable(comparison: Comparison): TextTable {
  return {
    title: `${comparison.second} against ${comparison.first}`,
    columns: differenceColumns(comparison, ["Part"], ["Macro, points"]),
    rows: comparison.benchmarks.flatMap((benchmark) => {
      const name = benchmarkNames[benchmark.benchmark];
      const total = [name, ...differenceCells(benchmark.total), formatPoints(benchmark.total.macro.difference.value)];
      const categories = hasCategories(benchmark) ? benchmark.categories : [];
      return [
        total,
        ...categories.map((category) => [
          `${name}: ${category.category}`,
          ...differenceCells(category),
          formatPoints(category.macro.difference.value),
        ]),
      ];
    }),
  };
}

/** Differences of every subject, with Holm's adjustment; the clearest first. */
export function subjectTable(comparison: Comparison): TextTable {
  const rows = comparison.benchmarks
    .flatMap(({ benchmark, subjects }) =>
      subjects.length < 2 ? [] : subjects.map((subject) => ({ benchmark, subject })),
    )
    .toSorted((a, b) => a.subject.p - b.subject.p);
  return {
    title: `Subjects: ${comparison.second} against ${comparison.first}`,
    columns: differenceColumns(comparison, ["Subject"], ["p, Holm"]),
    rows: rows.map(({ benchmark, subject }) => [
      `${benchmarkNames[benchmark]}: ${subjectName(subject.subject)}`,
      ...differenceCells(subject),
      formatP(subject.adjustedP),
    ]),
  };
}

/** Whether a benchmark's categories say more than its total or its subjects. */
export function hasCategories({ categories, subjects }: BenchmarkComparison | BenchmarkScores): boolean {
  return categories.length > 1 && categories.length < subjects.length;
}

function differenceColumns(comparison: Comparison, before: readonly string[], after: readonly string[]) {
  const names = [
    "Questions",
    comparison.first,
    comparison.second,
    "Points",
    "95 % interval",
    "Lost",
    "Won",
    "p, McNemar",
    ...after,
  ];
  return [...textColumns(...before), ...numberColumns(...names)];
}

function differenceCells(one: PairedDifference | GroupDifference): string[] {
  return [
    one.questions.toLocaleString("en-US"),
    formatAccuracy(one.first),
    formatAccuracy(one.second),
    formatPoints(one.difference.value),
    formatPointInterval(one.difference),
    one.onlyFirst.toLocaleString("en-US"),
    one.onlySecond.toLocaleString("en-US"),
    formatP(one.p),
  ];
}

/** One value of Table 1. */
export interface TableOneCell extends Interval {
  readonly accuracy: number;
  readonly standardError: number;
  readonly questions: number;
  /** Shares of answers; null for the paper, which does not report them. */
  readonly unparsed: number | null;
  readonly truncated: number | null;
  /** The mean of subjects; null for the paper and where there is one subject. */
  readonly macro: number | null;
}

export interface TableOneRow {
  readonly name: string;
  /** Benchmark → value; absent when the row has none. */
  readonly cells: Readonly<Partial<Record<Benchmark, TableOneCell>>>;
}

/** An evaluation's row of Table 1. */
export function tableOneRow({ name, benchmarks }: EvaluationScores): TableOneRow {
  const cells = benchmarks.map(({ benchmark, total }) => {
    const { accuracy, standardError, questions, low, high } = total;
    const shares = { unparsed: total.unparsed / questions, truncated: total.truncated / questions };
    return [
      benchmark,
      {
        accuracy,
        standardError,
        questions,
        low,
        high,
        ...shares,
        macro: total.macro.subjects > 1 ? total.macro.accuracy : null,
      },
    ];
  });
  return { name, cells: Object.fromEntries(cells) };
}

/** A row of the paper's own Table 1. */
export function paperTableRow(row: PaperRow, benchmarks: readonly Benchmark[]): TableOneRow {
  const cells = benchmarks.flatMap((benchmark) => {
    const score = paperScore(row, benchmark);
    return score === undefined ? [] : [[benchmark, { ...score, unparsed: null, truncated: null, macro: null }]];
  });
  return { name: row.model, cells: Object.fromEntries(cells) };
}
