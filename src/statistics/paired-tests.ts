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
  /** Null where a subject has too few questions for its spread to be known. */
  readonly macro: Interval | null;
}

/** With one question a subject's resamples are all the same; from about ten on their spread is that of the subject. */
const fewestForMacro = 10;

/**
 * The paired bootstrap over questions: each resample draws as many questions as there are, with replacement, and keeps both
 * models' answers together; for macro within each subject, so that every subject keeps its size.
 *
 * A question counts 1, 0 or -1 for the difference, so the sum over a resample has a distribution that is known exactly; one
 * draw from it stands for the whole resample. Draws are counted, not taken in sequence: the same seed gives the same
 * interval, and a subject's draws do not depend on which others are there.
 */
export class PairedBootstrap {
  readonly #subjects: ReadonlyMap<string, PairedCounts>;
  readonly #options: BootstrapOptions;

  constructor(subjects: ReadonlyMap<string, PairedCounts>, options: BootstrapOptions) {
    this.#subjects = subjects;
    this.#options = options;
  }

  /** The intervals for some of the subjects together. */
  intervals(subjects: readonly string[]): BootstrapIntervals {
    const parts = subjects.map((subject) => {
      const part = this.#subjects.get(subject);
      if (part === undefined) throw new RangeError(`the bootstrap has no subject "${subject}"`);
      return part;
    });
    const sum = (field: keyof PairedCounts) => parts.reduce((total, part) => total + part[field], 0);
    const all = { questions: sum("questions"), onlyFirst: sum("onlyFirst"), onlySecond: sum("onlySecond") };
    const micro = Float64Array.from(this.#drawn(all, subjects.join("\n")), (difference) => difference / all.questions);
    if (parts.length === 1) return { micro: percentileInterval(micro), macro: percentileInterval(micro) };
    return { micro: percentileInterval(micro), macro: this.#macro(subjects, parts) };
  }

  #macro(subjects: readonly string[], parts: readonly PairedCounts[]): Interval | null {
    if (parts.some(({ questions }) => questions < fewestForMacro)) return null;
    const macro = new Float64Array(this.#options.resamples);
    for (const [place, part] of parts.entries()) {
      const drawn = this.#drawn(part, subjects[place] as string);
      const scale = part.questions * parts.length;
      for (let i = 0; i < macro.length; ++i) macro[i] = (macro[i] as number) + (drawn[i] as number) / scale;
    }
    return percentileInterval(macro);
  }

  #drawn(counts: PairedCounts, stream: string): Int32Array {
    const { resamples, seed } = this.#options;
    return drawDifferences(counts, resamples, (index) => counterUniform(seed, stream, index));
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
