// Byte-level and other BPE tokenizers in the form of tokenizer.json, run by @huggingface/tokenizers.

import { Tokenizer as Library } from "@huggingface/tokenizers";
import { RlvrError } from "../errors.ts";
import type { AddedToken, PlainCodec } from "./tokenizer-source.ts";

/** The parts of tokenizer.json that are looked at here; the rest goes to the library as it is. */
export type TokenizerJson = {
  added_tokens: AddedToken[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  post_processor: unknown;
  decoder: unknown;
  model: {
    type?: string;
    vocab: Record<string, number>;
    merges: (string | [string, string])[];
    unk_token?: string | null;
    byte_fallback?: boolean;
    ignore_merges?: boolean;
    fuse_unk?: boolean;
  };
};

/** @throws RlvrError RLVR_BAD_CHECKPOINT when the library refuses the tokenizer. */
export function openLibraryCodec(json: TokenizerJson, added: AddedToken[], origin: string): PlainCodec {
  let library: Library;
  try {
    const preTokenizer = withUnicodeDigits(json.pre_tokenizer);
    library = new Library({ ...json, pre_tokenizer: preTokenizer, added_tokens: added, post_processor: null }, {});
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError("RLVR_BAD_CHECKPOINT", `[tokenizer] reading ${origin}: ${reason}.`, { cause });
  }
  return {
    encode: (text) => {
      const ids: (number | undefined)[] = library.encode(text, { add_special_tokens: false }).ids;
      if (!ids.includes(undefined)) return ids as number[];
      throw new RlvrError(
        "RLVR_BAD_CHECKPOINT",
        `[tokenizer] encoding with ${origin}: a piece of text has no token, and there is no unknown token.`,
      );
    },
    // The library's "clean up" of spaces would change what was generated.
    decode: (ids) => library.decode(ids, { clean_up_tokenization_spaces: false }),
  };
}

/** "Digits" cuts at every numeric character (½, ², Ⅷ); the library would cut at decimal digits only. */
function withUnicodeDigits(preTokenizer: unknown): unknown {
  if (typeof preTokenizer !== "object" || preTokenizer === null || !("type" in preTokenizer)) return preTokenizer;
  if ("pretokenizers" in preTokenizer && Array.isArray(preTokenizer.pretokenizers)) {
    return { ...preTokenizer, pretokenizers: preTokenizer.pretokenizers.map(withUnicodeDigits) };
  }
  if (preTokenizer.type !== "Digits") return preTokenizer;
  const single = "individual_digits" in preTokenizer && preTokenizer.individual_digits === true;
  const pattern = { Regex: single ? "\\p{N}" : "\\p{N}+" };
  return { type: "Split", pattern, behavior: "Isolated", invert: false };
}
