// The package as its users get it: prebuilt, packed, installed where there is no compiler, imported.
import { existsSync } from "node:fs";
import { readdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyPackage, root, run, type TemporaryFolder, temporaryFolder, withoutCompiler } from "./package-copy.ts";

let source: TemporaryFolder;
let consumer: TemporaryFolder;
let installed: string;

const node = (...args: string[]) => run(process.execPath, args, { cwd: consumer.path, env: withoutCompiler() });

beforeAll(async () => {
  source = await temporaryFolder("source");
  consumer = await temporaryFolder("consumer");
  await copyPackage(source.path);
  await run(process.execPath, ["scripts/prebuild.mjs"], { cwd: source.path });
  await run("npm", ["pack", "--ignore-scripts", "--pack-destination", consumer.path], { cwd: source.path });
  const tarball = (await readdir(consumer.path)).find((file) => file.endsWith(".tgz")) ?? "";
  await writeFile(
    path.join(consumer.path, "package.json"),
    '{ "name": "consumer", "private": true, "type": "module" }',
  );
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", `./${tarball}`], {
    cwd: consumer.path,
    env: withoutCompiler(),
  });
  installed = path.join(consumer.path, "node_modules/rlvr-node");
}, 1_800_000);

afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await consumer[Symbol.asyncDispose]();
});

test("the tarball brings a prebuilt addon and nothing was compiled at install", async () => {
  expect(await readdir(path.join(installed, "prebuilds"))).toEqual([`${process.platform}-${process.arch}`]);
  expect(existsSync(path.join(installed, "build"))).toBe(false);
});

test("the tarball has no tests, sources of TypeScript or runs", async () => {
  const files = await readdir(installed);
  for (const absent of ["src", "test", "runs", "bench", ".ci"]) expect(files).not.toContain(absent);
  for (const present of ["dist", "native", "binding.gyp", "configs", "models"]) expect(files).toContain(present);
});

test("the installed package loads a model and samples", async () => {
  const program = `
    import { Policy } from "rlvr-node";
    const policy = await Policy.load({ model: ${JSON.stringify(path.join(root, "test/golden/models/llama"))} });
    const prompts = [{ ids: Int32Array.of(1, 2, 3), key: 1n }];
    const { groups } = await policy.generate({ prompts, rollouts: 2, maxNewTokens: 5 });
    console.log(groups[0].map((rollout) => rollout.completionIds.length).join());
    await policy.close();
  `;
  const { stdout } = await node("--input-type=module", "-e", program);
  expect(stdout).toBe("5,5\n");
});

test("the installed command answers", async () => {
  const { stdout } = await run("npx", ["--no-install", "rlvr", "--help"], {
    cwd: consumer.path,
    env: withoutCompiler(),
  });
  expect(stdout).toContain("train");
});

test("the shipped types check in a strict program", async () => {
  const program = `
    import { Policy, RlvrError, rewards, trainGrpo, type GenerateResult } from "rlvr-node";
    export async function sample(model: string): Promise<GenerateResult> {
      const policy = await Policy.load({ model, trainable: "lora", lora: { rank: 4, alpha: 8 } });
      return await policy.generate({ prompts: [{ ids: Int32Array.of(1), key: 1n }] });
    }
    export const uses: unknown[] = [trainGrpo, rewards.accuracy, RlvrError];
  `;
  const wrong = 'import { Policy } from "rlvr-node";\nexport const policy = Policy.load({ model: 3 });\n';
  await writeFile(path.join(consumer.path, "right.ts"), program);
  await writeFile(path.join(consumer.path, "wrong.ts"), wrong);
  const tsc = (file: string) =>
    node(
      path.join(root, "node_modules/typescript/bin/tsc"),
      ...["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2023", "--module", "nodenext"],
      ...["--lib", "es2023,esnext.disposable", "--types", "node"],
      ...["--typeRoots", path.join(root, "node_modules/@types"), file],
    );
  await tsc("right.ts");
  // The control: the types are really read.
  await expect(tsc("wrong.ts")).rejects.toMatchObject({ stdout: expect.stringContaining("TS2322") });
});

test("without its prebuilt addon the package says what is missing", async () => {
  const [from, to] = [path.join(installed, "prebuilds"), path.join(installed, "prebuilds-away")];
  await rename(from, to);
  try {
    const program = `
      import { Policy } from "rlvr-node";
      await Policy.load({ model: "x" }).catch((error) => console.log(error.code, error.message));
    `;
    const { stdout } = await node("--input-type=module", "-e", program);
    expect(stdout).toMatch(/^RLVR_NO_ADDON .*npm rebuild rlvr-node/);
  } finally {
    await rename(to, from);
  }
});
