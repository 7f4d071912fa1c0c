// The resolved config as YAML, each value with where it came from, and the counts that follow from it.
import { Document, isMap, isPair, isScalar, visit } from "yaml";
import { type ConfigKind, fromCamel } from "./option.ts";
import type { SetBy } from "./resolve.ts";
import { type Config, runKind } from "./schema.ts";

/** The config of a run; see showAs. */
export function showConfig(config: Config, setBy?: ReadonlyMap<string, SetBy>): string {
  return showAs(runKind, config, setBy);
}

/**
 * The whole config as YAML that loads back to the same values; a comment beside each names its origin. `setBy` tells who
 * set which option; without it, a value that is not the default counts as set by the caller.
 */
export function showAs(kind: ConfigKind, config: object, setBy = setByCaller(kind, config)): string {
  const document = new Document(fromCamel(config));
  visit(document, {
    Pair(_, pair, ancestors) {
      const keys = [...ancestors.filter(isPair), pair].map(({ key }) => (isScalar(key) ? String(key.value) : ""));
      const comment = originOf(keys.join("."), kind, setBy);
      if (comment === undefined) return;
      const { key, value } = pair;
      if (isScalar(value)) value.comment = ` ${comment}`;
      else if (isScalar(key)) key.commentBefore = ` ${comment}`;
      if (isMap(value)) return visit.SKIP;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function originOf(path: string, kind: ConfigKind, setBy: ReadonlyMap<string, string>): string | undefined {
  const info = kind.options.get(path);
  if (info === undefined) return undefined;
  const source = setBy.get(path) ?? [...setBy].find(([set]) => set.startsWith(`${path}.`))?.[1];
  return source === undefined ? `${info.origin}: ${info.note}` : `set by the ${source}`;
}

/** Every option whose value is not its default. */
function setByCaller(kind: ConfigKind, config: object): ReadonlyMap<string, SetBy> {
  const values = fromCamel(config);
  const defaults = kind.schema.parse(kind.least);
  const at = (value: unknown, path: string) =>
    path.split(".").reduce<unknown>((inner, key) => Reflect.get(inner as object, key), value);
  const isDefault = (path: string) => JSON.stringify(at(values, path)) === JSON.stringify(at(defaults, path));
  return new Map([...kind.options.keys()].filter((path) => !isDefault(path)).map((path) => [path, "caller"]));
}

export interface BatchCounts {
  readonly questionsPerStep: number;
  readonly completionsPerStep: number;
  readonly completionsPerMicroBatch: number;
  /** Steps until every question was asked once; the last one may begin the next epoch. */
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
}

/** The batch in both countings, and how many steps the run has over `questions` training questions. */
export function batchCounts(config: Config, questions: number): BatchCounts {
  const { batch, sampling } = config;
  const questionsPerStep = batch.questions * batch.accumulation;
  return {
    questionsPerStep,
    completionsPerStep: questionsPerStep * sampling.numGenerations,
    completionsPerMicroBatch: batch.questions * sampling.numGenerations,
    stepsPerEpoch: Math.ceil(questions / questionsPerStep),
    totalSteps: batch.steps ?? Math.ceil((questions * batch.epochs) / questionsPerStep),
  };
}

/** The counts in one line for people. */
export function describeCounts(config: Config, counts: BatchCounts, questions: number): string {
  const { batch, sampling } = config;
  return (
    `${questions} questions; a step is ${counts.questionsPerStep} questions × ${sampling.numGenerations} rollouts = ` +
    `${counts.completionsPerStep} completions (micro-batches: ${batch.accumulation} of ${counts.completionsPerMicroBatch}); ` +
    `${counts.stepsPerEpoch} steps an epoch, ${counts.totalSteps} steps in all`
  );
}

/** Rewards with their weights, whichever way the config writes them. */
export function rewardEntries(rewards: Config["rewards"]) {
  return rewards.map((entry) => (typeof entry === "string" ? { name: entry, weight: 1 } : entry));
}

const units = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** Bytes of "4GiB", "500 MB" or a plain number. */
export function byteCount(size: number | string): number {
  if (typeof size === "number") return size;
  const [, amount, unit] = /^([\d.]+) ?(\w+)$/.exec(size) ?? [];
  return Math.floor(Number(amount) * units[unit as keyof typeof units]);
}
