import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Policy } from "../../src/engine/policy.ts";
import { generateRequest, loadOptions, loraOptions, modelFolder, trainingGroups } from "./tiny.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "rlvr-policy-"));
});
afterEach(() => rm(folder, { recursive: true }));

const policyLoss = { kind: "policy", epsilonLow: 0.2, epsilonHigh: 0.2 } as const;

async function trainOneStep(policy: Policy) {
  const result = await policy.accumulate({ groups: await trainingGroups(policy), loss: policyLoss });
  return { result, update: await policy.update({ learningRate: 1e-2, maxGradNorm: 1 }) };
}

test("a loaded policy says what it is", async () => {
  await using policy = await Policy.load(loraOptions());
  expect(policy.info).toMatchObject({ family: "llama", device: "cpu", threads: 1, loraRank: 4, loraAlpha: 8 });
  expect(policy.info.trainableParameters).toBeGreaterThan(0);
  expect(policy.info.loraTargets).toContain("q_proj");
  expect(policy.memory().weightsBytes).toBe(policy.info.weightBytes);
});

test("generate gives a group for each prompt and a value for each token", async () => {
  await using policy = await Policy.load(loadOptions());
  const { groups, counters } = await policy.generate(generateRequest());
  expect(groups.map((group) => group.length)).toEqual([3, 3]);
  for (const rollout of groups.flat()) {
    expect(rollout.completionIds).toBeInstanceOf(Int32Array);
    expect(rollout.completionIds.length).toBe(8);
    expect(rollout.logprobs.length).toBe(8);
    expect(rollout.entropies.length).toBe(8);
    expect(rollout.finishReason).toBe("length");
    expect(Math.max(...rollout.logprobs)).toBeLessThan(0);
  }
  // 7 + 4 prompt rows once, then the 7 tokens of 6 rollouts that are followed by another.
  expect(counters).toEqual({ promptTokens: 11, tokensComputed: 11 + 6 * 7 });
});

test("a stop id ends a completion and is its last token", async () => {
  await using policy = await Policy.load(loadOptions());
  const free = await policy.generate(generateRequest());
  const stop = free.groups[0]?.[0]?.completionIds[2] ?? -1;
  const { groups } = await policy.generate(generateRequest({ stopIds: [stop] }));
  const first = groups[0]?.[0];
  expect(first?.finishReason).toBe("stop");
  expect(first?.completionIds.at(-1)).toBe(stop);
  expect(first?.completionIds.length).toBeLessThanOrEqual(3);
});

test("the same seed gives the same rollouts on one and two threads, another seed others", async () => {
  const generate = async (threads: number, seed: bigint) => {
    await using policy = await Policy.load(loadOptions({ threads }));
    return (await policy.generate(generateRequest({ seed }))).groups;
  };
  const first = await generate(1, 5n);
  expect(await generate(2, 5n)).toEqual(first);
  expect(await generate(1, 6n)).not.toEqual(first);
});

test("logprobs of sampled completions are those kept at sampling", async () => {
  await using policy = await Policy.load(loraOptions());
  const request = generateRequest({ sampling: { temperature: 0.8, topK: 20 } });
  const { groups } = await policy.generate(request);
  const scored = await policy.logprobs({
    groups: groups.map((group, g) => ({
      promptIds: request.prompts[g]?.ids ?? new Int32Array(),
      completionIds: group.map((rollout) => rollout.completionIds),
    })),
    sampling: { temperature: 0.8, topK: 20 },
  });
  for (const [g, group] of groups.entries()) {
    for (const [i, rollout] of group.entries()) {
      for (const [t, logprob] of rollout.logprobs.entries()) {
        expect(Math.abs((scored.logprobs[g]?.[i]?.[t] ?? Number.NaN) - logprob)).toBeLessThan(1e-5);
      }
    }
  }
  expect(scored.counters.promptTokens).toBe(11);
});

