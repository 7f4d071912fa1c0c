// A share of right answers and how sure one can be of it.

/** The standard normal's 97.5 % point. */
const z95 = 1.959963984540054;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The 95 % interval of Wilson (1927) for `share` of `count` trials; all of 0 to 1 when there was no trial. */
export function wilson(share: number, count: number): Interval {
  if (count === 0) return { low: 0, high: 1 };
  const scale = 1 + (z95 * z95) / count;
  const centre = (share + (z95 * z95) / (2 * count)) / scale;
  const half = (z95 / scale) * Math.sqrt((share * (1 - share)) / count + (z95 * z95) / (4 * count * count));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** The normal standard error of a share: sqrt(p (1 - p) / n). */
export function standardError(share: number, count: number): number {
  return count === 0 ? Number.NaN : Math.sqrt((share * (1 - share)) / count);
}

/** The same from the sample deviation, with n - 1, as lm-eval prints it; undefined for fewer than two trials. */
export function sampleStandardError(share: number, count: number): number | undefined {
  return count < 2 ? undefined : Math.sqrt((share * (1 - share)) / (count - 1));
}

/** An interval of mean plus and minus 1.96 standard errors, kept within 0 to 1. */
export function normalInterval(share: number, error: number): Interval {
  return { low: Math.max(0, share - z95 * error), high: Math.min(1, share + z95 * error) };
}
