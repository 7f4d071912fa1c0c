// Reads a tokenizer.json without making strings of its vocabulary and merges, which are nearly all of it: 33 MB for Gemma 3.
// The two are scanned where they lie; everything else is small and goes through JSON.parse.

import { isUtf8 } from "node:buffer";
import { MergeTable } from "./merge-table.ts";
import { hashByte, hashBytes, StringList, TokenTable } from "./token-table.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface ScannedTokenizer {
  /** The file without `model.vocab` and `model.merges` where these are a BPE model's. */
  readonly json: JsonObject;
  /** Absent when `model.vocab` is no object. */
  readonly vocabulary?: TokenTable;
  /** Absent when `model.merges` is no array. */
  readonly merges?: MergeTable;
}

const maxTokenId = (1 << 24) - 1;

/** What is wrong with the file, for the message of an error. */
export class TokenizerJsonError extends Error {}

/**
 * Scans the bytes of a tokenizer.json and keeps them; strings with escapes are rewritten in place.
 *
 * @throws TokenizerJsonError
 */
export function scanTokenizerJson(bytes: Uint8Array): ScannedTokenizer {
  if (!isUtf8(bytes)) throw new TokenizerJsonError("it is not UTF-8");
  const scanner = new Scanner(bytes);
  let vocabulary: TokenTable | undefined;
  let merges: MergeTable | undefined;
  const json = scanner.object((key) => {
    if (key !== "model" || scanner.next() !== openBrace) return scanner.value();
    return scanner.object((part) => {
      if (part === "vocab" && scanner.next() === openBrace) {
        vocabulary = scanVocabulary(scanner);
        return null;
      }
      if (part === "merges" && scanner.next() === openBracket) {
        merges = scanMerges(scanner);
        return null;
      }
      return scanner.value();
    });
  });
  scanner.finish();
  return { json, ...(vocabulary && { vocabulary }), ...(merges && { merges }) };
}

function scanVocabulary(scanner: Scanner): TokenTable {
  let starts = new Int32Array(1 << 16);
  let ends = new Int32Array(1 << 16);
  let ids = new Int32Array(1 << 16);
  let hashes = new Int32Array(1 << 16);
  let count = 0;
  scanner.items(openBrace, closeBrace, () => {
    scanner.string();
    const { start, end, hash } = scanner;
    scanner.expect(colon);
    const id = scanner.number();
    if (!Number.isInteger(id) || id < 0 || id > maxTokenId) {
      const token = JSON.stringify(scanner.text(start, end));
      throw new TokenizerJsonError(`token ${token} has id ${id}; expected 0 to ${maxTokenId}`);
    }
    if (count === ids.length) [starts, ends, ids, hashes] = [starts, ends, ids, hashes].map(doubled) as Columns;
    starts[count] = start;
    ends[count] = end;
    hashes[count] = hash;
    ids[count++] = id;
  });
  const texts = new StringList(scanner.bytes, starts.subarray(0, count), ends.subarray(0, count));
  return new TokenTable(texts, { ids: ids.subarray(0, count), hashes: hashes.subarray(0, count) });
}

type Column = Int32Array<ArrayBuffer>;
type Columns = [Column, Column, Column, Column];

function doubled(values: Column): Column {
  const larger = new Int32Array(2 * values.length);
  larger.set(values);
  return larger;
}

/** Merges are pairs, or in older files one string with a space between. */
function scanMerges(scanner: Scanner): MergeTable {
  const { bytes } = scanner;
  const merges = new MergeTable(bytes, (bytes.length - scanner.at) >> 5); // 32 bytes a merge, or a little less
  const bad = (from: number) =>
    new TokenizerJsonError(`merge ${scanner.text(from, Math.min(scanner.at, from + 80))} is not a pair of tokens`);
  scanner.items(openBracket, closeBracket, () => {
    const from = scanner.at;
    if (scanner.next() === quote) {
      scanner.string();
      const { start, end } = scanner;
      const cut = bytes.indexOf(space, start);
      if (cut <= start || cut + 1 >= end) throw bad(from);
      const next = bytes.indexOf(space, cut + 1);
      if (next >= 0 && next < end) throw bad(from);
      merges.add(start, cut, hashBytes(bytes, start, cut), cut + 1, end, hashBytes(bytes, cut + 1, end));
      return;
    }
    if (scanner.next() !== openBracket) {
      scanner.value();
      throw bad(from);
    }
    scanner.at += 1;
    if (scanner.next() !== quote) throw bad(from);
    scanner.string();
    const { start, end, hash } = scanner;
    if (scanner.next() !== comma) throw bad(from);
    scanner.at += 1;
    if (scanner.next() !== quote) throw bad(from);
    scanner.string();
    if (scanner.next() !== closeBracket || start === end || scanner.start === scanner.end) throw bad(from);
    scanner.at += 1;
    merges.add(start, end, hash, scanner.start, scanner.end, scanner.hash);
  });
  return merges.finish();
}

