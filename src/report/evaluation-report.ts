// What a report of evaluations holds, and each of its written forms but the page: JSON, CSV, Markdown.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { EvaluationManifest } from "../statistics/answer-record.ts";
import type { Comparison, EvaluationRun } from "../statistics/compare.ts";
import { paperBenchmarks, paperTable } from "../statistics/paper-results.ts";
import type { Score } from "../statistics/scores.ts";
import type { Figure } from "./evaluation-figures.ts";
import {
  benchmarkNames,
  type Cell,
  comparisonTable,
  type EvaluationScores,
  formatAccuracy,
  paperTableRow,
  subjectTable,
  type TableOneRow,
  type TextTable,
  tableOneRow,
} from "./evaluation-tables.ts";
import { formatShare } from "./numbers.ts";
import { csv, escapeMarkdown, markdownTable } from "./plain-text.ts";

/** One training run's records. */
export interface TrainingRun {
  readonly name: string;
  readonly metrics: readonly object[];
  readonly completions: readonly object[];
}

/** One selection's summary.json as it stands. */
export interface SelectionRun {
  readonly name: string;
  readonly summary: Readonly<Record<string, unknown>>;
}

export interface EvaluationReport {
  readonly title: string;
  readonly runs: readonly EvaluationRun[];
  readonly scores: readonly EvaluationScores[];
  readonly comparisons: readonly Comparison[];
  readonly figures: readonly Figure[];
  readonly trainings: readonly TrainingRun[];
  readonly selections: readonly SelectionRun[];
  readonly resamples: number;
  readonly seed: number;
}

/** The benchmarks that any evaluation has, in the paper's order. */
export function benchmarksOf(scores: readonly EvaluationScores[]): Benchmark[] {
  const present = new Set(scores.flatMap((one) => one.benchmarks.map(({ benchmark }) => benchmark)));
  return (Object.keys(benchmarkNames) as Benchmark[]).filter((benchmark) => present.has(benchmark));
}

/** Rows of Table 1: ours, then the paper's where it has one of our benchmarks. */
export function tableOne(scores: readonly EvaluationScores[]): { ours: TableOneRow[]; paper: TableOneRow[] } {
  const present = benchmarksOf(scores);
  const isShared = paperBenchmarks.some((benchmark) => present.includes(benchmark));
  return {
    ours: scores.map(tableOneRow),
    paper: isShared ? paperTable.map((row) => paperTableRow(row, present)) : [],
  };
}

