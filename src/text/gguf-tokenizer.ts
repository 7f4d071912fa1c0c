// Builds the tokenizer that the metadata of a GGUF file describes: byte-level BPE ("gpt2") and SentencePiece BPE ("llama").

import { RlvrError } from "../errors.ts";
import { openBpeCodec, type TokenizerJson } from "./bpe-codec.ts";
import type { GgufMetadata, GgufValue } from "./gguf-metadata.ts";
import { preTokenizerNamed } from "./gguf-pre-tokenizers.ts";
import { MergeTable } from "./merge-table.ts";
import { SpmCodec } from "./spm-codec.ts";
import { hashBytes, StringList, TokenTable } from "./token-table.ts";
import type { AddedToken, TokenizerSource } from "./tokenizer-source.ts";

// `tokenizer.ggml.token_type`
const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const space = "\u2581"; // SentencePiece writes a space as ▁

/** The tokenizer and its facts (BOS, end tokens, chat template) from a GGUF file's metadata. */
export function ggufTokenizerSource(metadata: GgufMetadata, origin: string): TokenizerSource {
  const reader = new MetadataReader(metadata, origin);
  const model = reader.string("tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    throw reader.bad(
      `tokenizer.ggml.model is ${JSON.stringify(model ?? "absent")}; readable are "gpt2" (byte-level BPE) and ` +
        `"llama" (SentencePiece BPE)`,
    );
  }
  const tokens = reader.strings("tokenizer.ggml.tokens");
  if (tokens === undefined || tokens.length === 0) throw reader.bad("tokenizer.ggml.tokens is absent or empty");
  const types = reader.numbers("tokenizer.ggml.token_type") ?? new Array<number>(tokens.length).fill(tokenType.normal);
  if (types.length !== tokens.length) {
    throw reader.bad(`${types.length} token types for ${tokens.length} tokens`);
  }
  const isSpm = model === "llama";
  const built = isSpm ? spmTokenizer(reader, tokens, types) : byteLevelTokenizer(reader, tokens, types);

  // Defaults of the SentencePiece family when the file names no ids.
  const bosId = reader.tokenId("tokenizer.ggml.bos_token_id", tokens.length) ?? (isSpm ? 1 : undefined);
  const eosId = reader.tokenId("tokenizer.ggml.eos_token_id", tokens.length) ?? (isSpm ? 2 : undefined);
  const endOfTurnIds = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"]
    .map((key) => reader.tokenId(key, tokens.length))
    .filter((id) => id !== undefined);
  const tokenAt = (id: number | undefined) => (id === undefined ? undefined : built.vocabulary.tokenOf(id));
  const unkToken = tokenAt(reader.tokenId("tokenizer.ggml.unknown_token_id", tokens.length));
  const padToken = tokenAt(reader.tokenId("tokenizer.ggml.padding_token_id", tokens.length));
  const chatTemplate = reader.string("tokenizer.chat_template");
  const bosToken = tokenAt(bosId);
  return {
    origin,
    vocabulary: built.vocabulary,
    addedTokens: built.addedTokens,
    openCodec: built.openCodec,
    addsBos: reader.boolean("tokenizer.ggml.add_bos_token") ?? built.addsBos,
    eosIds: eosId === undefined ? [] : [eosId],
    endOfTurnIds,
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(unkToken === undefined ? {} : { unkToken }),
    ...(padToken === undefined ? {} : { padToken }),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

type Built = Pick<TokenizerSource, "vocabulary" | "addedTokens" | "openCodec" | "addsBos">;

function byteLevelTokenizer(reader: MetadataReader, tokens: StringList, types: number[]): Built {
  const merges = reader.strings("tokenizer.ggml.merges");
  if (merges === undefined) throw reader.bad("tokenizer.ggml.merges is absent");
  const preTokenizer = preTokenizerNamed(reader.string("tokenizer.ggml.pre") ?? "default", reader.origin);
  const vocabulary = vocabularyOf(tokens, reader);
  const table = mergeTable(merges, reader);
  const json: TokenizerJson = {
    added_tokens: [],
    normalizer: preTokenizer.normalizer,
    pre_tokenizer: preTokenizer.json,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: null,
      byte_fallback: false,
      ignore_merges: preTokenizer.ignoreMerges,
      fuse_unk: false,
    },
  };
  return {
    vocabulary,
    addedTokens: addedTokens(tokens, types, () => false),
    openCodec: (added) => openBpeCodec(json, vocabulary, table, vocabulary, added, reader.origin),
    addsBos: preTokenizer.addsBos,
  };
}

