// Text to token ids and back. Special tokens are ids only where the caller says that the text may hold them.

import { type BuiltInTemplate, builtInTemplates } from "./built-in-templates.ts";
import { type ChatTemplate, makeChatTemplate } from "./chat-template.ts";
import { SpecialTokens, type TextPiece } from "./special-tokens.ts";
import type { AddedToken, PlainCodec, TokenizerSource, Vocabulary } from "./tokenizer-source.ts";

export type EncodeOptions = {
  /** Put one BOS in front when the model was trained with one (`addsBos`). Default false. */
  addBos?: boolean;
  /** Read the spellings of special tokens as their ids. Default false: they are plain text. */
  parseSpecial?: boolean;
};

export type DecodeOptions = {
  /** Leave special tokens out. Default false: they are spelled. */
  skipSpecial?: boolean;
};

export interface Tokenizer {
  /** One more than the highest token id; the model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** True when the model expects one BOS at the start of each text. */
  readonly addsBos: boolean;
  /** End-of-sequence ids, the tokenizer's own first. */
  readonly eosIds: readonly number[];
  /** Every id that ends an answer: end of sequence and the chat template's end of turn. */
  readonly stopIds: readonly number[];
  readonly chat?: ChatTemplate;
  encode(text: string, options?: EncodeOptions): Int32Array;
  /** Ids without a token (padding rows of the embedding) give no text. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

// Tokens that end a turn in one of the common chat formats; they count when the template in use writes them.
const endOfTurnTokens = ["<end_of_turn>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<|eom_id|>", "<|endoftext|>", "</s>"];

/**
 * Builds a tokenizer. `template` replaces the checkpoint's own chat template by a built-in one.
 *
 * @throws RlvrError RLVR_BAD_CHECKPOINT when the library refuses the tokenizer, RLVR_BAD_TEMPLATE for its template.
 */
export function makeTokenizer(source: TokenizerSource, template?: BuiltInTemplate): Tokenizer {
  return new BpeTokenizer(source, template);
}

class BpeTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly addsBos: boolean;
  readonly eosIds: readonly number[];
  readonly stopIds: readonly number[];
  readonly chat?: ChatTemplate;
  readonly #codec: PlainCodec;
  readonly #vocabulary: Vocabulary;
  readonly #special: SpecialTokens;

  constructor(source: TokenizerSource, template: BuiltInTemplate | undefined) {
    const specials = specialTokens(source);
    this.#special = new SpecialTokens(specials);
    this.#codec = source.openCodec(source.addedTokens.filter((token) => !this.#special.ids.has(token.id)));
    this.#vocabulary = source.vocabulary;
    this.vocabSize = source.vocabulary.size;
    this.bosId = source.bosToken === undefined ? undefined : this.idOf(source.bosToken);
    this.addsBos = source.addsBos && this.bosId !== undefined;
    this.eosIds = source.eosIds;

    const text = template === undefined ? source.chatTemplate : builtInTemplates[template].template;
    const endOfTurn = endOfTurnTokens.filter((token) => text?.includes(token)).map((token) => this.idOf(token));
    const stopIds = [...source.eosIds, ...source.endOfTurnIds, ...endOfTurn].filter((id) => id !== undefined);
    this.stopIds = [...new Set(stopIds)];

    if (template !== undefined) {
      for (const token of builtInTemplates[template].tokens) {
        if (this.idOf(token) !== undefined) continue;
        throw new RangeError(
          `[template] the built-in template "${template}" writes ${token}, which ${source.origin} has no token for; ` +
            `choose "plain" or the model's own template`,
        );
      }
    }
    if (text !== undefined) {
      const eosToken = source.eosIds.map((id) => this.tokenOf(id)).find((token) => token !== undefined);
      this.chat = makeChatTemplate({
        source: text,
        origin: template === undefined ? source.origin : `the built-in template "${template}"`,
        variables: {
          bos_token: source.bosToken ?? "",
          eos_token: eosToken ?? "",
          unk_token: source.unkToken ?? "",
          pad_token: source.padToken ?? "",
        },
        spellsSpecial: (content) => this.#special.occursIn(content),
        encode: (pieces) => this.#withOneBos(this.#encodePieces(pieces)),
      });
    }
  }

  encode(text: string, { addBos = false, parseSpecial = false }: EncodeOptions = {}): Int32Array {
    const ids = this.#encodePieces([{ text, trusted: parseSpecial }]);
    return addBos ? this.#withOneBos(ids) : Int32Array.from(ids);
  }

  decode(ids: ArrayLike<number>, { skipSpecial = false }: DecodeOptions = {}): string {
    let text = "";
    let run: number[] = [];
    const flush = () => {
      if (run.length > 0) text += this.#codec.decode(run);
      run = [];
    };
    for (const id of Array.from(ids)) {
      if (!Number.isInteger(id) || id < 0) throw new RangeError(`[tokenizer] decode got the id ${id}`);
      if (this.#special.ids.has(id)) {
        if (skipSpecial) continue;
        flush();
        text += this.tokenOf(id);
      } else if (this.tokenOf(id) !== undefined) {
        run.push(id);
      }
    }
    flush();
    return text;
  }

  idOf(token: string): number | undefined {
    return this.#vocabulary.idOf(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#vocabulary.tokenOf(id);
  }

  #encodePieces(pieces: readonly TextPiece[]): number[] {
    const ids: number[] = [];
    for (const segment of this.#special.split(pieces)) {
      if ("id" in segment) ids.push(segment.id);
      else for (const id of this.#encodePlain(segment.text)) ids.push(id);
    }
    return ids;
  }

  #encodePlain(text: string): number[] {
    const ids = this.#codec.encode(text);
    const hasSpecial = ids.some((id) => this.#special.ids.has(id));
    if (!hasSpecial || !this.#special.occursIn(text)) return ids;
    // Merges led to a special token. Cut its spelling apart so that text stays text.
    return this.#special.takeApart(text).flatMap((part) => this.#codec.encode(part));
  }

  /** Templates and callers may have written the BOS already, or even twice. */
  #withOneBos(ids: number[]): Int32Array {
    if (!this.addsBos) return Int32Array.from(ids);
    let start = 0;
    while (ids[start] === this.bosId) ++start;
    return Int32Array.from([this.bosId as number, ...ids.slice(start)]);
  }
}

/** Tokens flagged special, and the BOS and end tokens whatever their flag. */
function specialTokens(source: TokenizerSource): AddedToken[] {
  const ends = new Set([...source.eosIds, ...source.endOfTurnIds]);
  const isSpecial = (token: AddedToken) =>
    token.special || ends.has(token.id) || token.content === source.bosToken || endOfTurnTokens.includes(token.content);
  const specials = source.addedTokens.filter(isSpecial);
  const known = new Set(specials.map((token) => token.id));
  // A BOS or end token that stands only in the vocabulary.
  const bosId = source.bosToken === undefined ? undefined : source.vocabulary.idOf(source.bosToken);
  for (const id of bosId === undefined ? ends : [bosId, ...ends]) {
    const content = source.vocabulary.tokenOf(id);
    if (known.has(id) || content === undefined) continue;
    known.add(id);
    specials.push({ id, content, special: true, normalized: false, lstrip: false, rstrip: false, single_word: false });
  }
  return specials;
}
