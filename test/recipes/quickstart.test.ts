// The embedded default learns from the verifier's rewards, and only from them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { Draws } from "../../src/embedded/philox.ts";
import { type TrainOptions, trainGrpo } from "../../src/recipes/grpo.ts";
import { accuracy, format, xmlcount } from "../../src/rewards/paper.ts";
import type { Reward, WeightedReward } from "../../src/rewards/reward.ts";

// A run takes about a minute on two cores.
const runTimeoutMs = 600_000;

// What counts as having learned. Training gains 0.52 to 0.62 of accuracy and ends at a form of 0.99 or more.
const accuracyGain = 0.25;
const formReached = 0.9;
// Shuffled rewards make the adapter wander: six runs moved accuracy by -0.12 to 0.11 (mean 0.01) and ended at a form of
// 0.15 to 0.51. One run's accuracy says little, so the control is the mean of several.
const shuffledSeeds = [1, 2, 3];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rlvr-quickstart-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function train(seed: number, name: string, options: TrainOptions = {}) {
  const overrides = [`seed=${seed}`, `output.dir=${join(folder, name)}`];
  const { config } = await loadConfig("configs/quickstart.yaml", overrides);
  const { evaluation } = await trainGrpo(config, options);
  const { before, after } = evaluation;
  if (before === undefined || after === undefined) throw new Error("the quickstart config evaluates before and after");
  console.log(`${name}: ${JSON.stringify({ before, after })}`);
  return { before, after };
}

/** The paper's three rewards summed, dealt out again at random among the rollouts of their group. */
function shuffledRewards(groupSize: number): WeightedReward[] {
  const waiting = new Map<string, { score: number; resolve: (score: number) => void }[]>();
  let deals = 0;
  const reward: Reward = async (completion, question, context) => {
    const scores = await Promise.all([accuracy, format, xmlcount].map((one) => one(completion, question, context)));
    const score = scores.reduce((sum, one) => sum + one, 0);
    return await new Promise<number>((resolve) => {
      const group = [...(waiting.get(question.id) ?? []), { score, resolve }];
      waiting.set(question.id, group);
      if (group.length < groupSize) return;
      waiting.delete(question.id);
      const dealt = new Draws(1, 0, deals++).shuffle(group.map((member) => member.score));
      for (const [place, member] of group.entries()) member.resolve(dealt[place] as number);
    });
  };
  return [{ name: "shuffled", weight: 1, reward }];
}

describe("configs/quickstart.yaml over 500 held-out cards", () => {
  it.each([1, 2, 3])(
    "with seed %d gains 25 points of sampled accuracy, and form rises from under 0.55 to over 0.9",
    async (seed) => {
      const { before, after } = await train(seed, `seed-${seed}`);
      expect(before.questions).toBe(500);
      expect(after.sampled.accuracy - before.sampled.accuracy).toBeGreaterThanOrEqual(accuracyGain);
      expect(before.sampled.format).toBeLessThan(0.55);
      expect(after.sampled.format).toBeGreaterThan(formReached);
    },
    runTimeoutMs,
  );

  it(
    "does not learn when the rewards are shuffled among the rollouts of a group",
    async () => {
      let gain = 0;
      for (const seed of shuffledSeeds) {
        const { before, after } = await train(seed, `shuffled-${seed}`, { rewards: shuffledRewards(8) });
        gain += (after.sampled.accuracy - before.sampled.accuracy) / shuffledSeeds.length;
        expect(after.sampled.format).toBeLessThan(0.55);
      }
      expect(gain).toBeLessThan(0.1);
    },
    3 * runTimeoutMs,
  );
});
