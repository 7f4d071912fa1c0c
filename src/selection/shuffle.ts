// Orders that follow from a seed alone.
import { createHash } from "node:crypto";

/** The first 64 bits of the SHA-256 of the parts; what every order and key is made of. */
export function hash64(...parts: readonly (string | number)[]): bigint {
  return createHash("sha256").update(parts.join("\n")).digest().readBigUInt64BE();
}

/** The items in an order drawn from `seed` and `purpose`; each order is equally likely. */
export function shuffled<T extends { readonly id: string }>(items: readonly T[], seed: number, purpose: string): T[] {
  return items
    .map((item, index) => ({ item, rank: hash64(seed, purpose, index, item.id) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0))
    .map(({ item }) => item);
}
