// What `rlvr plan` says is what a run takes, and a run never grows.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { trainGrpo } from "../../src/recipes/grpo.ts";
import { openSession } from "../../src/recipes/session.ts";

const overrides = ["batch.steps=200", "sampling.num_generations=4", "evaluation.questions=20", "loss.beta=0.04"];

async function plannedBytes(extra: readonly string[] = []): Promise<number> {
  const file = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  const sets = [...overrides, ...extra];
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--experimental-strip-types",
    file,
    "plan",
    "configs/quickstart.yaml",
    ...sets,
    "--json",
  ]);
  return JSON.parse(stdout).memory_bytes.total;
}

test("200 steps of the quickstart take the bytes that rlvr plan prints, and memory never grows", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rlvr-memory-"));
  try {
    const { config } = await loadConfig("configs/quickstart.yaml", [...overrides, `output.dir=${join(folder, "run")}`]);
    await using session = await openSession(config, "lora");
    const { steps } = await trainGrpo(config, { session });
    expect(steps).toBe(200);
    const { arenaGrowths, peakBytes, currentBytes } = session.policy.memory();
    expect(arenaGrowths).toBe(0);
    expect(currentBytes).toBe(peakBytes);
    const planned = await plannedBytes();
    expect(Math.abs(peakBytes - planned)).toBeLessThan(0.05 * planned);
    // Longer completions are planned larger: or the plan read no config.
    expect(await plannedBytes(["sampling.max_new_tokens=400"])).toBeGreaterThan(1.1 * planned);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 900_000);

test("a memory limit under the plan ends a run before its first step and says what to lower", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rlvr-memory-"));
  try {
    const limit = Math.floor((await plannedBytes()) * 0.99);
    const { config } = await loadConfig("configs/quickstart.yaml", [
      ...overrides,
      `output.dir=${join(folder, "run")}`,
      `model.memory_limit=${limit}`,
    ]);
    const events: string[] = [];
    const run = trainGrpo(config, { onEvent: (event) => events.push(event.kind) });
    await expect(run).rejects.toMatchObject({
      code: "RLVR_OUT_OF_MEMORY",
      message: expect.stringMatching(/the longest case needs .*max_new_tokens/),
    });
    expect(events).not.toContain("step");
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);
