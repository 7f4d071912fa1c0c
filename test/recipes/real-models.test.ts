// Real weights: SmolLM2-135M-Instruct against transformers, and Gemma-3-270m through the whole engine.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Policy } from "../../src/engine/policy.ts";
import type { ChatMessage } from "../../src/text/chat-template.ts";
import { loadTokenizer } from "../../src/text/load-tokenizer.ts";
import { realModels, runsWithModel } from "../unit/text/real-models.ts";

interface GreedyGolden {
  stop_ids: number[];
  max_new_tokens: number;
  cases: { messages: ChatMessage[]; prompt_ids: number[]; completion_ids: number[] }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../golden/data/smollm2-greedy.json", import.meta.url), "utf8"),
) as GreedyGolden;
const greedy = { temperature: 0, topK: 0, topP: 1, minP: 0 };

const { smollm, gemma } = realModels;

test.runIf(runsWithModel(smollm))(
  "SmolLM2's greedy tokens equal those of transformers on the same dequantised weights, 5 prompts x 64 tokens",
  async () => {
    const tokenizer = await loadTokenizer(smollm);
    await using policy = await Policy.load({ model: smollm });
    const prompts = golden.cases.map((c, i) => {
      const ids = tokenizer.chat?.encodeChat(c.messages, { addGenerationPrompt: true });
      expect([...(ids ?? [])]).toEqual(c.prompt_ids);
      return { ids: Int32Array.from(c.prompt_ids), key: BigInt(i) };
    });
    const { groups } = await policy.generate({
      prompts,
      rollouts: 1,
      maxNewTokens: golden.max_new_tokens,
      sampling: greedy,
      stopIds: golden.stop_ids,
      seed: 1n,
    });
    expect(golden.cases).toHaveLength(5);
    golden.cases.forEach((c, i) => {
      expect([...(groups[i]?.[0]?.completionIds ?? [])]).toEqual(c.completion_ids);
    });
    const answer = tokenizer.decode(groups[0]?.[0]?.completionIds ?? []);
    expect(answer).toContain("anemia");
  },
);

test.runIf(runsWithModel(gemma))(
  "Gemma-3-270m continues a text, its sampler and trainer agree, and a step of training changes it",
  async () => {
    const tokenizer = await loadTokenizer(gemma);
    await using policy = await Policy.load({ model: gemma, trainable: "lora", lora: { rank: 8, alpha: 8 } });
    const ids = tokenizer.encode("The capital of France is", { addBos: true });
    expect(ids[0]).toBe(tokenizer.bosId);
    const ask = {
      prompts: [{ ids, key: 1n }],
      rollouts: 2,
      maxNewTokens: 16,
      stopIds: [...tokenizer.stopIds],
      seed: 3n,
    };
    const { groups } = await policy.generate({ ...ask, sampling: greedy });
    // The base model's own continuation, as transformers gives it for this file.
    expect(tokenizer.decode(groups[0]?.[0]?.completionIds ?? [])).toMatch(/^ the capital of the country of France/);

    const sampling = { temperature: 1, topK: 50, topP: 1, minP: 0 };
    const sampled = (await policy.generate({ ...ask, sampling })).groups[0] ?? [];
    const train = () =>
      policy.accumulate({
        groups: [
          {
            promptIds: ids,
            completions: sampled.map((r, i) => ({
              completionIds: r.completionIds,
              oldLogprobs: r.logprobs,
              advantages: new Float32Array(r.completionIds.length).fill(i === 0 ? 1 : -1),
              weights: new Float32Array(r.completionIds.length).fill(1 / 32),
            })),
          },
        ],
        sampling,
        loss: { kind: "policy", epsilonLow: 0.2, epsilonHigh: 0.2, delta: 0, beta: 0, kl: "k3", logRatioClamp: 20 },
      });
    expect((await train()).samplerGap).toBeLessThanOrEqual(1e-5);
    const adamW = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 };
    expect((await policy.update(adamW)).gradNorm).toBeGreaterThan(0);
    expect((await train()).samplerGap).toBeGreaterThan(1e-3);
  },
);

test.runIf(runsWithModel(smollm))("SmolLM2's plan is what a step takes, and no call grows it", async () => {
  const options = { model: smollm, trainable: "lora", lora: { rank: 16, alpha: 16 } } as const;
  const workload = {
    promptTokens: 48,
    completionTokens: 24,
    generate: [{ prompts: 3, rollouts: 3 }],
    accumulate: { groups: 3, completions: 3 },
  };
  const { memory, info } = await Policy.plan(options, workload);
  await using policy = await Policy.load(options);
  expect(info).toEqual(policy.info);
  expect((await policy.reserve(workload)).totalBytes).toBe(memory.totalBytes);
  const prompts = [20, 48, 31].map((length, i) => ({
    ids: Int32Array.from({ length }, (_, t) => 100 + t),
    key: BigInt(i),
  }));
  const { groups } = await policy.generate({ prompts, rollouts: 3, maxNewTokens: 24 });
  await policy.accumulate({
    groups: groups.map((group, g) => ({
      promptIds: prompts[g]?.ids ?? new Int32Array(),
      completions: group.map(({ completionIds }) => ({
        completionIds,
        weights: new Float32Array(completionIds.length).fill(1),
      })),
    })),
    loss: { kind: "supervised" },
  });
  await policy.update({ learningRate: 1e-4 });
  const { peakBytes, arenaGrowths } = policy.memory();
  expect(arenaGrowths).toBe(0);
  expect(Math.abs(peakBytes - memory.totalBytes)).toBeLessThan(0.05 * memory.totalBytes);
});
