// Opens the tokenizer of a model on disk, whichever of the two formats it has.

import { stat } from "node:fs/promises";
import { ioError, RlvrError } from "../errors.ts";
import type { BuiltInTemplate } from "./built-in-templates.ts";
import { readGgufMetadata } from "./gguf-metadata.ts";
import { ggufTokenizerSource } from "./gguf-tokenizer.ts";
import { folderTokenizerSource } from "./hf-tokenizer.ts";
import { makeTokenizer, type Tokenizer } from "./tokenizer.ts";

export type LoadTokenizerOptions = {
  /** A built-in chat template in place of the model's own. Without it a model that brings none has no `chat`. */
  template?: BuiltInTemplate;
};

/**
 * The tokenizer and chat template of a model: a Hugging Face folder, or a .gguf file.
 *
 * @throws RlvrError RLVR_NOT_FOUND, RLVR_BAD_CHECKPOINT, RLVR_BAD_TEMPLATE or RLVR_IO.
 */
export async function loadTokenizer(modelPath: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  if (await isFolder(modelPath)) return makeTokenizer(await folderTokenizerSource(modelPath), options.template);
  return makeTokenizer(ggufTokenizerSource(readGgufMetadata(modelPath), modelPath), options.template);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      throw new RlvrError(
        "RLVR_NOT_FOUND",
        `[tokenizer] opening ${path}: there is no such file or folder; expected a model folder or a .gguf file.`,
        { cause },
      );
    }
    throw ioError(`opening ${path}`, cause);
  }
}
