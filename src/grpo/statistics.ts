// What the groups of a step say about learning: spread, advantages, lengths. Pure numbers for metrics and guards.
import type { RolloutScore } from "../rewards/score.ts";
import { deviation, hasSpread, mean } from "./advantages.ts";

export interface GroupStatistics {
  /** Mean weighted reward over all rollouts. */
  readonly reward: number;
  /** Mean over groups of the standard deviation within the group. */
  readonly rewardStd: number;
  /** Mean of each reward before its weight. */
  readonly rewards: Readonly<Record<string, number>>;
  /** Share of groups whose weighted rewards differ; only these have a gradient. */
  readonly informativeGroups: number;
  /** For each reward, the share of groups in which it differs among rollouts. */
  readonly spreadOf: Readonly<Record<string, number>>;
}

/** Statistics over the scores of a step, `scores[q][g]`. */
export function groupStatistics(scores: readonly (readonly RolloutScore[])[]): GroupStatistics {
  const totals = scores.map((group) => group.map((score) => score.total));
  const names = Object.keys(scores[0]?.[0]?.parts ?? {});
  const partsOf = (name: string) => scores.map((group) => group.map((score) => score.parts[name] ?? 0));
  const share = (groups: readonly (readonly number[])[]) => mean(groups.map((group) => (hasSpread(group) ? 1 : 0)));
  return {
    reward: mean(totals.flat()),
    rewardStd: mean(totals.map(deviation)),
    rewards: Object.fromEntries(names.map((name) => [name, mean(partsOf(name).flat())])),
    informativeGroups: share(totals),
    spreadOf: Object.fromEntries(names.map((name) => [name, share(partsOf(name))])),
  };
}
