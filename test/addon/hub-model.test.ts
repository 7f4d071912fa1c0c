// A model that is named by its hub id, from the hub into the engine, by the command.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { HubServer } from "../unit/hub/hub-server.ts";

const root = resolve(import.meta.dirname, "../..");

async function rlvr(env: Record<string, string>, ...args: string[]) {
  const run = [join(root, "test/unit/run-with-vite.mjs"), join(root, "src/cli/main.ts"), ...args];
  const child = spawn(process.execPath, run, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  const [status] = (await once(child, "close")) as [number];
  return { status, ...output };
}

test("a hub id answers as the folder does, and again with the hub gone", { timeout: 120_000 }, async () => {
  const folder = join(root, "models/quickstart");
  const files = readdirSync(folder).map((path) => {
    return { path, content: readFileSync(join(folder, path)), isLarge: path.endsWith(".safetensors") };
  });
  const cache = mkdtempSync(join(tmpdir(), "rlvr-hub-model-"));
  onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
  const ask = ["What?", "--greedy", "--json", "sampling.max_new_tokens=8"];
  const tokens = (stdout: string) => JSON.parse(stdout).completions[0].token_ids as number[];

  const server = await HubServer.start(files);
  const env = { HF_ENDPOINT: server.address, HF_HUB_CACHE: cache, HF_TOKEN: "hf_canary", HF_HUB_OFFLINE: "" };
  const online = await rlvr(env, "generate", "some-owner/quickstart", ...ask);
  await server[Symbol.asyncDispose]();
  expect(online.stderr + online.stdout).not.toContain("canary");
  expect(online.status, online.stderr).toBe(0);

  const offline = await rlvr({ ...env, HF_HUB_OFFLINE: "1" }, "generate", "some-owner/quickstart", ...ask);
  const local = await rlvr(env, "generate", folder, ...ask);
  expect(tokens(local.stdout).length).toBeGreaterThan(0);
  expect(tokens(online.stdout)).toEqual(tokens(local.stdout));
  expect(tokens(offline.stdout)).toEqual(tokens(local.stdout));
});
