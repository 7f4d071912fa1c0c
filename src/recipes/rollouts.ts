// Rollouts of a step: sampled, scored, given advantages, packed for the engine. One function a line of the algorithm.
import type { Config } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import { groupAdvantages } from "../grpo/advantages.ts";
import { tokenWeights } from "../grpo/aggregation.ts";
import type {
  AccumulateResult,
  CallContext,
  Counters,
  LogprobsResult,
  Rollout,
  TokenLoss,
  TrainingGroup,
  UpdateRequest,
} from "../native/types.ts";
import type { WeightedReward } from "../rewards/reward.ts";
import { type RolloutScore, scoreRollouts } from "../rewards/score.ts";
import type { AskedQuestion } from "./batches.ts";
import { type SamplingConfig, type Session, samplingOf } from "./session.ts";

/** Prompts of one call outside training: few enough for progress and an abort, many enough to keep the decoder full. */
export const questionsPerCall = 64;

/** The rollouts of one question, with their texts. */
export interface SampledGroup {
  readonly question: Question;
  readonly promptIds: Int32Array;
  readonly rollouts: readonly (Rollout & { readonly text: string })[];
}

export interface SampleOptions extends CallContext {
  readonly rollouts: number;
  readonly isGreedy?: boolean;
  /** false: the frozen base. */
  readonly adapter?: boolean;
}

/** Samples the rollouts of each question; the engine computes each prompt once. */
export async function sampleRollouts(
  session: Session,
  asked: readonly AskedQuestion[],
  config: { readonly sampling: SamplingConfig; readonly seed: number },
  { rollouts, isGreedy = false, adapter = true, ...context }: SampleOptions,
): Promise<{ groups: SampledGroup[]; counters: Counters }> {
  const prompts = asked.map(({ question, key }) => ({ ids: session.promptIds(question), key }));
  const { groups, counters } = await session.policy.generate(
    {
      prompts,
      rollouts,
      maxNewTokens: config.sampling.maxNewTokens,
      sampling: samplingOf(config, isGreedy),
      stopIds: [...session.tokenizer.stopIds],
      seed: BigInt(config.seed),
      adapter,
    },
    context,
  );
  return {
    groups: groups.map((group, index) => ({
      question: (asked[index] as AskedQuestion).question,
      promptIds: (prompts[index] as { ids: Int32Array }).ids,
      rollouts: group.map((rollout) => ({ ...rollout, text: session.textOf(rollout.completionIds) })),
    })),
    counters,
  };
}

/** Scores every rollout of every group by every reward. */
export async function scoreGroups(
  groups: readonly SampledGroup[],
  rewards: readonly WeightedReward[],
): Promise<RolloutScore[][]> {
  return await scoreRollouts(
    groups.map(({ question }) => question),
    groups.map(({ rollouts }) =>
      rollouts.map(({ text, finishReason, completionIds }, rollout) => ({
        text,
        finishReason,
        completionLength: completionIds.length,
        rollout,
      })),
    ),
    rewards,
  );
}

/** The advantages of every rollout from the weighted sums of its rewards. */
export function advantagesOf(scores: readonly (readonly RolloutScore[])[], config: Config): number[][] {
  return groupAdvantages(
    scores.map((group) => group.map(({ total }) => total)),
    config.advantage.scale,
  );
}

/**
 * Logprobs of the rollouts under the frozen base, the adapter off, of the same distribution as everywhere: temperature and
 * truncation included. So the KL of an adapter that has learned nothing is 0. A token that the base would have truncated
 * has its probability before truncation, which is finite.
 */
export async function referenceLogprobs(
  { policy }: Session,
  groups: readonly SampledGroup[],
  config: Config,
  context: CallContext = {},
): Promise<LogprobsResult> {
  return await policy.logprobs(
    {
      groups: groups.map(({ promptIds, rollouts }) => ({
        promptIds,
        completionIds: rollouts.map(({ completionIds }) => completionIds),
      })),
      sampling: samplingOf(config),
      adapter: false,
    },
    context,
  );
}

/** The step's groups as micro-batches of `batch.questions`, each token with its advantage and its share of the loss. */
export function packMicroBatches(
  groups: readonly SampledGroup[],
  advantages: readonly (readonly number[])[],
  reference: LogprobsResult | undefined,
  config: Config,
): TrainingGroup[][] {
  const size = config.batch.questions;
  const masks = groups.map(({ rollouts }) =>
    rollouts.map(({ completionIds, finishReason }) => {
      const counts = !(config.loss.maskTruncated && finishReason === "length");
      return new Uint8Array(completionIds.length).fill(counts ? 1 : 0);
    }),
  );
  const masksOfBatches = chunks(masks, size).map((batch) => batch.flat());
  const weights = tokenWeights(config.loss.type, masksOfBatches, config.sampling.maxNewTokens);
  return chunks(groups, size).map((batch, b) => {
    let completion = 0;
    return batch.map(({ promptIds, rollouts }, q) => ({
      promptIds,
      completions: rollouts.map(({ completionIds, logprobs }, g) => {
        const refLogprobs = reference?.logprobs[b * size + q]?.[g];
        return {
          completionIds,
          oldLogprobs: logprobs,
          ...(refLogprobs === undefined ? {} : { refLogprobs }),
          advantages: new Float32Array(completionIds.length).fill(advantages[b * size + q]?.[g] ?? 0),
          weights: weights[b]?.[completion++] ?? new Float32Array(completionIds.length),
        };
      }),
    }));
  });
}

/** AdamW with the config's numbers at one learning rate. */
export function adamW({ optimizer }: Config, learningRate: number): UpdateRequest {
  const { beta1, beta2, eps, weightDecay, maxGradNorm } = optimizer;
  return { learningRate, beta1, beta2, eps, weightDecay, maxGradNorm };
}

/** The clipped objective with the config's numbers. */
export function policyLoss({ loss }: Config): TokenLoss {
  const { epsilon, epsilonHigh, delta, beta, kl, logRatioClamp } = loss;
  return {
    kind: "policy",
    epsilonLow: epsilon,
    epsilonHigh: epsilonHigh ?? epsilon,
    delta: delta ?? 0,
    beta,
    kl,
    logRatioClamp,
  };
}

/** The results of a step's micro-batches as one: sums, means over tokens, and the largest gap. */
export function mergeResults(results: readonly AccumulateResult[]): Omit<AccumulateResult, "logprobs"> {
  const tokens = results.reduce((sum, result) => sum + result.tokens, 0);
  const average = (value: (result: AccumulateResult) => number) =>
    results.reduce((sum, result) => sum + value(result) * result.tokens, 0) / Math.max(1, tokens);
  return {
    loss: results.reduce((sum, result) => sum + result.loss, 0),
    kl: average((result) => result.kl),
    clipRatio: average((result) => result.clipRatio),
    entropy: average((result) => result.entropy),
    samplerGap: Math.max(0, ...results.map((result) => result.samplerGap)),
    tokens,
    counters: addCounters(...results.map((result) => result.counters)),
  };
}

/** The counters of several calls as one; a call that was not made counts nothing. */
export function addCounters(...counters: readonly (Counters | undefined)[]): Counters {
  return {
    tokensComputed: counters.reduce((sum, counter) => sum + (counter?.tokensComputed ?? 0), 0),
    promptTokens: counters.reduce((sum, counter) => sum + (counter?.promptTokens ?? 0), 0),
  };
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
