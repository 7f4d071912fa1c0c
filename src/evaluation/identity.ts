// What makes two answers comparable: the bytes of the model, the bytes of the adapter, the protocol.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { RlvrError } from "../errors.ts";
import { isModelFile } from "../hub/model-files.ts";
import { doing } from "../run/files.ts";

/**
 * sha256 of a model, hex: of its .gguf file, or of the names and contents of a folder's weights, configs, tokenizer and
 * chat template. All bytes count, since fine-tunes of one model differ in some layers only. Moving it changes nothing.
 */
export async function modelHash(model: string): Promise<string> {
  const missing = (what: string, cause?: unknown) =>
    new RlvrError("RLVR_NOT_FOUND", `[model] ${what}; expected a model folder or a .gguf file`, { cause });
  const found = await stat(model).catch((cause: unknown) => {
    throw missing(`there is no ${model}`, cause);
  });
  if (!found.isDirectory()) return await hashFiles([model]);
  const names = (await readdir(model)).filter(isModelFile).sort();
  if (names.length === 0) throw missing(`${model} has no weights and no config.json`);
  return await hashFiles(names.map((name) => join(model, name)));
}

/** sha256 of a PEFT folder's two files. Throws RLVR_NOT_FOUND when it is none. */
export async function adapterHash(folder: string): Promise<string> {
  const names = ["adapter_config.json", "adapter_model.safetensors"];
  const present = await readdir(folder).catch(() => [] as string[]);
  const missing = names.filter((name) => !present.includes(name));
  if (missing.length > 0)
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[adapter] ${folder} has no ${missing.join(" and no ")}; expected a PEFT folder, such as runs/…/adapter`,
    );
  return await hashFiles(names.map((name) => join(folder, name)));
}

/** The key of an answer: the first 16 hex digits of the sha256 of what it depends on. */
export function answerKey(model: string, adapter: string | null, protocol: string): string {
  return createHash("sha256")
    .update([model, adapter ?? "", protocol].join("\n"))
    .digest("hex")
    .slice(0, 16);
}

async function hashFiles(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(files.length === 1 ? "" : `${basename(file)}\n`);
    await doing(`reading ${file}`, async () => {
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    });
  }
  return hash.digest("hex");
}
