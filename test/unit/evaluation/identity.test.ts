import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { adapterHash, answerKey, modelHash } from "../../../src/evaluation/identity.ts";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rlvr-identity-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const parts = ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"];

function modelFolder(): string {
  const folder = join(temporaryFolder(), "model");
  mkdirSync(folder);
  for (const name of parts) writeFileSync(join(folder, name), `the ${name}`);
  return folder;
}

test("the same files elsewhere are the same model, and so are those with a README", async () => {
  const [one, two] = [modelFolder(), modelFolder()];
  writeFileSync(join(two, "README.md"), "about it");
  expect(await modelHash(one)).toMatch(/^[0-9a-f]{64}$/);
  expect(await modelHash(two)).toBe(await modelHash(one));
});

test.each(parts)("another %s is another model", async (name) => {
  const folder = modelFolder();
  const before = await modelHash(folder);
  writeFileSync(join(folder, name), "another");
  expect(await modelHash(folder)).not.toBe(before);
});

test("weights of the same size that differ in their last byte are another model", async () => {
  const [one, two] = [join(temporaryFolder(), "a.gguf"), join(temporaryFolder(), "b.gguf")];
  const weights = Buffer.alloc(3 << 20, 7);
  writeFileSync(one, weights);
  copyFileSync(one, two);
  expect(await modelHash(two)).toBe(await modelHash(one));
  weights[weights.length - 1] = 8;
  writeFileSync(two, weights);
  expect(await modelHash(two)).not.toBe(await modelHash(one));
});

test("what is no model and no adapter is refused", async () => {
  const folder = temporaryFolder();
  await expect(modelHash(join(folder, "no"))).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
  await expect(modelHash(folder)).rejects.toMatchObject({ code: "RLVR_NOT_FOUND" });
  await expect(adapterHash(folder)).rejects.toThrow(/has no adapter_config\.json and no adapter_model\.safetensors/);
});

test("a key depends on model, adapter and protocol", () => {
  const keys = [
    answerKey("m", null, "p"),
    answerKey("n", null, "p"),
    answerKey("m", "a", "p"),
    answerKey("m", null, "q"),
  ];
  expect(new Set(keys).size).toBe(4);
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{16}$/);
});
