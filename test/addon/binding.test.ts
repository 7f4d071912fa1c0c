import { expect, test } from "vitest";
import { bindingExports, nativeBinding, policyMethods } from "../../src/native/binding.ts";

test("the addon exports exactly what binding.ts declares", () => {
  expect(Object.keys(nativeBinding()).sort()).toEqual([...bindingExports].sort());
});

test("NativePolicy has exactly the methods that binding.ts declares", () => {
  const names = Object.getOwnPropertyNames(nativeBinding().NativePolicy.prototype);
  expect(names.filter((name) => name !== "constructor").sort()).toEqual([...policyMethods].sort());
});

test("the backends and instruction sets of this machine have names", () => {
  expect(nativeBinding().backends()).toEqual(["cpu", "cuda", "cuda-emulated", "reference", "reference-f64"]);
  expect(nativeBinding().cpuIsas()[0]).toBe("baseline");
});
