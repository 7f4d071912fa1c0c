// The pre-tokenizer that each `tokenizer.ggml.pre` name stands for, as published with the tokenizers themselves.

import { RlvrError } from "../errors.ts";

export type PreTokenizer = {
  /** tokenizer.json form: splits, then bytes as visible characters. */
  json: unknown;
  /** A word that is a token of its own is kept even when no merges lead to it. */
  ignoreMerges: boolean;
  /** A BOS is added unless the file says otherwise. */
  addsBos: boolean;
  normalizer: unknown;
};

// GPT-2: contractions, letters, digits, other signs, each with at most one leading space.
const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

// cl100k_base of tiktoken; the families differ only in how many digits stand together.
const cl100k = (digits: string) =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const split = (regex: string) => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false });
const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
const sequence = (...pretokenizers: unknown[]) => ({ type: "Sequence", pretokenizers: [...pretokenizers, bytes] });

const plain = { ignoreMerges: false, addsBos: false, normalizer: null };
const gpt2Words: PreTokenizer = { json: sequence(split(gpt2)), ...plain };
const digitByDigit: PreTokenizer = {
  json: sequence(split(String.raw`\p{N}`), split(gpt2)),
  ...plain,
};
const threeDigits: PreTokenizer = { json: sequence(split(cl100k(String.raw`\p{N}{1,3}`))), ...plain };
const qwen2: PreTokenizer = {
  json: sequence(split(cl100k(String.raw`\p{N}`))),
  ...plain,
  normalizer: { type: "NFC" },
};
const llama3: PreTokenizer = { ...threeDigits, ignoreMerges: true, addsBos: true };

// What llama.cpp applies when a converter did not know the tokenizer.
const unnamed: PreTokenizer = {
  json: sequence(
    split(String.raw`[\p{P}\$\+<=>\^~\|]+`),
    split(gpt2),
    split(String.raw`\p{N}+`),
    split("[0-9][0-9][0-9]"),
  ),
  ...plain,
};

const byName: ReadonlyMap<string, PreTokenizer> = new Map([
  ["default", unnamed],
  ["gpt-2", gpt2Words],
  ["phi-2", gpt2Words],
  ["smollm", digitByDigit],
  ["llama-bpe", llama3],
  ["llama-v3", llama3],
  ["llama3", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
  ["dbrx", threeDigits], // Phi-4
  ["smaug-bpe", threeDigits],
]);

/**
 * The pre-tokenizer named by the metadata of a GGUF file.
 *
 * @throws RlvrError RLVR_BAD_CHECKPOINT for a name that is not known: a near guess would change the ids in silence.
 */
export function preTokenizerNamed(name: string, origin: string): PreTokenizer {
  const found = byName.get(name);
  if (found === undefined) {
    throw new RlvrError(
      "RLVR_BAD_CHECKPOINT",
      `[gguf] ${origin}: pre-tokenizer ${JSON.stringify(name)} is not known; known are ${[...byName.keys()].join(", ")}.\n` +
        "       Load the safetensors folder with its tokenizer.json, or convert the file again with a current llama.cpp.",
    );
  }
  return found;
}
