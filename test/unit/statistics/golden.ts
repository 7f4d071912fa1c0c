// test/golden/data/statistics.json, typed.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

interface Golden {
  readonly versions: Readonly<Record<string, string>>;
  readonly wilson: readonly {
    readonly correct: number;
    readonly count: number;
    readonly low: number;
    readonly high: number;
    readonly normal_low: number;
    readonly normal_high: number;
    readonly standard_error: number;
    readonly sample_standard_error: number | null;
  }[];
  readonly mcnemar: readonly { readonly only_first: number; readonly only_second: number; readonly p: number }[];
  readonly holm: readonly { readonly p: readonly number[]; readonly adjusted: readonly number[] }[];
  readonly comparison: {
    readonly subjects: Readonly<
      Record<
        string,
        {
          readonly first: string;
          readonly second: string;
          readonly table: readonly [readonly [number, number], readonly [number, number]];
          readonly p: number;
          readonly holm: number;
          readonly interval: readonly [number, number];
        }
      >
    >;
    readonly micro: readonly [number, number];
    readonly macro: readonly [number, number];
    readonly macro_standard_error_first: number;
    readonly micro_interval: readonly [number, number];
    readonly macro_interval: readonly [number, number];
    readonly p: number;
  };
  readonly pooled: {
    readonly sizes: readonly number[];
    readonly accuracies: readonly number[];
    readonly errors: readonly number[];
    readonly pooled: number;
  };
}

const file = resolve(import.meta.dirname, "../../golden/data/statistics.json");
export const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
