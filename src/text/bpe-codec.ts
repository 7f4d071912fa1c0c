// BPE tokenizers in the form of tokenizer.json. @huggingface/tokenizers does what comes before and after the model: added
// tokens, normalizer, pre-tokenizer, decoder. The model is our own: the library builds its maps for seconds.

import { Tokenizer as Library } from "@huggingface/tokenizers";
import { RlvrError } from "../errors.ts";
import { Bpe, UnknownPieceError } from "./bpe.ts";
import type { MergeTable } from "./merge-table.ts";
import type { TokenTable } from "./token-table.ts";
import type { AddedToken, PlainCodec, Vocabulary } from "./tokenizer-source.ts";

/** The parts of tokenizer.json that are looked at here; the rest goes to the library as it is. */
export type TokenizerJson = {
  added_tokens: AddedToken[];
  normalizer: unknown;
  pre_tokenizer: unknown;
  post_processor: unknown;
  decoder: unknown;
  model: {
    type?: string;
    unk_token?: string | null;
    byte_fallback?: boolean;
    ignore_merges?: boolean;
    fuse_unk?: boolean;
    continuing_subword_prefix?: string | null;
    end_of_word_suffix?: string | null;
  };
};

/** What the library asks of its model. */
type LibraryModel = ((words: string[]) => number[]) & { tokens_to_ids: { get(id: number): number } };

/** @throws RlvrError RLVR_BAD_CHECKPOINT when the library refuses the tokenizer. */
export function openBpeCodec(
  json: TokenizerJson,
  table: TokenTable,
  merges: MergeTable,
  vocabulary: Vocabulary,
  added: AddedToken[],
  origin: string,
): PlainCodec {
  const { model } = json;
  const unknown = model.unk_token ?? undefined;
  const bpe = new Bpe(table, merges, {
    ignoreMerges: model.ignore_merges === true,
    byteFallback: model.byte_fallback === true,
    unknownId: unknown === undefined ? undefined : vocabulary.idOf(unknown),
    fusesUnknown: model.fuse_unk === true,
  });
  const library = openLibrary(json, added, origin);
  // Words become ids at once: the library passes on what its model gives, and asks for the id of an id.
  const encodeWords = (words: string[]) => words.flatMap((word) => bpe.encode(word));
  const stand = Object.assign(encodeWords, { tokens_to_ids: { get: (id: number) => id } }) satisfies LibraryModel;
  library.model = stand as unknown as Library["model"];
  return {
    encode: (text) => {
      try {
        return library.encode(text, { add_special_tokens: false }).ids;
      } catch (cause) {
        if (!(cause instanceof UnknownPieceError)) throw cause;
        throw new RlvrError(
          "RLVR_BAD_CHECKPOINT",
          `[tokenizer] encoding with ${origin}: a piece of text has no token, and there is no unknown token.`,
        );
      }
    },
    decode: (ids) => {
      const tokens = ids.map((id) => vocabulary.tokenOf(id) ?? unknown ?? "");
      return library.decoder === null ? tokens.join(" ") : (library.decoder as unknown as Decode)(tokens);
    },
  };
}

type Decode = (tokens: string[]) => string;

function openLibrary(json: TokenizerJson, added: AddedToken[], origin: string): Library {
  const model = { type: "BPE", vocab: {}, merges: [], unk_token: null, end_of_word_suffix: "" };
  const pre_tokenizer = withUnicodeDigits(json.pre_tokenizer);
  try {
    return new Library({ ...json, model, pre_tokenizer, added_tokens: added, post_processor: null }, {});
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError("RLVR_BAD_CHECKPOINT", `[tokenizer] reading ${origin}: ${reason}.`, { cause });
  }
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
