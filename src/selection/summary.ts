// What a selection is: counts, causes, subjects, lengths, and how much of a training on it would carry a signal.
import { filterOutcomes } from "./difficulty.ts";
import type { Candidate } from "./evidence.ts";
import type { Composition, Overlap } from "./strategies.ts";

/** Five numbers of a list; all null for an empty one. */
export interface Spread {
  readonly count: number;
  readonly mean: number | null;
  readonly least: number | null;
  readonly median: number | null;
  readonly p90: number | null;
  readonly most: number | null;
}

/** How a model answered all candidates. Shares are of answers, the unparsed and the cut-off ones included. */
export interface ModelSummary {
  readonly model: string;
  readonly questions: number;
  readonly samples: number;
  readonly pass_rate: number;
  readonly easy: number;
  readonly hard: number;
  /** Hard questions by their cause. */
  readonly causes: Readonly<Record<string, number>>;
  readonly unparsed: number;
  readonly truncated: number;
  readonly completion_tokens: Spread;
}

/** What was looked through, and by which rule. */
export interface EvaluationSetSize {
  readonly rows: number;
  readonly ngram: number;
  readonly ngram_share: number;
}

export interface SelectionSummary {
  readonly schema: 1;
  readonly strategy: string;
  readonly candidates: number;
  /** Left out before: rows that could not be read, questions asked twice, prompts that are too long. */
  readonly bad_rows: number;
  readonly duplicates: number;
  readonly too_long: number;
  readonly chosen: number;
  readonly pools: Composition["pools"];
  /** Of the chosen questions. */
  readonly causes: Readonly<Record<string, number>>;
  readonly subjects: Readonly<Record<string, number>>;
  readonly question_words: Spread;
  readonly models: readonly ModelSummary[];
  /**
   * The expected share of groups whose rollouts are all right or all wrong, so that accuracy gives no gradient. From the
   * measured pass rates p it is the mean of p^G + (1-p)^G; with few samples that is too high, and `smoothed` takes each p
   * for unknown, uniform before its samples. Null where no model was asked.
   */
  readonly no_signal: {
    readonly num_generations: number;
    readonly from_pass_rates: number | null;
    readonly smoothed: number | null;
  };
  /** `phrases`: how many of the chosen share a run of words with a row, but too few to be it. Null: nothing was looked through. */
  readonly decontamination:
    | (EvaluationSetSize & { readonly replaced: readonly Overlap[]; readonly phrases: number })
    | null;
}

export interface SummaryInput {
  readonly strategy: string;
  readonly candidates: readonly Candidate[];
  readonly composition: Composition;
  readonly badRows: number;
  readonly duplicates: number;
  readonly tooLong: number;
  readonly numGenerations: number;
  readonly evaluationSet: EvaluationSetSize | null;
}

export function summarizeSelection(input: SummaryInput): SelectionSummary {
  const { candidates, composition, numGenerations, evaluationSet } = input;
  const chosen = composition.taken.map(({ candidate }) => candidate);
  return {
    schema: 1,
    strategy: input.strategy,
    candidates: candidates.length,
    bad_rows: input.badRows,
    duplicates: input.duplicates,
    too_long: input.tooLong,
    chosen: chosen.length,
    pools: composition.pools,
    causes: countBy(chosen.flatMap(({ cause }) => cause ?? [])),
    subjects: countBy(chosen.map(({ question }) => question.subject || "none")),
    question_words: spread(chosen.map(({ question }) => question.question.split(/\s+/).filter(Boolean).length)),
    models: modelSummaries(candidates),
    no_signal: {
      num_generations: numGenerations,
      from_pass_rates: meanOrNull(
        chosen.flatMap(({ passRate: p }) => (p === null ? [] : [noSignal(p, numGenerations)])),
      ),
      smoothed: meanOrNull(chosen.flatMap((candidate) => smoothedNoSignal(candidate, numGenerations) ?? [])),
    },
    decontamination:
      evaluationSet === null
        ? null
        : {
            ...evaluationSet,
            replaced: composition.replaced,
            phrases: composition.phrases.length,
          },
  };
}

/** The chance that G rollouts of pass rate p are all right or all wrong. */
export function noSignal(p: number, rollouts: number): number {
  return p ** rollouts + (1 - p) ** rollouts;
}

/**
 * The same for a question of which r of k answers were right, p unknown: the mean under Beta(r + 1, k - r + 1), where
 * E[p^G] is the product of (r + 1 + i) / (k + 2 + i) over i < G.
 */
