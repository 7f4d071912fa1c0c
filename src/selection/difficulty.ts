// Easy and hard (section 2.2): easy is answered right and in the prescribed form, hard is everything else, with a cause.
import type { AnswerForm } from "../config/select-schema.ts";
import type { Question } from "../data/question.ts";
import { boxedAnswer } from "../rewards/boxed.ts";
import { extractOption } from "../rewards/extract-option.ts";

export interface Difficulty<Outcome extends string> {
  readonly difficulty: "easy" | "hard";
  /** Of a hard question: the most frequent outcome that is not "right"; the first of them on a tie. */
  readonly cause: Exclude<Outcome, "right"> | null;
}

/** Easy when at least half of the answers are right; with one answer, when that one is. `order` breaks ties of causes. */
export function difficultyOf<Outcome extends string>(
  outcomes: readonly Outcome[],
  order: readonly Outcome[],
): Difficulty<Outcome> {
  const count = (outcome: Outcome) => outcomes.filter((other) => other === outcome).length;
  const right = outcomes.filter((outcome) => outcome === "right").length;
  if (2 * right >= outcomes.length) return { difficulty: "easy", cause: null };
  const causes = order.filter((outcome): outcome is Exclude<Outcome, "right"> => outcome !== "right");
  return {
    difficulty: "hard",
    cause: causes.reduce((best, other) => (count(other) > count(best) ? other : best)),
  };
}

/**
 * How an answer to a filter model went. "several boxes": they name different options, whichever comes last. "no box" and
 * "several boxes" belong to the boxed form, "no answer" to the other.
 */
export const filterOutcomes = ["right", "wrong", "no box", "several boxes", "no answer", "truncated"] as const;
export type FilterOutcome = (typeof filterOutcomes)[number];

export interface ReadAnswer {
  readonly outcome: FilterOutcome;
  /** The option that the last box, or the first line, names; null: none could be read ("unparsed"). */
  readonly extracted: string | null;
}

/** Reads an answer in the prescribed form. One that was cut off after it is judged by what stands there. */
export function readFilterAnswer(
  text: string,
  finishReason: "stop" | "length",
  question: Question,
  form: AnswerForm,
): ReadAnswer {
  const { letter, problem } = form === "boxed" ? readBoxes(text, question) : readFirstLine(text, question);
  const extracted = letter ?? null;
  if (letter === question.answer && problem === undefined) return { outcome: "right", extracted };
  return { outcome: finishReason === "length" ? "truncated" : (problem ?? "wrong"), extracted };
}

interface Reading {
  readonly letter: string | undefined;
  readonly problem?: FilterOutcome;
}

function readBoxes(text: string, question: Question): Reading {
  const { letter, hasBox, isAmbiguous } = boxedAnswer(text, question);
  if (!hasBox) return { letter, problem: "no box" };
  return isAmbiguous ? { letter, problem: "several boxes" } : { letter };
}

const longestLine = 1000;

function readFirstLine(text: string, question: Question): Reading {
  const start = text.slice(0, longestLine).trimStart();
  const letter = extractOption(start.split("\n")[0] ?? "", question);
  return letter === undefined ? { letter, problem: "no answer" } : { letter };
}
