// Alarms: what makes a run worthless without making it fail. Each gives a sentence for the log, or nothing.
import { formRewards } from "../rewards/registry.ts";
import type { GroupStatistics } from "./statistics.ts";

/** Share of cut-off rollouts above which the length limit is probably too short. */
export const truncationLimit = 0.2;

/** Steps over which the "reward is format only" alarm looks back. */
export const formOnlyWindow = 20;

/**
 * When no group of the pre-flight has two different rewards there is no advantage and nothing to learn: the sentence
 * that says so, with what to try.
 */
export function noSignal(statistics: GroupStatistics, groups: number, rollouts: number): string | undefined {
  if (statistics.informativeGroups > 0) return undefined;
  const rewards = Object.entries(statistics.rewards).map(([name, value]) => `${name} ${value.toFixed(2)}`);
  return (
    `in the pre-flight every rollout of each of ${groups} groups (${rollouts} rollouts a question) got the same reward ` +
    `(${rewards.join(", ")}): all advantages are 0 and training would change nothing. ` +
    "Show worked examples (prompt.shots), raise sampling.temperature, sampling.num_generations or " +
    "sampling.max_new_tokens, or use a reward that the model sometimes earns."
  );
}

/** Rollouts that the length limit cut seldom earn a reward; says so above one in five. */
export function tooShort(truncatedRatio: number, maxNewTokens: number): string | undefined {
  if (truncatedRatio <= truncationLimit) return undefined;
  return (
    `${Math.round(truncatedRatio * 100)} % of the rollouts were cut off at ${maxNewTokens} tokens before they ended; ` +
    "raise sampling.max_new_tokens unless the model is meant to learn to be brief."
  );
}

/**
 * When, over a window of steps, only rewards of form differ within groups while an accuracy reward never does, the
 * gradient teaches form alone: the sentence that says so.
 */
export function formOnly(window: readonly GroupStatistics[]): string | undefined {
  if (window.length < formOnlyWindow) return undefined;
  const names = Object.keys(window[0]?.spreadOf ?? {});
  const form = names.filter((name) => formRewards.has(name));
  const content = names.filter((name) => !formRewards.has(name));
  if (form.length === 0 || content.length === 0) return undefined;
  const varies = (group: readonly string[]) =>
    window.some((statistics) => group.some((name) => (statistics.spreadOf[name] ?? 0) > 0));
  if (!varies(form) || varies(content)) return undefined;
  return (
    `the reward is format only: over the last ${window.length} steps ${content.join(", ")} never differed within a ` +
    `group, only ${form.join(", ")} did. The questions are too hard or too easy for this model, or the answers are ` +
    "written in a form that the reward does not read."
  );
}

/** A mean KL above this means that the policy left the base model; the published log of the paper has 1.3e8. */
export const klLimit = 10;

/** Says when the KL to the base has left any useful range. */
export function klAlarm(kl: number): string | undefined {
  if (Number.isFinite(kl) && Math.abs(kl) <= klLimit) return undefined;
  return `the KL to the base model is ${kl.toPrecision(3)} (above ${klLimit}): lower optimizer.lr or raise loss.beta.`;
}
