// What `rlvr plan` says is what a run takes, and a run never grows.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Console } from "../../src/cli/console.ts";
import { plan } from "../../src/cli/plan.ts";
import { loadConfig } from "../../src/config/load.ts";
import { trainGrpo } from "../../src/recipes/grpo.ts";
import { openSession } from "../../src/recipes/session.ts";

// Short completions, so that 200 steps take little time; the base model needs more tokens to earn rewards.
const overrides = [
  ...["batch.steps=200", "sampling.num_generations=2", "sampling.max_new_tokens=12", "loss.beta=0.04"],
  ...["evaluation.questions=4", "guards.on_no_signal=warn"],
];

interface PlannedBytes {
  weights: number;
  adapter_and_optimizer: number;
  kernels: number;
  total: number;
}

async function plannedBytes(extra: readonly string[] = []): Promise<PlannedBytes> {
  let planned: PlannedBytes | undefined;
  const result = (json: { memory_bytes: PlannedBytes }) => {
    planned = json.memory_bytes;
  };
  await plan("configs/quickstart.yaml", [...overrides, ...extra], { result } as unknown as Console);
  if (planned === undefined) throw new Error("rlvr plan gave no result");
  return planned;
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
    const planned = (await plannedBytes()).total;
    expect(Math.abs(peakBytes - planned)).toBeLessThan(0.05 * planned);
    // Longer completions are planned larger: or the plan read no config.
    expect((await plannedBytes(["sampling.max_new_tokens=180"])).total).toBeGreaterThan(1.1 * planned);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 900_000);

test("a memory limit under the plan ends a run before its first step and says what to lower", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rlvr-memory-"));
  try {
    const { weights, adapter_and_optimizer, kernels } = await plannedBytes();
    const limit = weights + adapter_and_optimizer + kernels + 100_000; // loads, and has no room to run
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
