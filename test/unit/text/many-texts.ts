// The texts of test/golden/many_texts.py: the same fragments joined by the same numbers.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const data = (name: string) => JSON.parse(readFileSync(new URL(`../../golden/data/${name}`, import.meta.url), "utf8"));

export interface TokenHashes {
  readonly texts: number;
  readonly texts_sha256: string;
  readonly models: Readonly<Record<string, { readonly tokens: number; readonly hashes: string }>>;
}

export const tokenHashes = data("token-hashes.json") as TokenHashes;

export const digest = (text: string) => createHash("sha256").update(text).digest("hex");

/** Throws when the texts are not those that the golden was made of. */
export function manyTexts(): string[] {
  const { fragments, separators } = data("many-texts.json") as { fragments: string[]; separators: string[] };
  let state = 20251125;
  const draw = (count: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % count;
  };
  const texts = [...fragments];
  while (texts.length < tokenHashes.texts) {
    const length = 1 + draw(12);
    let text = "";
    for (let i = 0; i < length; ++i)
      text += `${fragments[draw(fragments.length)]}${separators[draw(separators.length)]}`;
    texts.push(text);
  }
  if (digest(texts.join("\0\0")) !== tokenHashes.texts_sha256) throw new Error("other texts than the golden's");
  return texts;
}

/** The texts whose ids do not have the golden hash. */
export function differing(texts: readonly string[], model: string, encode: (text: string) => ArrayLike<number>) {
  const { hashes } = tokenHashes.models[model] as { hashes: string };
  return texts.filter((text, i) => {
    const ids = Array.from(encode(text)).join(",");
    return digest(ids).slice(0, 8) !== hashes.slice(8 * i, 8 * i + 8);
  });
}
