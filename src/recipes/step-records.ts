// A step's numbers and texts as the rows of metrics.jsonl and completions.jsonl.
import { mean } from "../grpo/advantages.ts";
import type { GroupStatistics } from "../grpo/statistics.ts";
import type { AccumulateResult, UpdateResult } from "../native/types.ts";
import type { RolloutScore } from "../rewards/score.ts";
import type { CompletionRecord, StepMetrics } from "../run/records.ts";
import type { SampledGroup } from "./rollouts.ts";

/** Everything that one step produced. */
export interface StepResult {
  /** From 1. */
  readonly step: number;
  readonly groups: readonly SampledGroup[];
  readonly scores: readonly (readonly RolloutScore[])[];
  readonly advantages: readonly (readonly number[])[];
  readonly statistics: GroupStatistics;
  readonly loss: Omit<AccumulateResult, "logprobs">;
  readonly update: UpdateResult;
  readonly learningRate: number;
  readonly tokensComputed: number;
  readonly seconds: { readonly rollout: number; readonly reference: number; readonly train: number };
  readonly peakBytes: number;
}

export function stepMetrics(result: StepResult): StepMetrics {
  const { statistics, loss, update, seconds } = result;
  const rollouts = result.groups.flatMap((group) => group.rollouts);
  const rewards = Object.entries(statistics.rewards).map(([name, value]) => [`rewards/${name}`, value] as const);
  return {
    step: result.step,
    loss: loss.loss,
    reward: statistics.reward,
    reward_std: statistics.rewardStd,
    ...(Object.fromEntries(rewards) as Record<`rewards/${string}`, number>),
    advantage_abs: mean(result.advantages.flat().map(Math.abs)),
    kl: loss.kl,
    clip_ratio: loss.clipRatio,
    entropy: loss.entropy,
    sampler_gap: loss.samplerGap,
    learning_rate: result.learningRate,
    grad_norm: update.gradNorm,
    completion_length: mean(rollouts.map(({ completionIds }) => completionIds.length)),
    truncated_ratio: truncatedRatio(result.groups),
    informative_groups: statistics.informativeGroups,
    tokens_computed: result.tokensComputed,
    "time/rollout": seconds.rollout,
    "time/reference": seconds.reference,
    "time/train": seconds.train,
    "memory/peak_bytes": result.peakBytes,
  };
}

export function completionRecords({ step, groups, scores, advantages }: StepResult): CompletionRecord[] {
  return groups.flatMap(({ question, rollouts }, q) =>
    rollouts.map(({ text, finishReason, completionIds }, g) => {
      const score = scores[q]?.[g] as RolloutScore;
      const rewards = Object.entries(score.parts).map(([name, value]) => [`rewards/${name}`, value] as const);
      return {
        step,
        question_id: question.id,
        rollout: g,
        text,
        finish_reason: finishReason,
        tokens: completionIds.length,
        reward: score.total,
        ...(Object.fromEntries(rewards) as Record<`rewards/${string}`, number>),
        advantage: advantages[q]?.[g] ?? 0,
      };
    }),
  );
}

/** Share of rollouts that the length limit cut. */
export function truncatedRatio(groups: readonly SampledGroup[]): number {
  return mean(
    groups.flatMap(({ rollouts }) => rollouts.map(({ finishReason }) => (finishReason === "length" ? 1 : 0))),
  );
}
