// One GRPO step on a policy and the seconds of its parts: rollouts, reference logprobs, gradient and update.
import { seconds } from "./meter.mjs";

const SAMPLING = { temperature: 1, topK: 0, topP: 1, minP: 0 };
const UPDATE = { learningRate: 2e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };

/**
 * `prompts`: token ids, each with `rollouts` completions of exactly `newTokens`. `separate`: the prompt is computed once a
 * rollout, as if each were a question of its own. `index` is the step's number, for the random numbers.
 */
export async function grpoStep(policy, { prompts, rollouts, newTokens, beta = 0, separate = false }, index) {
  const start = seconds();
  const copies = separate ? rollouts : 1;
  const asked = prompts.flatMap((ids, q) =>
    Array.from({ length: copies }, (_, c) => ({ ids, key: BigInt((index * prompts.length + q) * copies + c) })),
  );
  const { groups } = await policy.generate({
    prompts: asked,
    rollouts: rollouts / copies,
    maxNewTokens: newTokens,
    sampling: SAMPLING,
    stopIds: [],
    seed: 42n,
  });
  const rolloutEnd = seconds();
  let reference;
  if (beta > 0) {
    const scored = groups.map((group, g) => ({
      promptIds: asked[g].ids,
      completionIds: group.map(({ completionIds }) => completionIds),
    }));
    reference = await policy.logprobs({ groups: scored, sampling: SAMPLING, adapter: false });
  }
  const referenceEnd = seconds();
  const total = prompts.length * rollouts;
  const result = await policy.accumulate({
    groups: groups.map((group, g) => ({
      promptIds: asked[g].ids,
      completions: group.map(({ completionIds, logprobs }, c) => ({
        completionIds,
        oldLogprobs: logprobs,
        ...(reference ? { refLogprobs: reference.logprobs[g][c] } : {}),
        // Made up, and different inside a group: the time does not depend on the rewards.
        advantages: new Float32Array(completionIds.length).fill((g * rollouts + c) % 2 ? 0.7 : -0.7),
        weights: new Float32Array(completionIds.length).fill(1 / (total * completionIds.length)),
      })),
    })),
    sampling: SAMPLING,
    loss: { kind: "policy", epsilonLow: 0.2, epsilonHigh: 0.2, delta: 0, beta, kl: "k3", logRatioClamp: 20 },
  });
  await policy.update(UPDATE);
  const end = seconds();
  return {
    step: end - start,
    rollout: rolloutEnd - start,
    reference: referenceEnd - rolloutEnd,
    training: end - referenceEnd,
    tokensTrained: result.counters.tokensComputed,
    samplerGap: result.samplerGap,
  };
}
