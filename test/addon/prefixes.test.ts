// Shared prefixes, answer options and adapters through Policy, on tiny models and on the packaged one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { type ChoicesRequest, Policy, type Prefix } from "../../src/engine/policy.ts";
import { ids, loadOptions, loraOptions, modelFolder, root } from "./tiny.ts";

const models = [
  ["gemma3", modelFolder("gemma3")],
  ["llama", modelFolder("llama")],
  ["the packaged model", path.join(root, "models/quickstart")],
] as const;

// A header of one block of 32 keys and a part, and one that continues it inside a block.
const prefixes: Prefix[] = [{ ids: ids(37) }, { ids: ids(9, 5), parent: 0 }];
const header = [...ids(37), ...ids(9, 5)];

/** A request written out: every prefix in front of what continues it. */
const behind = (prefix: number | undefined, own: Int32Array) =>
  Int32Array.of(...header.slice(0, prefix === undefined ? 0 : prefix === 0 ? 37 : 46), ...own);

const exam: ChoicesRequest = {
  prefixes,
  questions: [
    { prefix: 1, promptIds: ids(12, 3), choices: [1, 2, 3, 4].map((id) => Int32Array.of(id)) },
    { prefix: 0, promptIds: ids(4, 9), choices: [Int32Array.of(7), ids(3, 2)] },
    { promptIds: ids(5), choices: [ids(2)] },
  ],
};

for (const device of ["cpu", "reference"]) {
  test.each(models)(
    `prompts behind shared prefixes give the bits of written-out ones: %s, ${device}`,
    async (_, model) => {
      await using policy = await Policy.load({ model, device, threads: 1 });
      const prompts = [1, 0, undefined, 1].map((prefix, i) => ({
        ids: ids(3 + 8 * i, 2),
        key: BigInt(i),
        ...(prefix === undefined ? {} : { prefix }),
      }));
      const request = { rollouts: 2, maxNewTokens: 6, seed: 3n };
      const shared = await policy.generate({ ...request, prefixes, prompts });
      const flat = prompts.map(({ prefix, ids: own, key }) => ({ ids: behind(prefix, own), key }));
      const written = await policy.generate({ ...request, prompts: flat });
      expect(shared.groups).toEqual(written.groups);
      expect(shared.counters.promptTokens).toBe(46 + 3 + 11 + 19 + 27);
      expect(written.counters.promptTokens).toBe(46 + 37 + 46 + 3 + 11 + 19 + 27);
      const groups = prompts.map(({ prefix, ids: promptIds }, i) => ({
        promptIds,
        completionIds: (shared.groups[i] ?? []).map((rollout) => rollout.completionIds),
        ...(prefix === undefined ? {} : { prefix }),
      }));
      const scored = await policy.logprobs({ prefixes, groups });
      expect(scored.logprobs).toEqual(shared.groups.map((group) => group.map((rollout) => rollout.logprobs)));
    },
  );

  test.each(models)(`scores of answer options are sums of logprobs: %s, ${device}`, async (_, model) => {
    await using policy = await Policy.load({ model, device, threads: 1 });
    const progress: [number, number][] = [];
    const { scores, counters } = await policy.scoreChoices(exam, {
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect(scores.map((values) => values.length)).toEqual([4, 2, 1]);
    for (const [q, { prefix, promptIds, choices }] of exam.questions.entries()) {
      const { logprobs } = await policy.logprobs({
        groups: [{ promptIds: behind(prefix, promptIds), completionIds: choices }],
      });
      expect([...(scores[q] ?? [])]).toEqual(logprobs[0]?.map((values) => values.reduce((sum, x) => sum + x, 0)));
    }
    // The prefixes once, each question once, and the first two of three and of two tokens.
    expect(counters).toEqual({ promptTokens: 46 + 12 + 4 + 5, tokensComputed: 46 + 12 + 4 + 5 + 2 + 1 });
    expect(progress.at(-1)).toEqual([3, 3]);
  });
}

test("scored choices stop when their signal aborts", async () => {
  await using policy = await Policy.load(loadOptions({ maxBatchRows: 64 }));
  const questions = Array.from({ length: 4000 }, () => ({ promptIds: ids(40), choices: [ids(1)] }));
  const controller = new AbortController();
  const scoring = policy.scoreChoices(
    { questions },
    { signal: controller.signal, onProgress: () => controller.abort() },
  );
  await expect(scoring).rejects.toMatchObject({ code: "RLVR_ABORTED" });
});

test("wrong prefixes never reach the addon; a text past the context is the engine's error", async () => {
  await using policy = await Policy.load(loadOptions());
  const prompts = [{ ids: ids(1), key: 0n, prefix: 3 }];
  await expect(policy.generate({ prefixes, prompts })).rejects.toThrow(RangeError);
  const cycle = [
    { ids: ids(1), parent: 1 },
    { ids: ids(1), parent: 0 },
  ];
  await expect(policy.logprobs({ prefixes: cycle, groups: [] })).rejects.toThrow(RangeError);
  await expect(policy.scoreChoices({ questions: [{ promptIds: ids(1), choices: [] }] })).rejects.toThrow(RangeError);
  const long = [{ promptIds: ids(3), choices: [new Int32Array(policy.info.contextLength - 2).fill(1)] }];
  await expect(policy.scoreChoices({ questions: long })).rejects.toMatchObject({
    code: "RLVR_BAD_ARGUMENT",
    message: expect.stringMatching(/scoreChoices.*past the model's context/),
  });
});

test("loadAdapter puts one adapter in place of another and leaves the base alone", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "rlvr-adapters-"));
  try {
    const adapters = await Promise.all(
      [4, 8].map(async (rank) => {
        await using trained = await Policy.load(loraOptions({ lora: { rank, alpha: 8, seed: rank } }));
        const name = (await trained.parameterNames()).find((parameter) => parameter.endsWith("lora_B.weight")) ?? "";
        await trained.setParameter(name, (await trained.parameter(name)).fill(0.25 * rank));
        await trained.saveAdapter(path.join(folder, `${rank}`), { baseModel: "base" });
        return { folder: path.join(folder, `${rank}`), rank, scores: (await trained.scoreChoices(exam)).scores };
      }),
    );
    await using policy = await Policy.load(loadOptions());
    const base = (await policy.scoreChoices(exam)).scores;
    for (const adapter of [...adapters, ...adapters.reverse()]) {
      await policy.loadAdapter(adapter.folder);
      expect(policy.info.loraRank).toBe(adapter.rank);
      expect((await policy.scoreChoices(exam)).scores).toEqual(adapter.scores);
      expect((await policy.scoreChoices({ ...exam, adapter: false })).scores).toEqual(base);
      expect(adapter.scores).not.toEqual(base);
      expect(policy.memory().trainableBytes).toBeGreaterThan(0);
    }
    await policy.loadAdapter(null);
    expect((await policy.scoreChoices(exam)).scores).toEqual(base);
    expect(policy.info.loraRank).toBe(0);
    expect(policy.memory().trainableBytes).toBe(0);
    await expect(policy.loadAdapter(path.join(folder, "nowhere"))).rejects.toMatchObject({ code: "RLVR_IO" });
    await expect(policy.loadAdapter("")).rejects.toThrow(RangeError);
    await using other = await Policy.load(loadOptions({ model: modelFolder("gemma3") }));
    await expect(other.loadAdapter(path.join(folder, "4"))).rejects.toMatchObject({ code: "RLVR_BAD_CHECKPOINT" });
  } finally {
    await rm(folder, { recursive: true });
  }
});
