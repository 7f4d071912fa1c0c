// rlvr compare: differences between evaluations, with intervals and tests, for people, Markdown or programs.
import type { Benchmark } from "../data/benchmark-row.ts";
import { exitStatus } from "../errors.ts";
import { compareRuns } from "../recipes/compare.ts";
import { comparisonTable, subjectTable, type TextTable } from "../report/evaluation-tables.ts";
import { escapeMarkdown, markdownTable, terminalTable } from "../report/plain-text.ts";
import type { Comparison } from "../statistics/compare.ts";
import type { Console } from "./console.ts";

export interface CompareArguments {
  readonly folders: readonly string[];
  readonly allPairs: boolean;
  readonly benchmarks: readonly Benchmark[] | undefined;
  readonly categories: readonly string[];
  readonly subjects: boolean;
  readonly markdown: boolean;
  readonly resamples: number | undefined;
  readonly seed: number | undefined;
}

/** How many subjects the terminal shows unless all are asked for. */
const clearestSubjects = 10;

/** Runs the command and gives its exit status. */
export async function compare(args: CompareArguments, console: Console): Promise<number> {
  const comparisons = await compareRuns(args.folders, {
    pairs: args.allPairs ? "all" : "baseline",
    benchmarks: args.benchmarks,
    categoryMaps: args.categories,
    resamples: args.resamples,
    seed: args.seed,
  });
  const [table, plain] = args.markdown ? [markdownTable, escapeMarkdown] : [terminalTable, (text: string) => text];
  const parts = comparisons.flatMap((comparison) => [
    table(comparisonTable(comparison)),
    plain(verdict(comparison)),
    ...subjectsOf(comparison, args.subjects).map(table),
  ]);
  console.result({ schema: 1, comparisons }, parts.join("\n\n"));
  return exitStatus.ok;
}

function subjectsOf(comparison: Comparison, isAll: boolean): TextTable[] {
  const table = subjectTable(comparison);
  if (table.rows.length === 0) return [];
  if (isAll || table.rows.length <= clearestSubjects) return [table];
  const title = `${table.title} (the ${clearestSubjects} clearest of ${table.rows.length}; --subjects shows all)`;
  return [{ ...table, title, rows: table.rows.slice(0, clearestSubjects) }];
}

/** In a sentence: which benchmarks differ by more than chance explains, and how many subjects remain after Holm. */
function verdict({ benchmarks, first, second }: Comparison): string {
  const clear = benchmarks.filter(({ total }) => total.p < 0.05).map(({ benchmark }) => benchmark);
  const subjects = benchmarks.flatMap((one) => one.subjects.filter(({ adjustedP }) => adjustedP < 0.05)).length;
  const totals =
    clear.length === 0
      ? `No benchmark's total tells ${second} from ${first} at the 5 % level`
      : `At the 5 % level ${second} differs from ${first} on ${clear.join(", ")}`;
  return `${totals}; after Holm's adjustment ${subjects} ${subjects === 1 ? "subject does" : "subjects do"}.`;
}
