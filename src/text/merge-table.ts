// The merges of a BPE tokenizer: pairs of texts as bytes of the file they came from, found by hash. A merge's rank is its
// place in the list; the earliest merge that fits is made first.

import { sameBytes, slotOf, tableSize } from "./token-table.ts";

export class MergeTable {
  readonly #bytes: Uint8Array;
  // Of merge i: where its left text starts and ends, then its right one, at 4 * i; and the hash of the pair.
  #texts: Int32Array;
  #hashes: Int32Array;
  #count = 0;
  #slots = new Int32Array(0); // rank + 1; 0: free

  /** `expected`: about how many merges there will be. */
  constructor(bytes: Uint8Array, expected = 1024) {
    this.#bytes = bytes;
    this.#texts = new Int32Array(4 * Math.max(expected, 16));
    this.#hashes = new Int32Array(Math.max(expected, 16));
  }

  get count(): number {
    return this.#count;
  }

  /** The next merge: two stretches of the table's bytes, with their hashes. */
  add(left: number, leftEnd: number, leftHash: number, right: number, rightEnd: number, rightHash: number): void {
    const rank = this.#count++;
    if (rank === this.#hashes.length) {
      this.#texts = enlarged(this.#texts);
      this.#hashes = enlarged(this.#hashes);
    }
    const texts = this.#texts;
    texts[4 * rank] = left;
    texts[4 * rank + 1] = leftEnd;
    texts[4 * rank + 2] = right;
    texts[4 * rank + 3] = rightEnd;
    this.#hashes[rank] = pairHash(leftHash, rightHash);
  }

  /** Makes the merges findable; no more are added after it. Of two equal merges the later one counts. */
  finish(): this {
    const [count, hashes] = [this.#count, this.#hashes];
    const slots = new Int32Array(tableSize(count));
    const mask = slots.length - 1;
    for (let rank = 0; rank < count; ++rank) {
      const hash = hashes[rank] as number;
      let slot = slotOf(hash, mask);
      while (slots[slot] !== 0) {
        const other = (slots[slot] as number) - 1;
        if (hashes[other] === hash && this.#areEqual(other, rank)) break;
        slot = (slot + 1) & mask;
      }
      slots[slot] = rank + 1;
    }
    this.#slots = slots;
    return this;
  }

  /** The rank of the merge of two neighbours in `bytes`, [start, middle) and [middle, end), or -1. */
  rank(bytes: Uint8Array, start: number, middle: number, end: number, leftHash: number, rightHash: number): number {
    const mask = this.#slots.length - 1;
    const hash = pairHash(leftHash, rightHash);
    for (let slot = slotOf(hash, mask); this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const rank = (this.#slots[slot] as number) - 1;
      if (this.#hashes[rank] === hash && this.#is(rank, bytes, start, middle, middle, end)) return rank;
    }
    return -1;
  }

  #areEqual(rank: number, other: number): boolean {
    const [a, aEnd, b, bEnd] = this.#texts.subarray(4 * other, 4 * other + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    return this.#is(rank, this.#bytes, a, aEnd, b, bEnd);
  }

  #is(rank: number, bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
    const at = 4 * rank;
    const [left, right] = [this.#texts[at] as number, this.#texts[at + 2] as number];
    return (
      (this.#texts[at + 1] as number) - left === aEnd - a &&
      (this.#texts[at + 3] as number) - right === bEnd - b &&
      sameBytes(this.#bytes, left, bytes, a, aEnd - a) &&
      sameBytes(this.#bytes, right, bytes, b, bEnd - b)
    );
  }
}

function enlarged(values: Int32Array): Int32Array {
  const larger = new Int32Array(2 * values.length);
  larger.set(values);
  return larger;
}

function pairHash(left: number, right: number): number {
  return Math.imul(left, 0x9e3779b1) ^ ((right << 13) | (right >>> 19));
}
