import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type PretrainProgress, pretrainDefaults, pretrainEmbedded } from "../../../src/embedded/pretrain.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rlvr-pretrain-test-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const small = { ...pretrainDefaults, carefulSteps: 10, mixtureSteps: 2, batchSize: 4, warmupSteps: 2 };

// Seconds on a quiet machine.
describe("pretraining", { timeout: 300_000 }, () => {
  it("lowers the loss from that of a model that knows nothing, and writes a whole model folder", async () => {
    const seen: PretrainProgress[] = [];
    const result = await pretrainEmbedded(
      { ...small, output: folder },
      { onProgress: (progress) => seen.push(progress) },
    );
    expect((await readdir(folder)).sort()).toEqual([
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(result.parameters).toBe(854_272);
    expect(seen.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const losses = seen.map(({ loss }) => loss);
    // Guessing among 511 tokens costs ln 511 = 6.2; a model with random weights is no better.
    expect(losses[0]).toBeGreaterThan(5.5);
    expect(losses[9]).toBeLessThan(4.5);
  });

  it("makes the same weights from the same seed, and others from another", async () => {
    const hash = async (name: string, seed: number) =>
      (await pretrainEmbedded({ ...small, carefulSteps: 2, seed, output: join(folder, name) })).sha256;
    const first = await hash("a", 1);
    expect(await hash("b", 1)).toBe(first);
    expect(await hash("c", 2)).not.toBe(first);
  });

  it("leaves no weights behind when it is aborted", async () => {
    const controller = new AbortController();
    const run = pretrainEmbedded(
      { ...small, output: folder },
      { signal: controller.signal, onProgress: ({ step }) => step === 2 && controller.abort() },
    );
    await expect(run).rejects.toMatchObject({ code: "RLVR_ABORTED" });
    await expect(access(join(folder, "model.safetensors"))).rejects.toThrow("ENOENT");
  });
});
