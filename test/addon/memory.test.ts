// Planning and reserving memory through Policy.
import { expect, test } from "vitest";
import { Policy, type Workload } from "../../src/engine/policy.ts";
import { generateRequest, loadOptions, loraOptions, trainingGroups } from "./tiny.ts";

const workload: Workload = {
  promptTokens: 7,
  completionTokens: 8,
  generate: [{ prompts: 2, rollouts: 3 }],
  logprobs: { groups: 2, completions: 3 },
  accumulate: { groups: 2, completions: 3 },
};

test("a plan needs no loaded model, and reserving takes its bytes", async () => {
  const { memory, info } = await Policy.plan(loraOptions(), workload);
  await using policy = await Policy.load(loraOptions());
  expect(info).toEqual(policy.info);
  expect(await policy.reserve(workload)).toEqual(memory);
  expect(policy.memory().currentBytes).toBe(memory.totalBytes);
  const groups = await trainingGroups(policy, generateRequest());
  await policy.accumulate({ groups, loss: { kind: "policy" } });
  await policy.update({ learningRate: 1e-3 });
  expect(policy.memory()).toMatchObject({ peakBytes: memory.totalBytes, arenaGrowths: 0 });
});

test("a limit under the plan is RLVR_OUT_OF_MEMORY at reserve", async () => {
  const { memory } = await Policy.plan(loraOptions(), workload);
  const loaded = memory.weightsBytes + memory.trainableBytes + memory.workspaceBytes;
  await using policy = await Policy.load(loraOptions({ memoryLimitBytes: loaded + 1000 }));
  await expect(policy.reserve(workload)).rejects.toMatchObject({
    code: "RLVR_OUT_OF_MEMORY",
    message: expect.stringContaining("max_new_tokens"),
  });
  expect(policy.memory().currentBytes).toBeLessThan(memory.totalBytes);
});

test("wrong workloads never reach the addon", async () => {
  await using policy = await Policy.load(loadOptions());
  const wrong = (change: object) => ({ ...workload, ...change }) as Workload;
  await expect(policy.reserve(wrong({ promptTokens: undefined }))).rejects.toThrow(TypeError);
  await expect(policy.reserve(wrong({ completionTokens: 0 }))).rejects.toThrow(RangeError);
  await expect(policy.reserve(wrong({ generate: [{ prompts: 1 }] }))).rejects.toThrow(/generate\[0\]\.rollouts/);
  await expect(policy.reserve(wrong({ accumulate: { groups: 1e9, completions: 1 } }))).rejects.toThrow(RangeError);
  await expect(Policy.plan(loadOptions(), wrong({ promptTokens: 1.5 }))).rejects.toThrow(RangeError);
  await expect(Policy.plan({ model: "/nowhere" }, workload)).rejects.toMatchObject({
    code: expect.stringMatching(/RLVR_/),
  });
  const long = wrong({ completionTokens: policy.info.contextLength });
  await expect(policy.reserve(long)).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
});
