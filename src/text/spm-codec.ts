// SentencePiece BPE straight from pieces and scores. The ids are those of the tokenizer.json that Hugging Face's
// converters make of the same model (for Gemma 3 a list of 514,906 merges, which takes seconds to build and load).

import { SpecialTokens } from "./special-tokens.ts";
import type { AddedToken, PlainCodec } from "./tokenizer-source.ts";

export type SpmModel = {
  tokenOf(id: number): string;
  /** The id of a piece that takes part in merges. */
  pieceOf(text: string): number | undefined;
  /** Score by id; the pair that makes the piece with the best score merges first. */
  scores: ArrayLike<number>;
  /** Ids of the 256 byte tokens, for characters without a piece; -1 where there is none. */
  byteIds: ArrayLike<number>;
  unknownId: number | undefined;
  /** Put a space before each text, and take it off when decoding. */
  addsSpace: boolean;
};

const space = "\u2581"; // SentencePiece writes a space as ▁
const noPiece = -1;

export class SpmCodec implements PlainCodec {
  readonly #model: SpmModel;
  readonly #added: SpecialTokens;
  readonly #byteOfId = new Map<number, number>();
  readonly #toBytes = new TextEncoder();
  readonly #fromBytes = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(model: SpmModel, added: AddedToken[]) {
    this.#model = model;
    this.#added = new SpecialTokens(added);
    for (let byte = 0; byte < 256; ++byte) this.#byteOfId.set(model.byteIds[byte] ?? noPiece, byte);
    this.#byteOfId.delete(noPiece);
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    for (const segment of this.#added.split([{ text, trusted: true }])) {
      if ("id" in segment) {
        ids.push(segment.id);
        continue;
      }
      const spaced = segment.text.replaceAll(" ", space);
      this.#encodeWord(this.#model.addsSpace ? space + spaced : spaced, ids);
    }
    return ids;
  }

  decode(ids: number[]): string {
    let text = "";
    let bytes: number[] = [];
    const flush = () => {
      text += this.#bytesToText(bytes);
      bytes = [];
    };
    for (const id of ids) {
      const byte = this.#byteOfId.get(id);
      if (byte !== undefined) {
        bytes.push(byte);
        continue;
      }
      if (bytes.length > 0) flush();
      text += this.#model.tokenOf(id).replaceAll(space, " ");
    }
    if (bytes.length > 0) flush();
    return this.#model.addsSpace && text.startsWith(" ") ? text.slice(1) : text;
  }

  /** Merges neighbours, best pair first, until no pair makes a piece. Appends the ids. */
  #encodeWord(word: string, ids: number[]): void {
    const { scores } = this.#model;
    const symbols: Stretch[] = [];
    let position = 0;
    for (const character of word) {
      const end = position + character.length;
      const id = this.#model.pieceOf(character) ?? noPiece;
      symbols.push({ start: position, end, id, length: 1, previous: symbols.length - 1, next: symbols.length + 1 });
      position = end;
    }
    const queue = new CandidateQueue();
    const offer = (leftIndex: number) => {
      const left = symbols[leftIndex];
      const right = left === undefined ? undefined : symbols[left.next];
      if (left === undefined || right === undefined || left.id === noPiece || right.id === noPiece) return;
      const id = this.#model.pieceOf(word.slice(left.start, right.end));
      if (id === undefined) return;
      queue.push({
        left: leftIndex,
        right: left.next,
        leftLength: left.length,
        rightLength: right.length,
        id,
        score: scores[id] as number,
      });
    };
    for (let i = 0; i + 1 < symbols.length; ++i) offer(i);
    for (let best = queue.pop(); best !== undefined; best = queue.pop()) {
      const left = symbols[best.left] as Stretch;
      const right = symbols[best.right] as Stretch;
      // One of the two has been merged meanwhile.
      if (left.length !== best.leftLength || right.length !== best.rightLength || left.next !== best.right) continue;
      left.end = right.end;
      left.id = best.id;
      left.length += right.length;
      left.next = right.next;
      right.length = 0;
      const after = symbols[right.next];
      if (after !== undefined) after.previous = best.left;
      offer(left.previous);
      offer(best.left);
    }
    for (let symbol = symbols[0]; symbol !== undefined; symbol = symbols[symbol.next]) {
      if (symbol.id !== noPiece) ids.push(symbol.id);
      else this.#encodeBytes(word.slice(symbol.start, symbol.end), ids);
    }
  }

  #encodeBytes(character: string, ids: number[]): void {
    const byteIds = Array.from(this.#toBytes.encode(character), (byte) => this.#model.byteIds[byte] ?? noPiece);
    if (!byteIds.includes(noPiece)) ids.push(...byteIds);
    else if (this.#model.unknownId !== undefined) ids.push(this.#model.unknownId);
  }

  #bytesToText(bytes: number[]): string {
    try {
      return this.#fromBytes.decode(Uint8Array.from(bytes));
    } catch {
      return "\uFFFD".repeat(bytes.length);
    }
  }
}

/** A stretch of the word that is one token so far; an absorbed one has length 0. `length` counts characters. */
type Stretch = { start: number; end: number; id: number; length: number; previous: number; next: number };

type Candidate = {
  left: number;
  right: number;
  leftLength: number;
  rightLength: number;
  id: number;
  score: number;
};

/** The order of the converters' merge list, then left before right. */
function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.score !== b.score) return a.score > b.score;
  if (a.leftLength !== b.leftLength) return a.leftLength > b.leftLength;
  if (a.rightLength !== b.rightLength) return a.rightLength > b.rightLength;
  if (a.id !== b.id) return a.id < b.id;
  return a.left < b.left;
}

/** A binary heap. */
class CandidateQueue {
  readonly #heap: Candidate[] = [];

  push(candidate: Candidate): void {
    let index = this.#heap.push(candidate) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(candidate, this.#heap[parent] as Candidate)) break;
      this.#heap[index] = this.#heap[parent] as Candidate;
      index = parent;
    }
    this.#heap[index] = candidate;
  }

  pop(): Candidate | undefined {
    const top = this.#heap[0];
    const last = this.#heap.pop();
    if (top === undefined || last === undefined || this.#heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && isBefore(right, this.#heap[child] as Candidate)) ++child;
      if (!isBefore(this.#heap[child] as Candidate, last)) break;
      this.#heap[index] = this.#heap[child] as Candidate;
      index = child;
    }
    this.#heap[index] = last;
    return top;
  }
}
