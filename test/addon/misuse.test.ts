// Calls that are wrong are JavaScript errors: from Policy before the addon sees them, and from the addon itself.
import { expect, test } from "vitest";
import { Policy } from "../../src/engine/policy.ts";
import { nativeBinding } from "../../src/native/binding.ts";
import { generateRequest, ids, loadOptions, loraOptions } from "./tiny.ts";

const anything = (value: unknown) => value as never;
const native = nativeBinding();

test("token ids outside the vocabulary are RLVR_BAD_ARGUMENT and the policy goes on", async () => {
  await using policy = await Policy.load(loadOptions());
  for (const id of [-1, policy.info.vocabularySize, 2 ** 31 - 1]) {
    const prompts = [{ ids: Int32Array.of(1, id), key: 0n }];
    await expect(policy.generate(generateRequest({ prompts }))).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
    const groups = [{ promptIds: ids(3), completionIds: [Int32Array.of(id)] }];
    await expect(policy.logprobs({ groups })).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
  }
  expect((await policy.generate(generateRequest())).groups.length).toBe(2);
});

test("a prompt longer than the context is RLVR_BAD_ARGUMENT", async () => {
  await using policy = await Policy.load(loadOptions());
  const prompts = [{ ids: new Int32Array(policy.info.contextLength + 1).fill(1), key: 0n }];
  await expect(policy.generate(generateRequest({ prompts }))).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
});

test("no prompts give no groups", async () => {
  await using policy = await Policy.load(loadOptions());
  expect((await policy.generate(generateRequest({ prompts: [] }))).groups).toEqual([]);
  expect((await policy.logprobs({ groups: [] })).logprobs).toEqual([]);
});

test("a model that is not there is RLVR_IO or RLVR_BAD_CHECKPOINT, a device that is not there is named", async () => {
  await expect(Policy.load({ model: "/nowhere/at/all" })).rejects.toMatchObject({
    code: expect.stringMatching(/RLVR_IO|RLVR_BAD_CHECKPOINT/),
    message: expect.stringContaining("/nowhere/at/all"),
  });
  await expect(Policy.load(loadOptions({ device: "abacus" }))).rejects.toMatchObject({ code: "RLVR_UNSUPPORTED_OP" });
});

test("a memory limit that is too small is RLVR_OUT_OF_MEMORY", async () => {
  await expect(Policy.load(loadOptions({ memoryLimitBytes: 1000 }))).rejects.toMatchObject({
    code: "RLVR_OUT_OF_MEMORY",
  });
});

test("training a policy that was loaded with nothing trainable is a coded error", async () => {
  await using policy = await Policy.load(loadOptions());
  const completions = [{ completionIds: ids(2), weights: new Float32Array(2).fill(1) }];
  await expect(
    policy.accumulate({ groups: [{ promptIds: ids(3), completions }], loss: { kind: "supervised" } }),
  ).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
  await expect(policy.update({ learningRate: 1e-3 })).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
});

test("a parameter that is not there or has another size is RLVR_BAD_ARGUMENT", async () => {
  await using policy = await Policy.load(loraOptions());
  await expect(policy.parameter("no.such.parameter")).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
  const [name = ""] = await policy.parameterNames();
  await expect(policy.setParameter(name, new Float64Array(1))).rejects.toMatchObject({ code: "RLVR_BAD_ARGUMENT" });
});

test("the addon itself refuses values of the wrong kind, by name", () => {
  const load = (options: unknown, jobId: unknown = 0) => native.load(anything(options), anything(jobId));
  expect(() => load(undefined)).toThrow(/options is undefined; expected an object/);
  expect(() => load([])).toThrow(TypeError);
  expect(() => load({})).toThrow(/options\.model is undefined; expected a string/);
  expect(() => load({ model: "x", threads: 1.5 })).toThrow(RangeError);
  expect(() => load({ model: "x", trainable: "some" })).toThrow(/expected one of "none", "lora", "full"/);
  expect(() => load({ model: "x", lora: { targets: "q_proj" } })).toThrow(/lora\.targets is the string q_proj/);
  expect(() => load({ model: "x" }, "one")).toThrow(/jobId/);
  expect(() => load({ model: "x" }, -1)).toThrow(RangeError);
  expect(() => native.setErrorClass(anything(3))).toThrow(TypeError);
  expect(() => new (native.NativePolicy as unknown as new () => unknown)()).toThrow(/comes from load/);
});

test("native methods refuse wrong arrays, wrong receivers and bad keys", async () => {
  const policy = await native.load(loadOptions(), 1_000_000);
  const generate = (request: unknown) => policy.generate(anything(request), 1_000_001);
  const withIds = (value: unknown) => generate({ prompts: [{ ids: value, key: 0n }] });
  expect(() => withIds([1, 2, 3])).toThrow(/prompts\[0\]\.ids is an array; expected an Int32Array/);
  expect(() => withIds(new Float32Array(2))).toThrow(/is Float32Array; expected an Int32Array/);
  expect(() => withIds(new Uint32Array(2))).toThrow(TypeError);
  expect(() => generate({ prompts: [{ ids: ids(2), key: 1 }] })).toThrow(/key is the value 1; expected a bigint/);
  expect(() => generate({ prompts: [{ ids: ids(2), key: -1n }] })).toThrow(RangeError);
  expect(() => generate({ prompts: "none" })).toThrow(TypeError);
  expect(() => policy.generate.call(anything({}), generateRequest(), 1)).toThrow();
  expect(() => policy.accumulate(anything({ groups: [], loss: { kind: "love" } }), 1)).toThrow(/loss\.kind/);
  expect(() => policy.setParameter("a", anything(new Float32Array(1)), 1)).toThrow(/expected a Float64Array/);
  policy.close();
  policy.close();
  expect(() => policy.zeroGradients(1)).toThrow(expect.objectContaining({ code: "RLVR_DISPOSED" }));
});

test("an array whose buffer was transferred counts as empty, which the engine refuses", async () => {
  await using policy = await Policy.load(loadOptions());
  const detached = ids(3);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  await expect(policy.generate(generateRequest({ prompts: [{ ids: detached, key: 0n }] }))).rejects.toThrow(RangeError);
});

test("cancelling a job that does not run does nothing", () => {
  expect(native.cancel(123_456_789)).toBeUndefined();
});
