// The texts of a vocabulary as bytes of the file they came from, found by hash. A vocabulary of 262,144 tokens is there in
// milliseconds, because no string is made before somebody asks for it.

import type { Vocabulary } from "./tokenizer-source.ts";

const noHash = 0x811c9dc5 | 0; // FNV-1a: the hash of nothing

/** FNV-1a of bytes; `from` continues the hash of what stands before them. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, from = noHash): number {
  let hash = from;
  for (let i = start; i < end; ++i) hash = hashByte(hash, bytes[i] as number);
  return hash;
}

export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

export function sameBytes(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; ++i) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}

/** Slots of a hash table with open addressing for so many entries: a power of two, at most half full. */
export function tableSize(entries: number): number {
  let size = 16;
  while (size < 2 * entries) size *= 2;
  return size;
}

/** FNV's low bits are its weak ones. */
export function slotOf(hash: number, mask: number): number {
  return (hash ^ (hash >>> 15)) & mask;
}

/** Strings as stretches of UTF-8 bytes. */
export class StringList {
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  readonly #text = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(bytes: Uint8Array, starts: Int32Array, ends: Int32Array) {
    this.bytes = bytes;
    this.starts = starts;
    this.ends = ends;
  }

  static of(strings: readonly string[]): StringList {
    const parts = strings.map((text) => Buffer.from(text));
    const ends = new Int32Array(parts.length);
    let end = 0;
    for (const [i, part] of parts.entries()) {
      end += part.length;
      ends[i] = end;
    }
    return new StringList(
      Buffer.concat(parts),
      Int32Array.from([0, ...ends.subarray(0, -1)].slice(0, ends.length)),
      ends,
    );
  }

  get length(): number {
    return this.starts.length;
  }

  at(index: number): string {
    return this.#text.decode(this.bytes.subarray(this.starts[index], this.ends[index]));
  }

  *[Symbol.iterator](): Generator<string> {
    for (let i = 0; i < this.length; ++i) yield this.at(i);
  }

  /** The same list with other texts at some places. */
  replaced(replacements: ReadonlyMap<number, string>): StringList {
    if (replacements.size === 0) return this;
    const added = StringList.of([...replacements.values()]);
    const [starts, ends] = [this.starts.slice(), this.ends.slice()];
    for (const [i, index] of [...replacements.keys()].entries()) {
      starts[index] = this.bytes.length + (added.starts[i] as number);
      ends[index] = this.bytes.length + (added.ends[i] as number);
    }
    return new StringList(Buffer.concat([this.bytes, added.bytes]), starts, ends);
  }
}

export class TokenTable implements Vocabulary {
  readonly size: number;
  readonly #texts: StringList;
  readonly #ids: Int32Array;
  readonly #hashes: Int32Array;
  readonly #slots: Int32Array; // entry + 1; 0: free
  readonly #entryOfId: Int32Array; // -1: none
  readonly #toBytes = new TextEncoder();

  /**
   * `ids` has the id of each text; without it they count from 0. `hashes` are those of hashBytes(), if known. Of two equal
   * texts the later one counts, unless `onDuplicate` throws.
   */
  constructor(
    texts: StringList,
    {
      ids = countingIds(texts.length),
      hashes,
      onDuplicate,
    }: { ids?: Int32Array; hashes?: Int32Array; onDuplicate?: (first: number, second: number) => void } = {},
  ) {
    const { length: count, bytes, starts, ends } = texts;
    this.#texts = texts;
    this.#ids = ids;
    this.#hashes = hashes ?? new Int32Array(count);
    let size = 0;
    for (let entry = 0; entry < count; ++entry) {
      size = Math.max(size, (ids[entry] as number) + 1);
      if (hashes === undefined) this.#hashes[entry] = hashBytes(bytes, starts[entry] as number, ends[entry] as number);
    }
    this.size = size;
    this.#entryOfId = new Int32Array(size).fill(-1);
    this.#slots = new Int32Array(tableSize(count));
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < count; ++entry) {
      const hash = this.#hashes[entry] as number;
      let slot = slotOf(hash, mask);
      while (this.#slots[slot] !== 0) {
        const other = (this.#slots[slot] as number) - 1;
        if (
          this.#hashes[other] === hash &&
          this.#equals(other, bytes, starts[entry] as number, ends[entry] as number)
        ) {
          onDuplicate?.(ids[other] as number, ids[entry] as number);
          break;
        }
        slot = (slot + 1) & mask;
      }
      this.#slots[slot] = entry + 1;
      this.#entryOfId[ids[entry] as number] = entry;
    }
  }

  idOf(token: string): number | undefined {
    const bytes = this.#toBytes.encode(token);
    const id = this.find(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length));
    return id < 0 ? undefined : id;
  }

  tokenOf(id: number): string | undefined {
    const entry = this.#entryOfId[id] ?? -1;
    return entry < 0 ? undefined : this.#texts.at(entry);
  }

  /** The id of a stretch of bytes with this hash, or -1. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const entry = (this.#slots[slot] as number) - 1;
      if (this.#hashes[entry] === hash && this.#equals(entry, bytes, start, end)) return this.#ids[entry] as number;
    }
    return -1;
  }

  #equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#texts.starts[entry] as number;
    return (
      (this.#texts.ends[entry] as number) - from === end - start &&
      sameBytes(this.#texts.bytes, from, bytes, start, end - start)
    );
  }
}

function countingIds(count: number): Int32Array {
  const ids = new Int32Array(count);
  for (let i = 0; i < count; ++i) ids[i] = i;
  return ids;
}

/** A vocabulary with tokens beside those of its table; they come first. */
export class ExtendedVocabulary implements Vocabulary {
  readonly size: number;
  readonly #table: Vocabulary;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #texts: ReadonlyMap<number, string>;

  constructor(table: Vocabulary, added: readonly { content: string; id: number }[]) {
    this.#table = table;
    this.#ids = new Map(added.map(({ content, id }) => [content, id]));
    this.#texts = new Map(added.map(({ content, id }) => [id, content]));
    this.size = added.reduce((size, { id }) => Math.max(size, id + 1), table.size);
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token) ?? this.#table.idOf(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#texts.get(id) ?? this.#table.tokenOf(id);
  }
}
