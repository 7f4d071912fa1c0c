// A Hugging Face tokenizer folder with the pieces of a SentencePiece GGUF file: its merges are every way to make a piece of
// two others, in the order of the converters.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readGgufMetadata } from "../../../src/text/gguf-metadata.ts";
import type { StringList } from "../../../src/text/token-table.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const [unknown, control, userDefined, byte] = [2, 3, 4, 6];

interface Merge {
  readonly left: string;
  readonly right: string;
  readonly score: number;
  readonly id: number;
}

export function writeGemmaFolder(ggufFile: string): string {
  const metadata = readGgufMetadata(ggufFile);
  const tokens = [...(metadata.get("tokenizer.ggml.tokens") as StringList)];
  const types = metadata.get("tokenizer.ggml.token_type") as number[];
  const scores = metadata.get("tokenizer.ggml.scores") as number[];
  const spelled = tokens.map((token, id) =>
    types[id] === userDefined && /^ +$/.test(token) ? "▁".repeat(token.length) : token,
  );
  const pieces = new Map<string, number>();
  for (const [id, token] of spelled.entries()) {
    if (![unknown, control, byte].includes(types[id] as number)) pieces.set(token, id);
  }
  const merges: Merge[] = [];
  for (const [piece, id] of pieces) {
    const characters = [...piece];
    let left = "";
    for (const character of characters.slice(0, -1)) {
      left += character;
      const right = piece.slice(left.length);
      const score = types[id] === userDefined ? 0 : (scores[id] as number);
      if (pieces.has(left) && pieces.has(right)) merges.push({ left, right, score, id });
    }
  }
  const length = (text: string) => [...text].length;
  merges.sort(
    (a, b) => b.score - a.score || length(b.left) - length(a.left) || length(b.right) - length(a.right) || a.id - b.id,
  );
  const added = spelled.flatMap((content, id) => {
    const special = types[id] === control || types[id] === unknown;
    if (!special && types[id] !== userDefined) return [];
    return [{ id, content, special, normalized: false, lstrip: false, rstrip: false, single_word: false }];
  });
  const folder = temporaryFolder("gemma");
  const file = {
    added_tokens: added,
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      unk_token: "<unk>",
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(spelled.map((token, id) => [token, id])),
      merges: merges.map(({ left, right }) => [left, right]),
    },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(file));
  return folder;
}
