// Accuracy of one evaluation: by subject, by category, in total; questions counted alike (micro) and subjects alike (macro).
import type { Benchmark } from "../data/benchmark-row.ts";
import { RlvrError } from "../errors.ts";
import type { AnswerRecord } from "./answer-record.ts";
import { type Interval, normalInterval, standardError, wilson } from "./proportion.ts";

/** Category → its subjects. A subject may stand in several categories; the total counts its questions once. */
export type Categories = ReadonlyMap<string, readonly string[]>;

/** What a benchmark's subjects are reported under when no map has them. */
export const uncategorized = "Uncategorized";

/** Right answers among questions, each question counted alike. */
export interface Score extends Interval {
  readonly questions: number;
  readonly correct: number;
  /** correct / questions: the micro average where several subjects are summed. */
  readonly accuracy: number;
  /** Normal standard error of `accuracy`. `low` and `high` are Wilson's 95 % interval. */
  readonly standardError: number;
  /** Answers out of which nothing could be read. */
  readonly unparsed: number;
  /** Answers that the length limit cut. */
  readonly truncated: number;
}

/** The mean of subjects' accuracies, each subject counted alike, with its normal standard error and 95 % interval. */
export interface MacroScore extends Interval {
  readonly subjects: number;
  readonly accuracy: number;
  readonly standardError: number;
}

export interface SubjectScore extends Score {
  readonly subject: string;
}

export interface GroupScore extends Score {
  readonly macro: MacroScore;
}

export interface CategoryScore extends GroupScore {
  readonly category: string;
  /** The subjects of the category that were asked, in the map's order. */
  readonly subjects: readonly string[];
}

export interface BenchmarkScores {
  readonly benchmark: Benchmark;
  readonly total: GroupScore;
  /** In the map's order; categories none of whose subjects were asked are left out. */
  readonly categories: readonly CategoryScore[];
  /** In the map's order, each subject once. */
  readonly subjects: readonly SubjectScore[];
}

type Answer = Pick<AnswerRecord, "subject" | "correct" | "extracted" | "finish_reason">;

/** Scores of `answers`, which are one benchmark's. */
export function scoreBenchmark(
  benchmark: Benchmark,
  answers: readonly Answer[],
  categories: Categories,
): BenchmarkScores {
  if (answers.length === 0) throw new RlvrError("RLVR_BAD_DATA", `[statistics] ${benchmark} has no answers to score`);
  const bySubject = new Map<string, Answer[]>();
  for (const answer of answers) {
    const same = bySubject.get(answer.subject);
    if (same === undefined) bySubject.set(answer.subject, [answer]);
    else same.push(answer);
  }
  const asked = askedCategories([...bySubject.keys()], categories);
  const subjects = new Map<string, SubjectScore>();
  for (const subject of [...asked.values()].flat()) {
    subjects.set(subject, { subject, ...scoreOf(bySubject.get(subject) ?? []) });
  }
  const group = (names: readonly string[]): GroupScore => {
    const scores = names.map((name) => subjects.get(name) as SubjectScore);
    return { ...sumOf(scores), macro: macroOf(scores) };
  };
  return {
    benchmark,
    total: group([...subjects.keys()]),
    categories: [...asked].map(([category, names]) => ({ category, subjects: names, ...group(names) })),
    subjects: [...subjects.values()],
  };
}

/** The categories with the subjects that were asked; subjects that no category has stand in one of their own, at the end. */
export function askedCategories(subjects: readonly string[], categories: Categories): Map<string, string[]> {
  const asked = new Set(subjects);
  const known = new Set([...categories.values()].flat());
  const result = new Map<string, string[]>();
  for (const [category, names] of categories) {
    const present = names.filter((name) => asked.has(name));
    if (present.length > 0) result.set(category, present);
  }
  const rest = subjects.filter((name) => !known.has(name)).sort();
  if (rest.length > 0) result.set(uncategorized, [...(result.get(uncategorized) ?? []), ...rest]);
  return result;
}

function scoreOf(answers: readonly Answer[]): Score {
  const count = (isCounted: (answer: Answer) => boolean) => answers.filter(isCounted).length;
  return counted({
    questions: answers.length,
    correct: count((answer) => answer.correct),
    unparsed: count((answer) => answer.extracted === null),
    truncated: count((answer) => answer.finish_reason === "length"),
  });
}

function sumOf(scores: readonly Score[]): Score {
  const sum = (field: "questions" | "correct" | "unparsed" | "truncated") =>
    scores.reduce((total, score) => total + score[field], 0);
  return counted({
    questions: sum("questions"),
    correct: sum("correct"),
    unparsed: sum("unparsed"),
    truncated: sum("truncated"),
  });
}

function counted(counts: Pick<Score, "questions" | "correct" | "unparsed" | "truncated">): Score {
  const accuracy = counts.correct / counts.questions;
  return {
    ...counts,
    accuracy,
    standardError: standardError(accuracy, counts.questions),
    ...wilson(accuracy, counts.questions),
  };
}

/** Subjects are independent samples, so the variance of their mean is the sum of theirs over the square of their number. */
function macroOf(scores: readonly Score[]): MacroScore {
  const accuracy = scores.reduce((sum, score) => sum + score.accuracy, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + score.standardError ** 2, 0) / scores.length ** 2;
  const error = Math.sqrt(variance);
  return { subjects: scores.length, accuracy, standardError: error, ...normalInterval(accuracy, error) };
}