const [quote, backslash, comma, colon, space] = [0x22, 0x5c, 0x2c, 0x3a, 0x20] as const;
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d] as const;
const punctuation: ReadonlySet<number> = new Set([openBrace, closeBrace, openBracket, closeBracket, comma, colon]);

/** A place in JSON text, moving forward. */
class Scanner {
  readonly bytes: Uint8Array;
  at = 0;
  /** The last string: its bytes, unescaped, and their hash. */
  start = 0;
  end = 0;
  hash = 0;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #encoder = new TextEncoder();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  text(start: number, end: number): string {
    return this.#decoder.decode(this.bytes.subarray(start, end));
  }

  /** Skips white space and gives the byte there, NaN at the end. */
  next(): number {
    const { bytes } = this;
    let byte = bytes[this.at] as number;
    while (byte === space || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.at] as number;
    return byte ?? Number.NaN;
  }

  expect(byte: number): void {
    if (this.next() !== byte) throw this.notJson();
    this.at += 1;
  }

  finish(): void {
    if (!Number.isNaN(this.next())) throw this.notJson();
  }

  /** A list of items between brackets, separated by commas; `item` reads one. */
  items(open: number, close: number, item: () => void): void {
    this.expect(open);
    if (this.next() === close) {
      this.at += 1;
      return;
    }
    for (;;) {
      item();
      const byte = this.next();
      this.at += 1;
      if (byte === close) return;
      if (byte !== comma) throw this.notJson();
    }
  }

  object(member: (key: string) => Json): JsonObject {
    const object: JsonObject = {};
    this.items(openBrace, closeBrace, () => {
      this.string();
      const key = this.text(this.start, this.end);
      this.expect(colon);
      Object.defineProperty(object, key, { value: member(key), enumerable: true, writable: true, configurable: true });
    });
    return object;
  }

  string(): void {
    const { bytes } = this;
    if (this.next() !== quote) throw this.notJson();
    let at = this.at + 1;
    this.start = at;
    let hash = hashBytes(bytes, 0, 0);
    for (let byte = bytes[at] as number; byte !== quote; byte = bytes[++at] as number) {
      if (byte === backslash) {
        this.#escapedString();
        return;
      }
      if (!(byte >= 0x20)) throw this.notJson(); // a control character, or the end
      hash = hashByte(hash, byte);
    }
    this.hash = hash;
    this.end = at;
    this.at = at + 1;
  }

  number(): number {
    this.next();
    const from = this.at;
    let value = 0;
    for (
      let byte = this.bytes[this.at] as number;
      byte >= 0x30 && byte <= 0x39;
      byte = this.bytes[++this.at] as number
    ) {
      value = 10 * value + byte - 0x30;
    }
    const after = this.next();
    if (this.at > from && (after === comma || after === closeBrace)) return value;
    this.at = from;
    return Number(this.value());
  }

  /** Any value, by JSON.parse. */
  value(): Json {
    this.next();
    const from = this.at;
    let depth = 0;
    do {
      const byte = this.next();
      if (byte === quote) this.#skipString();
      else if (punctuation.has(byte)) {
        this.at += 1;
        if (byte === openBrace || byte === openBracket) depth += 1;
        if (byte === closeBrace || byte === closeBracket) depth -= 1;
      } else this.#skipWord();
      if (this.at > this.bytes.length) throw this.notJson();
    } while (depth > 0);
    try {
      return JSON.parse(this.text(from, this.at)) as Json;
    } catch {
      throw this.notJson();
    }
  }

  notJson(): TokenizerJsonError {
    return new TokenizerJsonError("it is not JSON");
  }

  /** A number, true, false or null. */
  #skipWord(): void {
    const from = this.at;
    while (/[\w.+-]/.test(String.fromCharCode(this.bytes[this.at] ?? 0))) this.at += 1;
    if (this.at === from) throw this.notJson();
  }

  #skipString(): void {
    let at = this.at + 1;
    while (at < this.bytes.length && this.bytes[at] !== quote) at += this.bytes[at] === backslash ? 2 : 1;
    this.at = at + 1;
  }

  /** Unescaped text is never longer than its escaped form. */
  #escapedString(): void {
    const from = this.at;
    this.#skipString();
    let text: string;
    try {
      text = JSON.parse(this.text(from, this.at)) as string;
    } catch {
      throw this.notJson();
    }
    const { written } = this.#encoder.encodeInto(text, this.bytes.subarray(from + 1, this.at - 1));
    this.start = from + 1;
    this.end = this.start + written;
    this.hash = hashBytes(this.bytes, this.start, this.end);
  }
}
