// The CMake build of the addon: same sources, same exports.
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { bindingExports } from "../../src/native/binding.ts";
import { root, run } from "./package-copy.ts";

beforeAll(async () => {
  await run("npm", ["run", "--silent", "build:cmake"], { cwd: root });
}, 1_800_000);

test("the addon that cmake-js builds loads and exports the same", async () => {
  const file = path.join(root, "build-cmake/Release/rlvr.node");
  const program = `process.stdout.write(Object.keys(require(${JSON.stringify(file)})).sort().join())`;
  const { stdout } = await run(process.execPath, ["-e", program], { cwd: root });
  expect(stdout).toBe([...bindingExports].sort().join());
});
