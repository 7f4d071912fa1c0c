// Finds the spellings of special tokens, and only in text that may hold them.

import type { AddedToken } from "./tokenizer-source.ts";

/** A stretch of text; special tokens are recognised only in stretches that are trusted. */
export type TextPiece = { text: string; trusted: boolean };

/** Text between special tokens, or one of them. */
export type Segment = { text: string } | { id: number };

/** Splits text at special tokens, longest spelling first. */
export class SpecialTokens {
  readonly ids: ReadonlySet<number>;
  readonly #bySpelling: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    this.ids = new Set(tokens.map((token) => token.id));
    this.#bySpelling = new Map(tokens.map((token) => [token.content, token]));
    const spellings = [...this.#bySpelling.keys()].filter((text) => text !== "").sort((a, b) => b.length - a.length);
    this.#pattern = spellings.length === 0 ? undefined : new RegExp(spellings.map(escapeRegExp).join("|"), "g");
  }

  /** True when the text spells a special token. */
  occursIn(text: string): boolean {
    return this.#pattern !== undefined && text.search(this.#pattern) >= 0;
  }

  /**
   * The pieces as one text, cut at the special tokens of its trusted stretches. What lies between two cuts is one
   * segment, whether trusted or not, so that tokens may span the seam as they do in a rendered prompt.
   */
  split(pieces: readonly TextPiece[]): Segment[] {
    const segments: Segment[] = [];
    let pending = "";
    let dropsLeadingSpace = false;
    const append = (text: string) => {
      pending += dropsLeadingSpace ? text.trimStart() : text;
      if (pending !== "") dropsLeadingSpace = false;
    };
    const flush = () => {
      if (pending !== "") segments.push({ text: pending });
      pending = "";
    };
    for (const { text, trusted } of pieces) {
      let start = 0;
      for (const match of trusted && this.#pattern !== undefined ? text.matchAll(this.#pattern) : []) {
        const token = this.#bySpelling.get(match[0]) as AddedToken;
        append(text.slice(start, match.index));
        if (token.lstrip) pending = pending.trimEnd();
        flush();
        segments.push({ id: token.id });
        dropsLeadingSpace = token.rstrip;
        start = match.index + match[0].length;
      }
      append(text.slice(start));
    }
    flush();
    return segments;
  }

  /** The text cut inside every special spelling, so that no part spells one. */
  takeApart(text: string): string[] {
    if (this.#pattern === undefined) return [text];
    const parts: string[] = [];
    let start = 0;
    for (const match of text.matchAll(this.#pattern)) {
      const cut = match.index + String.fromCodePoint(match[0].codePointAt(0) as number).length;
      parts.push(text.slice(start, cut));
      start = cut;
    }
    parts.push(text.slice(start));
    return parts.filter((part) => part !== "");
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