export function expectedNoSignal(right: number, answers: number, rollouts: number): number {
  const allOf = (successes: number) =>
    Array.from({ length: rollouts }, (_, i) => (successes + 1 + i) / (answers + 2 + i)).reduce((a, b) => a * b, 1);
  return allOf(right) + allOf(answers - right);
}

function smoothedNoSignal({ evidence }: Candidate, rollouts: number): number | undefined {
  const outcomes = evidence.flatMap((one) => one.outcomes);
  if (outcomes.length === 0) return undefined;
  return expectedNoSignal(outcomes.filter((outcome) => outcome === "right").length, outcomes.length, rollouts);
}

function modelSummaries(candidates: readonly Candidate[]): ModelSummary[] {
  const models = [...new Set(candidates.flatMap(({ evidence }) => evidence.map(({ model }) => model)))];
  return models.map((model) => {
    const evidence = candidates.flatMap((candidate) => candidate.evidence.filter((one) => one.model === model));
    const outcomes = evidence.flatMap((one) => one.outcomes);
    const share = (count: number) => count / Math.max(1, outcomes.length);
    return {
      model,
      questions: evidence.length,
      samples: Math.max(0, ...evidence.map((one) => one.outcomes.length)),
      pass_rate: share(outcomes.filter((outcome) => outcome === "right").length),
      easy: evidence.filter(({ difficulty }) => difficulty === "easy").length,
      hard: evidence.filter(({ difficulty }) => difficulty === "hard").length,
      causes: countBy(evidence.flatMap(({ cause }) => cause ?? [])),
      unparsed: share(evidence.flatMap((one) => one.extracted).filter((letter) => letter === null).length),
      truncated: share(outcomes.filter((outcome) => outcome === "truncated").length),
      completion_tokens: spread(evidence.flatMap((one) => one.completion_tokens)),
    };
  });
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
  return {
    count: sorted.length,
    mean: meanOrNull(sorted),
    least: sorted[0] ?? null,
    median: at(0.5),
    p90: at(0.9),
    most: sorted.at(-1) ?? null,
  };
}

function meanOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Counts by value; causes in their own order, all else the most frequent first. */
function countBy(values: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const place = (value: string) => (filterOutcomes as readonly string[]).indexOf(value);
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => place(a) - place(b) || n - m || (a < b ? -1 : 1)));
}

/** The summary in lines for people. */
export function describeSelection(summary: SelectionSummary): string[] {
  const { pools, no_signal: noSignal, decontamination: check } = summary;
  const percent = (share: number | null) => (share === null ? "unknown" : `${(100 * share).toFixed(1)} %`);
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ") || "none";
  const lengths = ({ mean, median, p90, most }: Spread) =>
    `mean ${mean?.toFixed(0) ?? "-"}, median ${median ?? "-"}, p90 ${p90 ?? "-"}, most ${most ?? "-"}`;
  const left = [
    [summary.bad_rows, "bad rows"],
    [summary.duplicates, "duplicates"],
    [summary.too_long, "prompts that are too long"],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
  return [
    `${summary.chosen} of ${summary.candidates} candidates chosen${left.length === 0 ? "" : ` (left out: ${left.join(", ")})`}`,
    ...pools.map(({ name, found, taken }) => `  ${name}: ${taken} of ${found}`),
    `causes of hard:   ${list(summary.causes)}`,
    `subjects:         ${list(summary.subjects)}`,
    `question words:   ${lengths(summary.question_words)}`,
    ...summary.models.flatMap((model) => [
      `${model.model}: ${model.questions} questions × ${model.samples}, pass rate ${percent(model.pass_rate)}, ` +
        `easy ${model.easy}, hard ${model.hard} (${list(model.causes)})`,
      `  unparsed ${percent(model.unparsed)}, cut off ${percent(model.truncated)}, ` +
        `tokens an answer: ${lengths(model.completion_tokens)}`,
    ]),
    `groups of ${noSignal.num_generations} without an accuracy signal: ${percent(noSignal.from_pass_rates)} by the pass rates, ` +
      `${percent(noSignal.smoothed)} when each rate is taken as unknown before its answers`,
    check === null
      ? "not checked against evaluation sets (decontamination.against)"
      : `checked against ${check.rows} evaluation rows (exact, ${check.ngram}-gram): ${check.replaced.length} replaced; ` +
        `${check.phrases} chosen ones share a phrase of ${check.ngram} words with some row`,
    ...(check?.replaced
      .slice(0, 5)
      .map(({ question_id, kind, row, share }) => `  ${question_id} is ${row} (${kind}, ${percent(share)})`) ?? []),
  ];
}
