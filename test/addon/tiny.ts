// The tiny models of test/golden and requests for them.
import path from "node:path";
import type { GenerateRequest, LoadOptions, Policy, TrainingGroup } from "../../src/engine/policy.ts";

export const root = path.resolve(import.meta.dirname, "../..");
export const modelFolder = (family: string) => path.join(root, "test/golden/models", family);

export const loadOptions = (options: Partial<LoadOptions> = {}): LoadOptions => ({
  model: modelFolder("llama"),
  threads: 1,
  ...options,
});

export const loraOptions = (options: Partial<LoadOptions> = {}): LoadOptions =>
  loadOptions({ trainable: "lora", lora: { rank: 4, alpha: 8, seed: 1 }, ...options });

/** Token ids 1, 2, 3 ... from `first`. */
export const ids = (count: number, first = 1) => Int32Array.from({ length: count }, (_, i) => first + i);

export const generateRequest = (options: Partial<GenerateRequest> = {}): GenerateRequest => ({
  prompts: [
    { ids: ids(7), key: 1n },
    { ids: ids(4, 20), key: 2n },
  ],
  rollouts: 3,
  maxNewTokens: 8,
  seed: 5n,
  ...options,
});

/** Minutes of work, unless it is stopped. */
export const endlessRequest = (): GenerateRequest =>
  generateRequest({
    prompts: Array.from({ length: 3000 }, (_, i) => ({ ids: ids(8), key: BigInt(i) })),
    rollouts: 64,
    maxNewTokens: 32,
  });

/** Sampled groups as the policy loss wants them: the first completion of each is good, the others are bad. */
export async function trainingGroups(policy: Policy, request = generateRequest()): Promise<TrainingGroup[]> {
  const { groups } = await policy.generate(request);
  const tokens = groups.flat().reduce((sum, rollout) => sum + rollout.completionIds.length, 0);
  return groups.map((group, g) => ({
    promptIds: request.prompts[g]?.ids ?? new Int32Array(),
    completions: group.map(({ completionIds, logprobs }, i) => ({
      completionIds,
      oldLogprobs: logprobs,
      advantages: new Float32Array(completionIds.length).fill(i === 0 ? 1 : -0.5),
      weights: new Float32Array(completionIds.length).fill(1 / tokens),
    })),
  }));
}