/** report.json, version 1: docs/report.md says what each field means. */
export function reportJson(report: EvaluationReport): string {
  const manifestOf = (name: string): EvaluationManifest | undefined =>
    report.runs.find(({ manifest }) => manifest.name === name)?.manifest;
  const value = {
    schema: 1,
    title: report.title,
    evaluations: report.scores.map((one) => ({ ...one, manifest: manifestOf(one.name) })),
    comparisons: report.comparisons,
    bootstrap: { resamples: report.resamples, seed: report.seed },
    paper: paperTable.map((row) => paperTableRow(row, paperBenchmarks)),
    figures: report.figures.map(({ number, title, note, section }) => ({ number, title, note, section })),
    trainings: report.trainings.map(({ name, metrics }) => ({
      name,
      steps: metrics.length,
      last: metrics.at(-1) ?? null,
    })),
    selections: report.selections,
  };
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** scores.csv: a line for each evaluation, benchmark and level. */
export function scoresCsv(scores: readonly EvaluationScores[]): string {
  const header =
    "evaluation,benchmark,level,name,questions,correct,accuracy,standard_error,low,high,macro,macro_standard_error,unparsed,truncated";
  const line = (start: Cell[], score: Score, macro?: { accuracy: number; standardError: number }): Cell[] => [
    ...start,
    score.questions,
    score.correct,
    score.accuracy,
    score.standardError,
    score.low,
    score.high,
    macro?.accuracy ?? null,
    macro?.standardError ?? null,
    score.unparsed,
    score.truncated,
  ];
  const rows = scores.flatMap(({ name, benchmarks }) =>
    benchmarks.flatMap(({ benchmark, total, categories, subjects }) => [
      line([name, benchmark, "total", ""], total, total.macro),
      ...categories.map((one) => line([name, benchmark, "category", one.category], one, one.macro)),
      ...subjects.map((one) => line([name, benchmark, "subject", one.subject], one)),
    ]),
  );
  return csv(header.split(","), rows);
}

/** comparisons.csv: a line for each pair, benchmark and level. */
export function comparisonsCsv(comparisons: readonly Comparison[]): string {
  const header =
    "first,second,benchmark,level,name,questions,both_right,only_first,only_second,both_wrong,accuracy_first,accuracy_second,difference,low,high,p_mcnemar,p_holm";
  const rows = comparisons.flatMap(({ first, second, benchmarks }) =>
    benchmarks.flatMap(({ benchmark, total, categories, subjects }) => {
      const line = (level: string, name: string, one: typeof total | (typeof subjects)[number]): Cell[] => [
        ...[first, second, benchmark, level, name],
        ...[one.questions, one.bothRight, one.onlyFirst, one.onlySecond, one.bothWrong, one.first, one.second],
        ...[one.difference.value, one.difference.low, one.difference.high, one.p],
        "adjustedP" in one ? one.adjustedP : null,
      ];
      return [
        line("total", "", total),
        ...categories.map((one) => line("category", one.category, one)),
        ...subjects.map((one) => line("subject", one.subject, one)),
      ];
    }),
  );
  return csv(header.split(","), rows);
}

/** report.md: Table 1 and the comparisons. */
export function reportMarkdown(report: EvaluationReport): string {
  const { ours, paper } = tableOne(report.scores);
  const present = benchmarksOf(report.scores);
  const table = (title: string, rows: readonly TableOneRow[]): TextTable => ({
    title,
    columns: [
      { name: "Model", isNumber: false },
      ...present.map((name) => ({ name: benchmarkNames[name], isNumber: true })),
    ],
    rows: rows.map(({ name, cells }) => [
      name,
      ...present.map((benchmark) => {
        const cell = cells[benchmark];
        if (cell === undefined) return "–";
        const interval = `(${formatAccuracy(cell.low)}–${formatAccuracy(cell.high)})`;
        const lost =
          cell.unparsed === null || cell.truncated === null
            ? ""
            : `; unparsed ${formatShare(cell.unparsed)}, truncated ${formatShare(cell.truncated)}`;
        return `${formatAccuracy(cell.accuracy)} ${interval}${lost}`;
      }),
    ]),
  });
  const parts = [
    `# ${escapeMarkdown(report.title)}`,
    "Accuracies over questions with 95 % intervals (Wilson). Differences are percentage points with 95 % intervals of the " +
      `paired bootstrap (${report.resamples.toLocaleString("en-US")} resamples, seed ${report.seed}); p is the exact test of McNemar.`,
    ...assumptionsOf(report.runs).map(escapeMarkdown),
    markdownTable(table("Table 1", ours)),
    ...(paper.length === 0
      ? []
      : [
          markdownTable(table("Table 1 as the paper prints it, with the intervals that its sample sizes imply", paper)),
        ]),
    ...report.comparisons.flatMap((one) =>
      [comparisonTable(one), subjectTable(one)].filter(({ rows }) => rows.length > 0).map(markdownTable),
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** What the protocols assume where the paper is silent, each once. */
export function assumptionsOf(runs: readonly EvaluationRun[]): string[] {
  const lines = runs.map(({ manifest }) =>
    manifest.assumption === "" ? "" : `Protocol ${manifest.protocol}: ${manifest.assumption}`,
  );
  return [...new Set(lines)].filter((line) => line !== "");
}
