// Python's random.Random(seed).sample(): lm-eval draws few-shot examples with it, and its prompts must come out the same.
// MT19937 (Matsumoto and Nishimura, 1998) with initialisation by array, then CPython's way from words to a sample.

const size = 624;
const shift = 397;

/** The generator behind `random.Random(seed)` for a seed from 0 to 2^32 - 1. */
export class PythonRandom {
  readonly #state = new Uint32Array(size);
  #index = size;

  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff)
      throw new RangeError(`[shots] seed is ${seed}; expected a whole number from 0 to 4294967295`);
    this.#seedByArray([seed]);
  }

  /** `sample(range(population), count)`: distinct indices. */
  sample(population: number, count: number): number[] {
    if (count > population)
      throw new RangeError(
        `[shots] ${count} examples are wanted of ${population}; expected at most as many as there are`,
      );
    // CPython shuffles a list of all when the population is small beside the set that it would need otherwise.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    const chosen: number[] = [];
    if (population <= setSize) {
      const pool = Array.from({ length: population }, (_, index) => index);
      for (let taken = 0; taken < count; taken += 1) {
        const at = this.#below(population - taken);
        chosen.push(pool[at] as number);
        pool[at] = pool[population - taken - 1] as number;
      }
      return chosen;
    }
    const selected = new Set<number>();
    while (chosen.length < count) {
      const at = this.#below(population);
      if (selected.has(at)) continue;
      selected.add(at);
      chosen.push(at);
    }
    return chosen;
  }

  /** A whole number from 0, below `limit`: as many bits as `limit` has, drawn again until they are below it. */
  #below(limit: number): number {
    const bits = 32 - Math.clz32(limit);
    let drawn = this.#word() >>> (32 - bits);
    while (drawn >= limit) drawn = this.#word() >>> (32 - bits);
    return drawn;
  }

  #at(index: number): number {
    return this.#state[index] as number;
  }

  #seedByArray(key: readonly number[]): void {
    this.#state[0] = 19650218;
    for (let i = 1; i < size; i += 1) {
      const last = this.#at(i - 1);
      this.#state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
    let i = 1;
    const wrap = () => {
      if (i < size) return;
      this.#state[0] = this.#at(size - 1);
      i = 1;
    };
    for (let k = 0; k < Math.max(size, key.length); k += 1) {
      const last = this.#at(i - 1);
      const j = k % key.length;
      this.#state[i] = (this.#at(i) ^ Math.imul(last ^ (last >>> 30), 1664525)) + (key[j] as number) + j;
      i += 1;
      wrap();
    }
    for (let k = 1; k < size; k += 1) {
      const last = this.#at(i - 1);
      this.#state[i] = (this.#at(i) ^ Math.imul(last ^ (last >>> 30), 1566083941)) - i;
      i += 1;
      wrap();
    }
    this.#state[0] = 0x80000000;
  }

  #word(): number {
    if (this.#index === size) this.#twist();
    let y = this.#at(this.#index);
    this.#index += 1;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    for (let i = 0; i < size; i += 1) {
      const y = (this.#at(i) & 0x80000000) | (this.#at((i + 1) % size) & 0x7fffffff);
      this.#state[i] = this.#at((i + shift) % size) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }
}
