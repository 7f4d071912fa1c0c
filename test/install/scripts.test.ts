// npm runs a script called "pretrain" before every "train": there it must do nothing, and alone it must do its work.
import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { root, run, temporaryFolder, withoutCompiler } from "./package-copy.ts";

test.each([
  [["run", "train"], "train\n"],
  [["run", "train", "--", "batch.steps=4"], "train batch.steps=4\n"],
  [["run-script", "train"], "train\n"],
  [["run", "pretrain"], "pretrain\n"],
  [["run", "pretrain", "--", "seed=2"], "pretrain seed=2\n"],
])("npm %j runs %j and nothing else", async (args, expected) => {
  await using folder = await temporaryFolder("scripts");
  const scripts = { train: "node dist/cli/main.js train", pretrain: "node scripts/pretrain.mjs" };
  await writeFile(path.join(folder.path, "package.json"), JSON.stringify({ name: "x", version: "1.0.0", scripts }));
  await mkdir(path.join(folder.path, "dist/cli"), { recursive: true });
  await writeFile(path.join(folder.path, "dist/cli/main.js"), "console.log(process.argv.slice(2).join(' '))");
  await cp(path.join(root, "scripts/pretrain.mjs"), path.join(folder.path, "scripts/pretrain.mjs"));
  const { stdout } = await run("npm", ["--silent", ...args], { cwd: folder.path, env: withoutCompiler() });
  expect(stdout).toBe(expected);
});
