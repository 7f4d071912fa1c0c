import { afterEach, beforeEach, expect, test } from "vitest";
import { Policy } from "../../src/engine/policy.ts";
import { RlvrError } from "../../src/errors.ts";
import { endlessRequest, generateRequest, loadOptions, loraOptions } from "./tiny.ts";

let policy: Policy;
beforeEach(async () => {
  policy = await Policy.load(loraOptions());
});
afterEach(() => policy.close());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("an aborted call stops soon, with the signal's reason as the cause, and the policy goes on", async () => {
  const controller = new AbortController();
  const running = policy.generate(endlessRequest(), { signal: controller.signal });
  await pause(50);
  const reason = new Error("the user left");
  const start = performance.now();
  controller.abort(reason);
  const error = await running.catch((thrown: unknown) => thrown);
  expect(performance.now() - start).toBeLessThan(2000);
  expect(error).toBeInstanceOf(RlvrError);
  expect(error).toMatchObject({ code: "RLVR_ABORTED", cause: reason });
  expect((await policy.generate(generateRequest())).groups.length).toBe(2);
});

test("a signal that has aborted already starts nothing", async () => {
  const signal = AbortSignal.abort();
  await expect(policy.generate(endlessRequest(), { signal })).rejects.toMatchObject({ code: "RLVR_ABORTED" });
  await expect(Policy.load(loadOptions(), { signal })).rejects.toMatchObject({ code: "RLVR_ABORTED" });
});

test("a second call while one runs is RLVR_BUSY and leaves the first alone", async () => {
  const controller = new AbortController();
  const running = policy.generate(endlessRequest(), { signal: controller.signal });
  await expect(policy.generate(generateRequest())).rejects.toMatchObject({ code: "RLVR_BUSY" });
  await expect(policy.zeroGradients()).rejects.toMatchObject({ code: "RLVR_BUSY" });
  expect(() => policy.memory()).toThrow(expect.objectContaining({ code: "RLVR_BUSY" }));
  controller.abort();
  await expect(running).rejects.toMatchObject({ code: "RLVR_ABORTED" });
});

test("progress rises to the total", async () => {
  const seen: [number, number][] = [];
  await policy.generate(generateRequest(), { onProgress: (done, total) => seen.push([done, total]) });
  const dones = seen.map(([done]) => done);
  expect(dones).toEqual([...dones].sort((a, b) => a - b));
  const [done, total] = seen.at(-1) ?? [0, -1];
  expect(done).toBe(total);
});

test("progress comes at most about 50 times a second", async () => {
  let calls = 0;
  const controller = new AbortController();
  const running = policy.generate(endlessRequest(), { signal: controller.signal, onProgress: () => ++calls });
  await pause(500);
  controller.abort();
  await expect(running).rejects.toThrow();
  expect(calls).toBeGreaterThan(2);
  expect(calls).toBeLessThanOrEqual(30);
});

test("what a progress callback throws rejects the call", async () => {
  const onProgress = () => {
    throw new Error("from the callback");
  };
  await expect(policy.generate(endlessRequest(), { onProgress })).rejects.toThrow("from the callback");
});

test("the event loop stays free while the engine works", async () => {
  const controller = new AbortController();
  const running = policy.generate(endlessRequest(), { signal: controller.signal });
  let ticks = 0;
  const timer = setInterval(() => ++ticks, 5);
  await pause(400);
  clearInterval(timer);
  controller.abort();
  await expect(running).rejects.toThrow();
  expect(ticks).toBeGreaterThan(20);
});

test("closing stops a running call, which is RLVR_DISPOSED", async () => {
  const running = policy.generate(endlessRequest());
  const outcome = running.catch((error: unknown) => error);
  await pause(20);
  await policy.close();
  expect(await outcome).toMatchObject({ code: "RLVR_DISPOSED" });
});

test("closing twice is harmless and using a closed policy is RLVR_DISPOSED", async () => {
  await policy.close();
  await policy.close();
  expect(policy.isClosed).toBe(true);
  await expect(policy.generate(generateRequest())).rejects.toMatchObject({ code: "RLVR_DISPOSED" });
  await expect(policy.update({ learningRate: 1 })).rejects.toMatchObject({ code: "RLVR_DISPOSED" });
  expect(() => policy.memory()).toThrow(expect.objectContaining({ code: "RLVR_DISPOSED" }));
  expect(policy.info.family).toBe("llama");
});

test("two policies work at the same time", async () => {
  await using other = await Policy.load(loraOptions());
  const [a, b] = await Promise.all([policy.generate(generateRequest()), other.generate(generateRequest())]);
  expect(a.groups).toEqual(b.groups);
});

test("an error of the engine has its code and the caller's stack", async () => {
  const error = await policy.loadState("/nowhere/state.safetensors").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RlvrError);
  expect((error as Error).stack).toContain("jobs.test.ts");
});
