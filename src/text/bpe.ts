// Byte-pair encoding of one word: neighbours merge, the earliest merge of the list first, until none applies. The ids are
// those of the tokenizers library's BPE model.

import type { MergeTable } from "./merge-table.ts";
import { hashBytes, type TokenTable } from "./token-table.ts";

export interface BpeOptions {
  /** A word that is a token is kept whole, whatever its merges lead to. */
  readonly ignoreMerges: boolean;
  /** A character without a token becomes the tokens of its bytes. */
  readonly byteFallback: boolean;
  /** What remains without a token; absent: encode() throws. */
  readonly unknownId: number | undefined;
  /** Neighbours without a token are one unknown token. */
  readonly fusesUnknown: boolean;
}

export class UnknownPieceError extends Error {}

const maxCachedWords = 20_000;
const maxCachedLength = 64;
const none = -1;

export class Bpe {
  readonly #vocabulary: TokenTable;
  readonly #merges: MergeTable;
  readonly #options: BpeOptions;
  readonly #byteIds: Int32Array;
  readonly #toBytes = new TextEncoder();
  readonly #cache = new Map<string, readonly number[]>();

  constructor(vocabulary: TokenTable, merges: MergeTable, options: BpeOptions) {
    this.#vocabulary = vocabulary;
    this.#merges = merges;
    this.#options = options;
    const byteId = (_: unknown, byte: number) =>
      vocabulary.idOf(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`) ?? none;
    this.#byteIds = Int32Array.from({ length: 256 }, options.byteFallback ? byteId : () => none);
  }

  encode(word: string): readonly number[] {
    const cached = this.#cache.get(word);
    if (cached !== undefined) return cached;
    const ids = this.#encode(this.#toBytes.encode(word));
    if (word.length <= maxCachedLength) {
      if (this.#cache.size === maxCachedWords) this.#cache.clear();
      this.#cache.set(word, ids);
    }
    return ids;
  }

  #encode(bytes: Uint8Array): number[] {
    if (this.#options.ignoreMerges) {
      const id = this.#find(bytes, 0, bytes.length);
      if (id !== none) return [id];
    }
    const word = new MergingWord(bytes, this.#merges);
    const ids: number[] = [];
    let afterUnknown = false;
    for (const [start, end] of word.merged()) {
      const id = this.#find(bytes, start, end);
      if (id !== none) ids.push(id);
      else if (!this.#pushBytes(bytes, start, end, ids)) {
        const { unknownId, fusesUnknown } = this.#options;
        if (unknownId === undefined) throw new UnknownPieceError();
        if (!(fusesUnknown && afterUnknown)) ids.push(unknownId);
        afterUnknown = true;
        continue;
      }
      afterUnknown = false;
    }
    return ids;
  }

  #find(bytes: Uint8Array, start: number, end: number): number {
    return this.#vocabulary.find(bytes, start, end, hashBytes(bytes, start, end));
  }

  #pushBytes(bytes: Uint8Array, start: number, end: number, ids: number[]): boolean {
    for (let i = start; i < end; ++i) if (this.#byteIds[bytes[i] as number] === none) return false;
    for (let i = start; i < end; ++i) ids.push(this.#byteIds[bytes[i] as number] as number);
    return true;
  }
}

/** The characters of a word as they merge. A symbol is named by its first character's place in the word. */
class MergingWord {
  readonly #bytes: Uint8Array;
  readonly #merges: MergeTable;
  readonly #starts: Int32Array; // of symbol i; the end of the word at [count]
  readonly #ends: Int32Array;
  readonly #hashes: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #ranks: Int32Array; // of the merge of symbol i with its right neighbour; -1: none
  readonly #queue: number[] = []; // a heap of rank * count + symbol: the earliest merge, then the leftmost
  readonly #count: number;

  constructor(bytes: Uint8Array, merges: MergeTable) {
    this.#bytes = bytes;
    this.#merges = merges;
    const starts: number[] = [];
    for (let i = 0; i < bytes.length; ++i) if (((bytes[i] as number) & 0xc0) !== 0x80) starts.push(i);
    const count = starts.length;
    this.#count = count;
    this.#starts = Int32Array.from(starts);
    this.#ends = Int32Array.from([...starts.slice(1), bytes.length].slice(0, count));
    this.#hashes = Int32Array.from(starts, (start, i) => hashBytes(bytes, start, this.#ends[i] as number));
    this.#next = Int32Array.from(starts, (_, i) => i + 1);
    this.#previous = Int32Array.from(starts, (_, i) => i - 1);
    this.#ranks = new Int32Array(count).fill(none);
  }

  /** The stretches of bytes that remain when no merge applies. */
  merged(): [number, number][] {
    for (let symbol = 0; symbol < this.#count; ++symbol) this.#offer(symbol);
    for (let item = this.#pop(); item !== undefined; item = this.#pop()) {
      const symbol = item % this.#count;
      // The symbol or its neighbour has merged otherwise meanwhile.
      if (this.#ranks[symbol] !== (item - symbol) / this.#count) continue;
      const absorbed = this.#next[symbol] as number;
      const after = this.#next[absorbed] as number;
      const [middle, end] = [this.#ends[symbol] as number, this.#ends[absorbed] as number];
      this.#hashes[symbol] = hashBytes(this.#bytes, middle, end, this.#hashes[symbol]);
      this.#ends[symbol] = end;
      this.#next[symbol] = after;
      this.#ranks[absorbed] = none;
      if (after < this.#count) this.#previous[after] = symbol;
      this.#offer(symbol);
      if (symbol > 0) this.#offer(this.#previous[symbol] as number);
    }
    const stretches: [number, number][] = [];
    for (let symbol = 0; symbol < this.#count; symbol = this.#next[symbol] as number) {
      stretches.push([this.#starts[symbol] as number, this.#ends[symbol] as number]);
    }
    return stretches;
  }

  #offer(symbol: number): void {
    const next = this.#next[symbol] as number;
    let rank = none;
    if (next < this.#count) {
      const [start, middle, end] = [this.#starts[symbol], this.#ends[symbol], this.#ends[next]] as [
        number,
        number,
        number,
      ];
      const [left, right] = [this.#hashes[symbol] as number, this.#hashes[next] as number];
      rank = this.#merges.rank(this.#bytes, start, middle, end, left, right);
    }
    this.#ranks[symbol] = rank;
    if (rank !== none) this.#push(rank * this.#count + symbol);
  }

  #push(item: number): void {
    const heap = this.#queue;
    let index = heap.push(item) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent] as number) <= item) break;
      heap[index] = heap[parent] as number;
      index = parent;
    }
    heap[index] = item;
  }

  #pop(): number | undefined {
    const heap = this.#queue;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) ++child;
      if ((heap[child] as number) >= last) break;
      heap[index] = heap[child] as number;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}
