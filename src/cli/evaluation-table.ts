// The scores of an evaluation as a person reads them: accuracy with its interval, unparsed and truncated beside it.
import type { Benchmark } from "../data/benchmark-row.ts";
import { type Protocol, partOf } from "../evaluation/protocol.ts";
import type { BenchmarkScores, GroupScore } from "../statistics/scores.ts";

/** One line for each benchmark and each of its categories. */
export function scoreTable(scores: readonly BenchmarkScores[], protocol: Protocol): string {
  const rows = [["", "questions", "accuracy", "95 % interval", "unparsed", "truncated"]];
  for (const { benchmark, total, categories } of scores) {
    const { aggregate } = partOf(protocol, benchmark);
    const generates = partOf(protocol, benchmark).mode === "generate";
    rows.push(line(benchmark, total, aggregate, generates));
    if (categories.length < 2) continue;
    for (const category of categories) rows.push(line(`  ${category.category}`, category, aggregate, generates));
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  const macro = scores.filter(({ benchmark }) => partOf(protocol, benchmark).aggregate === "macro");
  if (macro.length > 0)
    lines.push(`${names(macro)}: the mean over subjects, as the protocol says; the others: of all questions`);
  return lines.join("\n");
}

function line(name: string, score: GroupScore, aggregate: "micro" | "macro", generates: boolean): string[] {
  const { accuracy, low, high } = aggregate === "macro" ? score.macro : score;
  const share = (count: number) => (generates ? percent(count / score.questions) : "-");
  const interval = `${percent(low)} to ${percent(high)}`;
  return [name, `${score.questions}`, percent(accuracy), interval, share(score.unparsed), share(score.truncated)];
}

function names(scores: readonly { readonly benchmark: Benchmark }[]): string {
  return scores.map(({ benchmark }) => benchmark).join(", ");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
