// What is known of a candidate: how each filter model answered it, and what that makes of it under a rule for several.
import type { AnswerForm } from "../config/select-schema.ts";
import type { Question } from "../data/question.ts";
import { difficultyOf, type FilterOutcome, filterOutcomes, readFilterAnswer } from "./difficulty.ts";

/** One answer as the journal of a selection keeps it; what it is worth is read out of the text each time. */
export interface FilterAnswer {
  /** Which model and settings: the first 16 hex digits of a sha256. */
  readonly key: string;
  /** The question's id, "#", and which sample, from 0. */
  readonly id: string;
  readonly question_id: string;
  /** sha256 of the question's text, its options and its answer, hex: an answer to another question of that id is not used. */
  readonly question_hash: string;
  readonly sample: number;
  readonly model: string;
  readonly text: string;
  readonly finish_reason: "stop" | "length";
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

/** How one model answered a question. */
export interface Evidence {
  readonly model: string;
  readonly outcomes: readonly FilterOutcome[];
  readonly extracted: readonly (string | null)[];
  readonly completion_tokens: readonly number[];
  readonly pass_rate: number;
  readonly difficulty: "easy" | "hard";
  readonly cause: Exclude<FilterOutcome, "right"> | null;
}

/** The evidence of one model's answers to a question, in the order of the samples. */
export function evidenceOf(
  question: Question,
  model: string,
  answers: readonly FilterAnswer[],
  form: AnswerForm,
): Evidence {
  const read = answers.map(({ text, finish_reason }) => readFilterAnswer(text, finish_reason, question, form));
  const outcomes = read.map(({ outcome }) => outcome);
  return {
    model,
    outcomes,
    extracted: read.map(({ extracted }) => extracted),
    completion_tokens: answers.map((answer) => answer.completion_tokens),
    pass_rate: outcomes.filter((outcome) => outcome === "right").length / outcomes.length,
    ...difficultyOf(outcomes, filterOutcomes),
  };
}

/** A candidate with what is known of it. */
export interface Candidate {
  readonly id: string;
  readonly question: Question;
  /** One entry a filter model; empty where none was asked. */
  readonly evidence: readonly Evidence[];
  /** Over all models; null where none was asked. */
  readonly passRate: number | null;
  readonly difficulty: "easy" | "hard" | null;
  readonly cause: Evidence["cause"];
}

/** Several models as one: hard when all (any) of them find it hard, with the first such cause; the mean pass rate. */
export function candidateOf(question: Question, evidence: readonly Evidence[], rule: "all" | "any"): Candidate {
  if (evidence.length === 0)
    return { id: question.id, question, evidence, passRate: null, difficulty: null, cause: null };
  const hard = evidence.filter(({ difficulty }) => difficulty === "hard");
  const isHard = rule === "all" ? hard.length === evidence.length : hard.length > 0;
  return {
    id: question.id,
    question,
    evidence,
    passRate: evidence.reduce((sum, { pass_rate }) => sum + pass_rate, 0) / evidence.length,
    difficulty: isHard ? "hard" : "easy",
    cause: isHard ? (hard[0]?.cause ?? null) : null,
  };
}
