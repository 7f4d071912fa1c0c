import { expect, test } from "vitest";
import { errorCodes, exitStatusOf, ioError, RlvrError } from "../../src/errors.ts";

test("each kind of failure has its exit status", () => {
  const statuses = Object.fromEntries(errorCodes.map((code) => [code, exitStatusOf(new RlvrError(code, "x"))]));
  expect(statuses).toMatchObject({
    RLVR_INTERNAL: 1,
    RLVR_IO: 1,
    RLVR_LOCKED: 1,
    RLVR_USAGE: 2,
    RLVR_BAD_CONFIG: 2,
    RLVR_NO_ADDON: 3,
    RLVR_CUDA: 3,
    RLVR_OUT_OF_MEMORY: 4,
    RLVR_BAD_DATA: 5,
    RLVR_BAD_CHECKPOINT: 5,
    RLVR_ABORTED: 130,
  });
});

test("what is not an RlvrError exits with 1, an abort with 130", () => {
  expect(exitStatusOf(new Error("x"))).toBe(1);
  expect(exitStatusOf("x")).toBe(1);
  expect(exitStatusOf(new DOMException("stop", "AbortError"))).toBe(130);
});

test("an RlvrError keeps its code and its cause", () => {
  const cause = new Error("inner");
  const error = new RlvrError("RLVR_IO", "outer", { cause });
  expect([error.name, error.code, error.message, error.cause]).toEqual(["RlvrError", "RLVR_IO", "outer", cause]);
});

test("a full disk is said in words, with the system's code", () => {
  const cause = Object.assign(new Error("write"), { code: "ENOSPC" });
  const error = ioError("writing runs/a/metrics.jsonl", cause);
  expect(error.code).toBe("RLVR_IO");
  expect(error.message).toBe(
    "[io] writing runs/a/metrics.jsonl: the disk is full; free some space or choose another folder with output.dir " +
      "(ENOSPC)",
  );
});

test("an RlvrError passes through ioError unchanged", () => {
  const error = new RlvrError("RLVR_BAD_DATA", "x");
  expect(ioError("reading", error)).toBe(error);
});
