// Which of a run's completions the page shows: the best and the worst at its beginning, its middle and its end.

import { numberAt, type Row } from "./rows.ts";

/** At most `2 * places` rows: of evenly spaced steps, first to last, the best and the worst completion. */
export function sampleCompletions(completions: readonly Row[], places = 4): Row[] {
  const steps = [...new Set(completions.map((row) => numberAt(row, "step") ?? 0))].sort((a, b) => a - b);
  const wanted = new Set(
    Array.from({ length: places }, (_, i) => steps[Math.round((i * (steps.length - 1)) / Math.max(1, places - 1))]),
  );
  return [...wanted].flatMap((step) => {
    const rows = completions.filter((row) => (numberAt(row, "step") ?? 0) === step);
    const byReward = [...rows].sort((a, b) => (numberAt(b, "reward") ?? 0) - (numberAt(a, "reward") ?? 0));
    return [...new Set([byReward[0], byReward.at(-1)])].filter((row) => row !== undefined);
  });
}
