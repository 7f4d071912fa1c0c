// Easy and hard (section 2.2): easy is answered right and in the prescribed form, hard is everything else, with a cause.
import type { Question } from "../data/question.ts";
import { boxedAnswer } from "../rewards/boxed.ts";

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

/** How an answer to the filter prompt went. "several boxes": they name different options, whichever comes last. */
export const boxedOutcomes = ["right", "wrong", "no box", "several boxes", "truncated"] as const;
export type BoxedOutcome = (typeof boxedOutcomes)[number];

export interface ReadAnswer {
  readonly outcome: BoxedOutcome;
  /** The option that the last box names; null: none could be read ("unparsed"). */
  readonly extracted: string | null;
}

/** Reads an answer to the filter prompt. One that was cut off after its box is judged by the box. */
export function readBoxedAnswer(text: string, finishReason: "stop" | "length", question: Question): ReadAnswer {
  const { letter, hasBox, isAmbiguous } = boxedAnswer(text, question);
  const extracted = letter ?? null;
  if (letter === question.answer && !isAmbiguous) return { outcome: "right", extracted };
  if (finishReason === "length") return { outcome: "truncated", extracted };
  if (!hasBox) return { outcome: "no box", extracted };
  return { outcome: isAmbiguous ? "several boxes" : "wrong", extracted };
}
