// Which of a benchmark's rows are asked.
import type { BenchmarkRow } from "../data/benchmark-row.ts";

/** The part of `rows` that a limit leaves: the first ones of each subject, as many of each as evenly as they come. */
export function limited<T extends { readonly row: BenchmarkRow }>(rows: readonly T[], limit: number | null): T[] {
  if (limit === null || rows.length <= limit) return [...rows];
  const sizes = new Map<string, number>();
  for (const { row } of rows) sizes.set(row.subject, (sizes.get(row.subject) ?? 0) + 1);
  const taken = new Map([...sizes.keys()].map((subject) => [subject, 0]));
  for (let left = limit; left > 0; ) {
    for (const [subject, size] of sizes) {
      const count = taken.get(subject) ?? 0;
      if (left === 0 || count === size) continue;
      taken.set(subject, count + 1);
      left -= 1;
    }
  }
  const seen = new Map<string, number>();
  return rows.filter(({ row }) => {
    const place = (seen.get(row.subject) ?? 0) + 1;
    seen.set(row.subject, place);
    return place <= (taken.get(row.subject) ?? 0);
  });
}
