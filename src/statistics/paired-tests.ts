// Tests between two models that answered the same questions, by how many only one of them has right.
import binomialTest from "@stdlib/stats-binomial-test";
import padjust from "@stdlib/stats-padjust";
import { counterUniform } from "./counter-random.ts";
import type { Interval } from "./proportion.ts";

/** How two models' answers to the same questions fall. */
export interface PairedCounts {
  readonly questions: number;
  /** Right in the first model only: what the second lost. */
  readonly onlyFirst: number;
  /** Right in the second model only: what it gained. */
  readonly onlySecond: number;
}

/**
 * The exact test of McNemar (1947), two-sided: if the models were equally good, each question that only one of them has
 * right would be a fair coin. 1 when there is no such question.
 */
export function exactMcNemar({ onlyFirst, onlySecond }: PairedCounts): number {
  const discordant = onlyFirst + onlySecond;
  if (discordant === 0) return 1;
  // Sums of many small terms can end a little above 1.
  return Math.min(1, binomialTest(Math.min(onlyFirst, onlySecond), discordant).pValue);
}

/** p-values adjusted by Holm (1979): below alpha with a family-wise error of at most alpha, whatever their dependence. */
export function holm(pValues: readonly number[]): number[] {
  return pValues.length === 0 ? [] : padjust([...pValues], "holm");
}

export interface BootstrapOptions {
  readonly resamples: number;
  readonly seed: number;
}

/** 95 % percentile intervals of second minus first, in accuracy: questions alike (micro), subjects alike (macro). */
export interface BootstrapIntervals {
  readonly micro: Interval;
  readonly macro: Interval;
}

/**
 * The paired bootstrap over questions: each resample draws, within each subject, as many questions as the subject has,
 * with replacement, and keeps both models' answers together. Subjects keep their sizes, so both averages can be formed.
 *
 * A question counts 1, 0 or -1 for the difference, so the sum over a subject's resample has a distribution that is known
 * exactly; one draw from it stands for the whole resample of the subject. Draws are counted, not taken in sequence: the
 * same seed gives the same interval, and a subject's draws do not depend on which others are there.
 */
export class PairedBootstrap {
  readonly #resamples: number;
  /** subject → its difference (second minus first, in questions) in each resample */
  readonly #differences = new Map<string, { readonly questions: number; readonly drawn: Int32Array }>();

  constructor(subjects: ReadonlyMap<string, PairedCounts>, { resamples, seed }: BootstrapOptions) {
    this.#resamples = resamples;
    for (const [subject, counts] of subjects) {
      const drawn = drawDifferences(counts, resamples, (index) => counterUniform(seed, subject, index));
      this.#differences.set(subject, { questions: counts.questions, drawn });
    }
  }

  /** The intervals for some of the subjects together. */
  intervals(subjects: readonly string[]): BootstrapIntervals {
    const parts = subjects.map((subject) => {
      const part = this.#differences.get(subject);
      if (part === undefined) throw new RangeError(`the bootstrap has no subject "${subject}"`);
      return part;
    });
    const questions = parts.reduce((sum, part) => sum + part.questions, 0);
    const micro = new Float64Array(this.#resamples);
    const macro = new Float64Array(this.#resamples);
    for (const part of parts) {
      for (let i = 0; i < this.#resamples; ++i) {
        const difference = part.drawn[i] as number;
        micro[i] = (micro[i] as number) + difference / questions;
        macro[i] = (macro[i] as number) + difference / part.questions / parts.length;
      }
    }
    return { micro: percentileInterval(micro), macro: percentileInterval(macro) };
  }
}

function drawDifferences(counts: PairedCounts, resamples: number, uniform: (index: number) => number): Int32Array {
  const { questions } = counts;
  const cumulative = cumulativeSums(differenceDistribution(counts));
  return Int32Array.from({ length: resamples }, (_, index) => firstAbove(cumulative, uniform(index)) - questions);
}

/**
 * P(difference = d), at index d + n: the n-fold convolution of one question's distribution over -1, 0 and 1, n being the
 * number of questions. By repeated squaring, so that a benchmark of ten thousand questions without subjects is quick.
 */
export function differenceDistribution({ questions, onlyFirst, onlySecond }: PairedCounts): Float64Array {
  const once = Float64Array.of(onlyFirst / questions, 1 - (onlyFirst + onlySecond) / questions, onlySecond / questions);
  let power: Float64Array = Float64Array.of(1);
  for (const bit of questions.toString(2)) {
    power = convolve(power, power);
    if (bit === "1") power = convolve(power, once);
  }
  return power;
}

function convolve(a: Float64Array, b: Float64Array): Float64Array {
  const result = new Float64Array(a.length + b.length - 1);
  for (const [i, x] of a.entries()) {
    // Terms this far out cannot be drawn; skipping them makes the time that of the few standard deviations that can.
    if (x < 1e-30) continue;
    for (let j = 0; j < b.length; ++j) result[i + j] = (result[i + j] as number) + x * (b[j] as number);
  }
  return result;
}

function cumulativeSums(values: Float64Array): Float64Array {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/** The first index whose value is above `threshold`; the last with any weight when rounding leaves none. */
function firstAbove(cumulative: Float64Array, threshold: number): number {
  const wanted = Math.min(threshold, (cumulative.at(-1) as number) * (1 - Number.EPSILON));
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cumulative[middle] as number) > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The 2.5 % and the 97.5 % point, interpolated between order statistics as numpy does. */
export function percentileInterval(values: Float64Array): Interval {
  const sorted = values.toSorted();
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)] as number, sorted[Math.ceil(place)] as number];
    return below + (place - Math.floor(place)) * (above - below);
  };
  return { low: at(0.025), high: at(0.975) };
}
