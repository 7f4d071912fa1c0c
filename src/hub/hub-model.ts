// A model by path or by hub id, as a local path.
import { existsSync } from "node:fs";
import { RlvrError } from "../errors.ts";
import { modelFiles } from "./model-files.ts";
import { parseRepository } from "./repository.ts";
import { hubSnapshot, type SnapshotOptions } from "./snapshot.ts";

// One look at the hub a process: a run asks for the same model for its tokenizer, its shape and its weights.
const found = new Map<string, string>();

/**
 * `model` itself when such a file or folder exists; else, as "owner/name[@revision]", the folder of that model's files,
 * downloaded if needed. Throws RLVR_NOT_FOUND for a path with nothing there, and what hubSnapshot throws, with both
 * readings of `model` named.
 */
export async function localModel(model: string, options: SnapshotOptions = {}): Promise<string> {
  const repository = parseRepository(model, "model");
  if (existsSync(model)) return model;
  if (repository === undefined) {
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[model] there is no ${model}; expected a safetensors folder or a .gguf file. Name another one with model.path=… ` +
        "(--model in rlvr evaluate), or bring a model from the hub with rlvr download owner/name and set model.path=owner/name",
    );
  }
  const known = found.get(model);
  if (known !== undefined && existsSync(known)) return known;
  try {
    const { folder } = await hubSnapshot(repository, modelFiles(repository.id), options);
    found.set(model, folder);
    return folder;
  } catch (error) {
    if (!(error instanceof RlvrError)) throw error;
    throw new RlvrError(
      error.code,
      `${error.message}\n  (There is no file or folder ${model} here, so it was taken as a hub id.)`,
      {
        cause: error,
      },
    );
  }
}
