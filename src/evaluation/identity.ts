// What makes two answers comparable: the bytes of the model, the bytes of the adapter, the protocol.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { RlvrError } from "../errors.ts";
import { doing } from "../run/files.ts";

// Files of a model folder that decide what the model answers; everything else in it is documentation.
const modelFilePattern = /(?:\.safetensors|\.gguf|^config\.json|^tokenizer\.json|^generation_config\.json)$/;

/** sha256 of a model: of its .gguf file, or of the names and contents of a folder's weights, config and tokenizer. */
export async function modelHash(model: string): Promise<string> {
  const found = await stat(model).catch((cause: unknown) => {
    throw new RlvrError("RLVR_NOT_FOUND", `[evaluate] there is no model ${model}`, { cause });
  });
  if (!found.isDirectory()) return await hashFiles([model]);
  const names = (await readdir(model)).filter((name) => modelFilePattern.test(name)).sort();
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
      `[evaluate] the adapter ${folder} has no ${missing.join(" and no ")}; expected a PEFT folder, such as runs/…/adapter`,
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
