// rlvr compare: evaluation folders in, comparisons of pairs out.
import type { Benchmark } from "../data/benchmark-row.ts";
import { categoriesOf, categoryMapNames } from "../data/categories.ts";
import { RlvrError } from "../errors.ts";
import {
  type CompareOptions,
  type Comparison,
  compareEvaluations,
  defaultBootstrap,
  pairsOf,
} from "../statistics/compare.ts";
import type { Categories } from "../statistics/scores.ts";
import { readEvaluations, type StoredEvaluation } from "./read-evaluation.ts";

export interface CompareRunsOptions {
  /** Each later evaluation with the first, or every pair. */
  readonly pairs?: "baseline" | "all" | undefined;
  readonly benchmarks?: readonly Benchmark[] | undefined;
  /** Category maps as categoryChooser takes them; a benchmark without one has that of the protocol. */
  readonly categoryMaps?: readonly string[] | undefined;
  readonly resamples?: number | undefined;
  readonly seed?: number | undefined;
}

/** Compares evaluation folders pair by pair. */
export async function compareRuns(
  folders: readonly string[],
  options: CompareRunsOptions = {},
): Promise<readonly Comparison[]> {
  if (folders.length < 2) {
    throw new RlvrError("RLVR_USAGE", `[compare] ${folders.length} evaluation given; expected two or more folders`);
  }
  const runs = await readEvaluations(folders, { benchmarks: options.benchmarks, textLimit: 0 });
  const settings: CompareOptions = {
    resamples: options.resamples ?? defaultBootstrap.resamples,
    seed: options.seed ?? defaultBootstrap.seed,
    categoriesOf: categoryChooser(options.categoryMaps ?? [], runs[0]?.categoryMaps),
  };
  return pairsOf(runs, options.pairs ?? "baseline").map(([first, second]) =>
    compareEvaluations(first, second, settings),
  );
}

/**
 * The category map of each benchmark: as given ("mmlu=lm-eval", "cmmlu=overlapping"), else the protocol's, else the
 * benchmark's default.
 *
 * @throws RlvrError RLVR_USAGE for a benchmark or a map that is not there.
 */
export function categoryChooser(
  maps: readonly string[],
  ofProtocol: StoredEvaluation["categoryMaps"] = {},
): (benchmark: Benchmark) => Categories {
  const chosen = new Map<Benchmark, string>();
  for (const text of maps) {
    const [benchmark, map] = text.split("=", 2) as [Benchmark, string | undefined];
    const known = Object.hasOwn(mapped, benchmark) ? categoryMapNames(benchmark) : [];
    if (map === undefined || !known.includes(map)) {
      const all = Object.keys(mapped).flatMap((name) =>
        categoryMapNames(name as Benchmark).map((one) => `${name}=${one}`),
      );
      throw new RlvrError("RLVR_USAGE", `[compare] category map "${text}"; expected one of ${all.join(", ")}`);
    }
    chosen.set(benchmark, map);
  }
  return (benchmark) => {
    const named = ofProtocol[benchmark];
    const known = named !== undefined && categoryMapNames(benchmark).includes(named) ? named : undefined;
    return categoriesOf(benchmark, chosen.get(benchmark) ?? known);
  };
}

const mapped: Readonly<Partial<Record<Benchmark, true>>> = { mmlu: true, cmmlu: true };
