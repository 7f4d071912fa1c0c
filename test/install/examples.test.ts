// The examples as a reader runs them, from the checkout.
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { root } from "./package-copy.ts";

test("examples/embed.mjs loads, samples, scores, trains a step and saves an adapter", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(root, "examples/embed.mjs")], {
    cwd: root,
  });
  expect(stdout).toMatch(/^gemma3, \d+ parameters/);
  expect(stdout.match(/^advantage .*logprob -?\d+\.\d+ -> -?\d+\.\d+$/gm)).toHaveLength(8);
  expect(stdout).toMatch(/adapter saved to /);
});
