// What both checkpoint formats are turned into before a tokenizer is built from it.

/** One entry of `added_tokens` in tokenizer.json: a token that is found in text before anything else. */
export type AddedToken = {
  id: number;
  content: string;
  special: boolean;
  normalized: boolean;
  lstrip: boolean;
  rstrip: boolean;
  single_word: boolean;
};

/** Text without special tokens to ids and back. Both directions take any input that is not empty. */
export interface PlainCodec {
  encode(text: string): number[];
  /** Every id has a token and none is special. */
  decode(ids: number[]): string;
}

/** Tokens and their ids. */
export interface Vocabulary {
  /** One more than the highest id. */
  readonly size: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

export type TokenizerSource = {
  /** The file or folder, for messages. */
  origin: string;
  /** Added tokens included. */
  vocabulary: Vocabulary;
  addedTokens: AddedToken[];
  /** The codec that finds these added tokens (those that are not special) in every text. */
  openCodec: (added: AddedToken[]) => PlainCodec;
  bosToken?: string;
  unkToken?: string;
  padToken?: string;
  /** True when text is encoded with one BOS in front unless the caller says otherwise. */
  addsBos: boolean;
  /** End-of-sequence ids in the order of preference; the first is `eos_token` of the chat template. */
  eosIds: number[];
  /** Further ids that end a turn, named as such by the checkpoint. */
  endOfTurnIds: number[];
  chatTemplate?: string;
};