function spmTokenizer(reader: MetadataReader, fileTokens: StringList, types: number[]): Built {
  const scores = reader.numbers("tokenizer.ggml.scores");
  if (scores === undefined || scores.length !== fileTokens.length) {
    throw reader.bad(`${scores?.length ?? 0} tokenizer.ggml.scores for ${fileTokens.length} tokens`);
  }
  // Converters write the spaces of user-defined pieces as spaces; the vocabulary has them as ▁.
  const spaced = new Map<number, string>();
  for (const [id, type] of types.entries()) {
    if (type !== tokenType.userDefined) continue;
    const token = fileTokens.at(id);
    if (/^ +$/.test(token)) spaced.set(id, space.repeat(token.length));
  }
  const tokens = fileTokens.replaced(spaced);
  const vocabulary = vocabularyOf(tokens, reader);
  const byteIds = Array.from({ length: 256 }, (_, byte) => {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    return vocabulary.idOf(name) ?? -1;
  });
  // A tab that has only a byte token still takes part in merges (Gemma).
  const tab = byteIds[9] as number;
  const isPiece = (id: number) =>
    types[id] !== tokenType.control && types[id] !== tokenType.unknown && types[id] !== tokenType.byte;
  const pieceOf = (text: string) => {
    const id = vocabulary.idOf(text);
    if (id !== undefined && isPiece(id)) return id;
    return text === "\t" && tab >= 0 ? tab : undefined;
  };
  const unknown = types.indexOf(tokenType.unknown);
  const model = {
    tokenOf: (id: number) => vocabulary.tokenOf(id) ?? "",
    pieceOf,
    // User-defined pieces have the best score in SentencePiece; converters write another number for them.
    scores: scores.map((score, id) => (types[id] === tokenType.userDefined ? 0 : score)),
    byteIds,
    unknownId: unknown < 0 ? undefined : unknown,
    // Gemma states false; the Llama family puts a space before each text.
    addsSpace: reader.boolean("tokenizer.ggml.add_space_prefix") ?? true,
  };
  // Phi-3 swallows white space after its control tokens; the file has no field for it.
  const isPhi3 = reader.string("general.architecture") === "phi3";
  const keepsSpace = new Set(["<unk>", "<s>", "<|endoftext|>"]);
  return {
    vocabulary,
    addedTokens: addedTokens(tokens, types, (token) => isPhi3 && !keepsSpace.has(token)),
    openCodec: (added) => new SpmCodec(model, added),
    addsBos: true,
  };
}

/** Tokens that are found in the text before anything else: control tokens (special) and user-defined ones. */
function addedTokens(tokens: StringList, types: number[], rstrip: (token: string) => boolean): AddedToken[] {
  const added: AddedToken[] = [];
  for (const [id, type] of types.entries()) {
    const special = type === tokenType.control || type === tokenType.unknown;
    if (!special && type !== tokenType.userDefined) continue;
    const content = tokens.at(id);
    if (content === "") continue;
    added.push({
      id,
      content,
      special,
      normalized: false,
      lstrip: false,
      rstrip: special && rstrip(content),
      single_word: false,
    });
  }
  return added;
}

function vocabularyOf(tokens: StringList, reader: MetadataReader): TokenTable {
  return new TokenTable(tokens, {
    onDuplicate: (first, second) => {
      throw reader.bad(`token ${JSON.stringify(tokens.at(second))} stands twice, at ${first} and ${second}`);
    },
  });
}

function mergeTable(merges: StringList, reader: MetadataReader): MergeTable {
  const { bytes, starts, ends } = merges;
  const table = new MergeTable(bytes, merges.length);
  for (let i = 0; i < merges.length; ++i) {
    const [start, end] = [starts[i] as number, ends[i] as number];
    const cut = bytes.indexOf(0x20, start + 1);
    if (cut < 0 || cut >= end) {
      throw reader.bad(`merge ${JSON.stringify(merges.at(i))} is not two tokens with a space between`);
    }
    table.add(start, cut, hashBytes(bytes, start, cut), cut + 1, end, hashBytes(bytes, cut + 1, end));
  }
  return table.finish();
}

/** Typed access with errors that name the key. */
class MetadataReader {
  readonly origin: string;
  readonly #metadata: GgufMetadata;

  constructor(metadata: GgufMetadata, origin: string) {
    this.#metadata = metadata;
    this.origin = origin;
  }

  string(key: string): string | undefined {
    return this.#typed(key, "a string", (value) => typeof value === "string");
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, "true or false", (value) => typeof value === "boolean");
  }

  strings(key: string): StringList | undefined {
    return this.#typed(key, "a list of strings", (value) => value instanceof StringList);
  }

  numbers(key: string): number[] | undefined {
    return this.#typed(
      key,
      "a list of numbers",
      (value): value is number[] => Array.isArray(value) && value.every((item) => typeof item === "number"),
    );
  }

  tokenId(key: string, count: number): number | undefined {
    const id = this.#typed(key, "a token id", (value) => typeof value === "number");
    if (id !== undefined && !(Number.isInteger(id) && id >= 0 && id < count)) {
      throw this.bad(`${key} is ${id}; the vocabulary has ${count} tokens`);
    }
    return id;
  }

  bad(what: string): RlvrError {
    return new RlvrError(
      "RLVR_BAD_CHECKPOINT",
      `[gguf] reading the tokenizer of ${this.origin}: ${what}.\n` +
        "       Convert the file again with a current llama.cpp, or load the safetensors folder.",
    );
  }

  #typed<T extends GgufValue>(key: string, expected: string, is: (value: GgufValue) => value is T): T | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined) return undefined;
    if (!is(value))
      throw this.bad(
        `${key} is ${Array.isArray(value) || value instanceof StringList ? "a list" : typeof value}, not ${expected}`,
      );
    return value;
  }
}
