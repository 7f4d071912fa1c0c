// Random numbers that are a function of seed, name and index, so that a draw does not depend on what else was drawn.

/** The finalizer of MurmurHash3 (Appleby 2011): every bit of the result depends on every bit of `word`. */
function mixed(word: number): number {
  let x = word;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A 32-bit hash of a text (FNV-1a over its UTF-16 units, then mixed). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; ++i) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** Uniform in [0, 1), a multiple of 2^-32. `seed` is a whole number below 2^32. */
export function counterUniform(seed: number, stream: string, index: number): number {
  const key = mixed(mixed(seed ^ 0x9e3779b9) ^ hashOf(stream));
  return mixed(mixed((index + key) >>> 0) ^ Math.imul(key, 0x9e3779b1)) / 0x1_0000_0000;
}