test("a step makes good completions likelier and bad ones less likely", async () => {
  await using policy = await Policy.load(loraOptions());
  const groups = await trainingGroups(policy);
  const score = async () => {
    const { logprobs } = await policy.logprobs({
      groups: groups.map(({ promptIds, completions }) => ({
        promptIds,
        completionIds: completions.map((completion) => completion.completionIds),
      })),
    });
    const sum = (values: Float32Array = new Float32Array()) => values.reduce((a, b) => a + b, 0);
    return logprobs.map((group) => sum(group[0]) - sum(group[1]));
  };
  const before = await score();
  for (let i = 0; i < 3; ++i) {
    const result = await policy.accumulate({ groups, loss: policyLoss });
    expect(result.tokens).toBe(48);
    if (i === 0) expect(result.samplerGap).toBeLessThan(1e-5);
    const { step, skipped, gradNorm } = await policy.update({ learningRate: 1e-2, maxGradNorm: 1 });
    expect({ step, skipped }).toEqual({ step: i + 1, skipped: false });
    expect(gradNorm).toBeGreaterThan(0);
  }
  const after = await score();
  for (const [g, difference] of after.entries()) expect(difference).toBeGreaterThan(before[g] ?? Number.NaN);
});

test("zeroGradients forgets what was accumulated", async () => {
  await using policy = await Policy.load(loraOptions());
  await policy.accumulate({ groups: await trainingGroups(policy), loss: policyLoss });
  const [name] = (await policy.parameterNames()).filter((parameter) => /lora_B|\.b$/i.test(parameter));
  expect((await policy.gradient(name ?? "")).some((value) => value !== 0)).toBe(true);
  await policy.zeroGradients();
  expect((await policy.gradient(name ?? "")).every((value) => value === 0)).toBe(true);
});

test("parameters can be read and set", async () => {
  await using policy = await Policy.load(loraOptions());
  const [name = ""] = await policy.parameterNames();
  const values = (await policy.parameter(name)).map(() => 0.25);
  await policy.setParameter(name, values);
  expect(await policy.parameter(name)).toEqual(values);
});

test("a saved adapter gives the same logprobs in a new policy; the base does not", async () => {
  await using policy = await Policy.load(loraOptions());
  await trainOneStep(policy);
  await policy.saveAdapter(folder, { baseModel: "tiny/llama" });
  const config = JSON.parse(await readFile(path.join(folder, "adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 8, base_model_name_or_path: "tiny/llama" });
  const request = {
    groups: [{ promptIds: Int32Array.of(1, 2, 3), completionIds: [Int32Array.of(4, 5, 6, 7)] }],
  };
  const expected = (await policy.logprobs(request)).logprobs;
  await using reloaded = await Policy.load(loadOptions({ adapter: folder }));
  expect((await reloaded.logprobs(request)).logprobs).toEqual(expected);
  expect((await reloaded.logprobs({ ...request, adapter: false })).logprobs).not.toEqual(expected);
});

test("a policy that loads a saved state goes on bit for bit", async () => {
  await using policy = await Policy.load(loraOptions());
  await trainOneStep(policy);
  const file = path.join(folder, "state.safetensors");
  await policy.saveState(file);
  const straight = await trainOneStep(policy);
  await using resumed = await Policy.load(loraOptions());
  await resumed.loadState(file);
  expect(await trainOneStep(resumed)).toEqual(straight);
});

test("full training saves weights that load as a model", async () => {
  await using policy = await Policy.load(loadOptions({ trainable: "full" }));
  await trainOneStep(policy);
  await policy.saveWeights(path.join(folder, "model.safetensors"), { dtype: "F32" });
  expect(existsSync(path.join(folder, "model.safetensors"))).toBe(true);
  const { cp } = await import("node:fs/promises");
  await cp(path.join(modelFolder("llama"), "config.json"), path.join(folder, "config.json"));
  await using reloaded = await Policy.load(loadOptions({ model: folder }));
  const request = generateRequest();
  expect((await reloaded.generate(request)).groups).toEqual((await policy.generate(request)).groups);
});
