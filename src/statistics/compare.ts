// Two evaluations of the same questions, side by side: differences, their intervals, and tests of each.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { AnswerRecord, EvaluationManifest } from "./answer-record.ts";
import { checkComparable } from "./comparable.ts";
import { type BootstrapOptions, exactMcNemar, holm, PairedBootstrap, type PairedCounts } from "./paired-tests.ts";
import type { Interval } from "./proportion.ts";
import { askedCategories, type Categories } from "./scores.ts";

/** An evaluation run as it was read: what was evaluated and every answer. */
export interface EvaluationRun {
  readonly manifest: EvaluationManifest;
  readonly answers: readonly AnswerRecord[];
}

/** Second minus first, in accuracy, with the 95 % interval of the paired bootstrap. */
export interface Difference extends Interval {
  readonly value: number;
}

export interface PairedDifference extends PairedCounts {
  readonly bothRight: number;
  readonly bothWrong: number;
  /** Each model's accuracy over these questions. */
  readonly first: number;
  readonly second: number;
  readonly difference: Difference;
  /** Of the exact test of McNemar, two-sided. */
  readonly p: number;
}

export interface GroupDifference extends PairedDifference {
  /** The same with subjects counted alike; no interval (null) where a subject has fewer than ten questions. */
  readonly macro: {
    readonly first: number;
    readonly second: number;
    readonly difference: { readonly value: number; readonly low: number | null; readonly high: number | null };
  };
}

export interface CategoryDifference extends GroupDifference {
  readonly category: string;
  readonly subjects: readonly string[];
}

export interface SubjectDifference extends PairedDifference {
  readonly subject: string;
  /** `p` adjusted by Holm over the benchmark's subjects. */
  readonly adjustedP: number;
}

export interface BenchmarkComparison {
  readonly benchmark: Benchmark;
  readonly total: GroupDifference;
  readonly categories: readonly CategoryDifference[];
  readonly subjects: readonly SubjectDifference[];
}

export interface Comparison {
  /** Names of the two evaluations. */
  readonly first: string;
  readonly second: string;
  readonly benchmarks: readonly BenchmarkComparison[];
}

export type CompareOptions = BootstrapOptions & {
  readonly categoriesOf: (benchmark: Benchmark) => Categories;
};

/** Draws enough that an interval's ends move by about a hundredth of a standard error from seed to seed. */
export const defaultBootstrap: BootstrapOptions = { resamples: 10_000, seed: 20250415 };

/**
 * Compares two evaluations of the same questions under the same protocol.
 *
 * @throws RlvrError RLVR_BAD_DATA that says what differs when questions or protocols are not the same.
 */
export function compareEvaluations(first: EvaluationRun, second: EvaluationRun, options: CompareOptions): Comparison {
  checkComparable(first, second);
  const of = (run: EvaluationRun, benchmark: Benchmark) =>
    run.answers.filter((answer) => answer.benchmark === benchmark);
  const asked = new Set(first.answers.map((answer) => answer.benchmark));
  return {
    first: first.manifest.name,
    second: second.manifest.name,
    benchmarks: [...asked].map((benchmark) =>
      compareBenchmark(benchmark, of(first, benchmark), of(second, benchmark), options),
    ),
  };
}

/** Which evaluations are compared: each with the first, or each with every later one. */
export function pairsOf<T>(runs: readonly T[], pairs: "baseline" | "all"): (readonly [T, T])[] {
  return runs
    .flatMap((first, i) => runs.slice(i + 1).map((second) => [first, second] as const))
    .filter(([first]) => pairs === "all" || first === runs[0]);
}

function compareBenchmark(
  benchmark: Benchmark,
  first: readonly AnswerRecord[],
  second: readonly AnswerRecord[],
  { categoriesOf, ...bootstrapOptions }: CompareOptions,
): BenchmarkComparison {
  const isRight = new Map(second.map((answer) => [answer.id, answer.correct]));
  const tables = new Map<string, Table>();
  for (const answer of first) {
    const table = tables.get(answer.subject) ?? { bothRight: 0, onlyFirst: 0, onlySecond: 0, bothWrong: 0 };
    table[cellOf(answer.correct, isRight.get(answer.id) === true)] += 1;
    tables.set(answer.subject, table);
  }
  const counts = [...tables].map(([subject, table]): [string, PairedCounts] => [subject, countsOf(table)]);
  const bootstrap = new PairedBootstrap(new Map(counts), bootstrapOptions);
  const group = (names: readonly string[]) => differenceOf(names, tables, bootstrap);
  const asked = askedCategories([...tables.keys()], categoriesOf(benchmark));
  const names = [...new Set([...asked.values()].flat())];
  const subjects = names.map((subject) => {
    const { macro: _, ...difference } = group([subject]);
    return { subject, ...difference };
  });
  const adjusted = holm(subjects.map(({ p }) => p));
  return {
    benchmark,
    total: group(names),
    categories: [...asked].map(([category, members]) => ({ category, subjects: members, ...group(members) })),
    subjects: subjects.map((subject, index) => ({ ...subject, adjustedP: adjusted[index] as number })),
  };
}

const noInterval = { low: null, high: null } as const;

type Cell = "bothRight" | "onlyFirst" | "onlySecond" | "bothWrong";
type Table = Record<Cell, number>;

function cellOf(first: boolean, second: boolean): Cell {
  if (first) return second ? "bothRight" : "onlyFirst";
  return second ? "onlySecond" : "bothWrong";
}

function countsOf(table: Table): PairedCounts {
  const questions = table.bothRight + table.onlyFirst + table.onlySecond + table.bothWrong;
  return { questions, onlyFirst: table.onlyFirst, onlySecond: table.onlySecond };
}

function differenceOf(
  subjects: readonly string[],
  tables: ReadonlyMap<string, Table>,
  bootstrap: PairedBootstrap,
): GroupDifference {
  const parts = subjects.map((subject) => tables.get(subject) as Table);
  const sum = (cell: Cell) => parts.reduce((total, part) => total + part[cell], 0);
  const table: Table = {
    bothRight: sum("bothRight"),
    onlyFirst: sum("onlyFirst"),
    onlySecond: sum("onlySecond"),
    bothWrong: sum("bothWrong"),
  };
  const intervals = bootstrap.intervals(subjects);
  const micro = accuracies(table);
  const mean = (side: "first" | "second") =>
    parts.reduce((total, part) => total + accuracies(part)[side], 0) / parts.length;
  const macro = { first: mean("first"), second: mean("second") };
  return {
    ...countsOf(table),
    bothRight: table.bothRight,
    bothWrong: table.bothWrong,
    ...micro,
    difference: { value: micro.second - micro.first, ...intervals.micro },
    p: exactMcNemar(countsOf(table)),
    macro: { ...macro, difference: { value: macro.second - macro.first, ...(intervals.macro ?? noInterval) } },
  };
}

function accuracies(table: Table): { first: number; second: number } {
  const { questions } = countsOf(table);
  return {
    first: (table.bothRight + table.onlyFirst) / questions,
    second: (table.bothRight + table.onlySecond) / questions,
  };
}
