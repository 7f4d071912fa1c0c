// Which files of a model's repository the engine and the tokenizer read.
import { RlvrError } from "../errors.ts";

const small = new Set([
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
]);
const index = "model.safetensors.index.json";

/** Whether a file in a model folder's root decides what the model answers; everything else there is documentation. */
export function isModelFile(name: string): boolean {
  return small.has(name) || name === index || name.endsWith(".safetensors");
}

/**
 * Config, tokenizer and safetensors in the repository's root; other formats of the same weights are left alone.
 * Throws RLVR_UNSUPPORTED_OP for a repository without safetensors.
 */
export function modelFiles(id: string): (paths: readonly string[]) => string[] {
  return (paths) => {
    const isSharded = paths.includes(index);
    const weights = paths.filter((path) =>
      isSharded ? /^model-\d+-of-\d+\.safetensors$/.test(path) : path === "model.safetensors",
    );
    if (weights.length === 0 || !paths.includes("config.json")) {
      const shown = paths.slice(0, 8).join(", ");
      throw new RlvrError(
        "RLVR_UNSUPPORTED_OP",
        `[hub] ${id} has no config.json with model.safetensors or its shards; it has ${shown}${paths.length > 8 ? ", …" : ""}. ` +
          "Choose a repository with safetensors, or download a GGUF file and name its path.",
      );
    }
    return paths.filter((path) => small.has(path) || (isSharded && path === index) || weights.includes(path));
  };
}
