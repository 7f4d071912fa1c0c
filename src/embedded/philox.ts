// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011), the same function as native/core/rng.h: a draw depends
// on (seed, stream, index) and its place in that sequence, never on what else was drawn.
type Words = [number, number, number, number];

/** Ten rounds of Philox4x32 on a 128-bit counter under a 64-bit key, all as unsigned 32-bit words. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(0xd2511f53, c0);
    const lowA = Math.imul(0xd2511f53, c0) >>> 0;
    const highB = multiplyHigh(0xcd9e8d57, c2);
    const lowB = Math.imul(0xcd9e8d57, c2) >>> 0;
    [c0, c1, c2, c3] = [(highB ^ c1 ^ k0) >>> 0, lowB, (highA ^ c3 ^ k1) >>> 0, lowA];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The upper 32 bits of a 32 x 32 bit product, by halves, because a double holds 53 bits. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = Math.floor((aLow * bHigh + (middle % 0x10000)) / 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + carry;
}

/** The sequence of draws that belongs to (seed, stream, index); `stream` separates uses of one seed. */
export class Draws {
  readonly #key: readonly [number, number];
  readonly #stream: number;
  readonly #index: number;
  #block = 0;
  #words: number[] = [];

  constructor(seed: number, stream: number, index: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 0x1_0000_0000) >>> 0];
    this.#stream = stream >>> 0;
    this.#index = index;
  }

  word(): number {
    if (this.#words.length === 0) {
      const indexHigh = Math.floor(this.#index / 0x1_0000_0000) >>> 0;
      this.#words = philox([this.#block++, this.#stream, this.#index >>> 0, indexHigh], this.#key);
    }
    return this.#words.shift() as number;
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000;
  }

  /** Uniform in {0, ..., count - 1}. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** Standard normal (Box-Muller, one of the pair). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A new array with the items in random order. */
  shuffle<T>(items: readonly T[]): T[] {
    const order = [...items];
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j] as T, order[i] as T];
    }
    return order;
  }
}
