// A byte-level tokenizer.json of a few merges, and a model folder around it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TokenizerJson } from "../../../src/text/bpe-codec.ts";
import type { AddedToken } from "../../../src/text/tokenizer-source.ts";
import { byteAlphabet } from "./gguf-fixture.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const token = (id: number, content: string, special = true, options: Partial<AddedToken> = {}): AddedToken => ({
  id,
  content,
  special,
  normalized: false,
  lstrip: false,
  rstrip: false,
  single_word: false,
  ...options,
});

export const byteId = (character: string) => character.charCodeAt(0);

type TokenizerFile = TokenizerJson & {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
};

/** Ids 0 to 255 are the bytes, 256 is "hi", 257 " hi"; then the special tokens. */
export function tinyTokenizerJson(options: { opensWithBos?: boolean; rstrip?: boolean } = {}): TokenizerFile {
  const vocab: Record<string, number> = {};
  for (const [byte, character] of byteAlphabet().entries()) vocab[character] = byte;
  vocab.hi = 256;
  vocab.Ġhi = 257;
  const opening = [{ SpecialToken: { id: "<bos>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  return {
    added_tokens: [
      token(258, "<bos>"),
      token(259, "<eos>"),
      token(260, "<start_of_turn>"),
      token(261, "<end_of_turn>", true, { rstrip: options.rstrip ?? false }),
      token(262, "<think>", false),
      token(263, "<|im_end|>"),
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: options.opensWithBos
      ? { type: "TemplateProcessing", single: opening, pair: [], special_tokens: {} }
      : null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab,
      merges: [
        ["h", "i"],
        ["Ġ", "hi"],
      ],
    },
  };
}

/** A model folder with the given files; objects are written as JSON. */
export function writeFolder(files: Record<string, unknown>): string {
  const folder = temporaryFolder("tokenizer");
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}
