// models/quickstart is what src/embedded makes, and its card tells the truth about it.
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeModelFiles } from "../../../src/embedded/pretrain.ts";

const packaged = "models/quickstart";

describe("the packaged model", () => {
  it("has the config, tokenizer and chat template that the code writes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rlvr-model-files-"));
    try {
      await writeModelFiles(folder);
      for (const name of ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]) {
        expect(JSON.parse(await readFile(join(packaged, name), "utf8"))).toEqual(
          JSON.parse(await readFile(join(folder, name), "utf8")),
        );
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("has weights of less than 6 MB whose hash stands in the model card", async () => {
    const weights = await readFile(join(packaged, "model.safetensors"));
    const card = await readFile(join(packaged, "MODEL_CARD.md"), "utf8");
    expect(weights.length).toBeLessThan(6_000_000);
    expect(card).toContain(createHash("sha256").update(weights).digest("hex"));
  });
});
