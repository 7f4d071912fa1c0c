// Which candidates may be taken, in which order, and how many: the strategies.
import type { SelectConfig } from "../config/select-schema.ts";
import { RlvrError } from "../errors.ts";
import type { Candidate } from "./evidence.ts";
import { shuffled } from "./shuffle.ts";

export type Strategy = SelectConfig["strategy"];

/** Candidates that are alike for a strategy, in the order in which they are taken, and how many are wanted. */
export interface Pool {
  /** What they are, for messages and summaries: "hard", "easy", "random", "pass rate 0.1 to 0.9". */
  readonly name: string;
  readonly wanted: number;
  readonly candidates: readonly Candidate[];
  /** What to change when there are too few. */
  readonly remedy: string;
}

/** The pools of a strategy. The order within each follows from the seed alone; nothing is in two pools. */
export function poolsOf(candidates: readonly Candidate[], strategy: Strategy, seed: number): Pool[] {
  const { count } = strategy;
  switch (strategy.kind) {
    case "random":
      return [
        {
          name: "random",
          wanted: count,
          candidates: shuffled(candidates, seed, "select"),
          remedy: "lower strategy.count",
        },
      ];
    case "filter":
      return (["hard", "easy"] as const).map((difficulty) => ({
        name: difficulty,
        wanted: strategy[difficulty],
        candidates: shuffled(
          candidates.filter((candidate) => candidate.difficulty === difficulty),
          seed,
          "select",
        ),
        remedy: `lower strategy.${difficulty}`,
      }));
    case "pass_rate": {
      const { minPassRate, maxPassRate } = strategy;
      const within = candidates.filter(({ passRate }) => inRange(passRate, minPassRate, maxPassRate));
      return [
        {
          name: `pass rate ${minPassRate} to ${maxPassRate}`,
          wanted: count,
          candidates: shuffled(within, seed, "select"),
          remedy: "lower strategy.count or widen strategy.min_pass_rate and max_pass_rate",
        },
      ];
    }
    case "percentile": {
      const { fromPercentile, toPercentile } = strategy;
      const hardestFirst = shuffled(candidates, seed, "select").sort((a, b) => (a.passRate ?? 0) - (b.passRate ?? 0));
      const place = (percentile: number) => Math.round((percentile / 100) * hardestFirst.length);
      return [
        {
          name: `percentile ${fromPercentile} to ${toPercentile}`,
          wanted: count,
          candidates: hardestFirst.slice(place(fromPercentile), place(toPercentile)),
          remedy: "lower strategy.count or widen strategy.from_percentile and to_percentile",
        },
      ];
    }
  }
}

function inRange(value: number | null, least: number, most: number): boolean {
  return value !== null && value >= least && value <= most;
}

/** What a candidate has in common with an evaluation row. */
export interface Overlap {
  readonly question_id: string;
  /** Of these, "exact" and "ngram" must not be taken; a "phrase" is a run of words that many texts have. */
  readonly kind: "exact" | "ngram" | "phrase";
  /** The id of the evaluation row, and words that both have. */
  readonly row: string;
  readonly words: string;
  /** Of the candidate's runs of words, the share that the row has. */
  readonly share: number;
}

export interface Taken {
  readonly pool: string;
  readonly candidate: Candidate;
}

export interface Composition {
  readonly taken: Taken[];
  readonly pools: readonly { readonly name: string; readonly found: number; readonly taken: number }[];
  /** Candidates that would have been taken, were they not in an evaluation set; the next in order took their places. */
  readonly replaced: Overlap[];
  /** What the chosen ones have in common with evaluation rows all the same. */
  readonly phrases: Overlap[];
}

/**
 * Takes from each pool so many as are wanted, without those that `overlapsOf` finds in an evaluation set. Throws
 * RLVR_BAD_DATA when a pool has too few, with how many there are.
 */
export function compose(
  pools: readonly Pool[],
  total: number,
  overlapsOf: (candidates: readonly Candidate[]) => readonly Overlap[],
): Composition {
  const replaced: Overlap[] = [];
  const phrases: Overlap[] = [];
  const composed = pools.map((pool) => {
    const chosen: Candidate[] = [];
    let next = 0;
    while (chosen.length < pool.wanted && next < pool.candidates.length) {
      const tried = pool.candidates.slice(next, next + pool.wanted - chosen.length);
      next += tried.length;
      const overlaps = overlapsOf(tried);
      const inside = overlaps.filter(({ kind }) => kind !== "phrase");
      const isInside = new Set(inside.map(({ question_id }) => question_id));
      chosen.push(...tried.filter(({ id }) => !isInside.has(id)));
      replaced.push(...inside);
      phrases.push(...overlaps.filter(({ kind }) => kind === "phrase"));
    }
    return { pool, chosen, lost: next - chosen.length };
  });
  const short = composed.filter(({ pool, chosen }) => chosen.length < pool.wanted);
  if (short.length > 0) throw tooFew(short, total);
  return {
    taken: composed.flatMap(({ pool, chosen }) => chosen.map((candidate) => ({ pool: pool.name, candidate }))),
    pools: composed.map(({ pool, chosen }) => ({
      name: pool.name,
      found: pool.candidates.length,
      taken: chosen.length,
    })),
    replaced,
    phrases,
  };
}

function tooFew(short: readonly { pool: Pool; chosen: Candidate[]; lost: number }[], total: number): RlvrError {
  const lines = short.map(({ pool, lost }) => {
    const without = lost === 0 ? "" : `, of which ${lost} are in an evaluation set`;
    return `  ${pool.name}: ${pool.wanted} wanted, ${pool.candidates.length} of ${total} candidates are${without}; ${pool.remedy}`;
  });
  return new RlvrError(
    "RLVR_BAD_DATA",
    `[select] too few candidates\n${lines.join("\n")}\n` +
      "  Or add candidates (candidates.source, candidates.limit). The answers so far are kept: nothing is asked again.",
  );
}
