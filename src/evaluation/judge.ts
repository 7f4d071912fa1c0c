// What an answer says and whether it is right, from a text or from the options' scores. The same code judges a new answer
// and one that is read again from a journal.
import type { AnswerRecord } from "../statistics/answer-record.ts";
import { comparisons, extractAnswer } from "./extraction.ts";
import type { BenchmarkProtocol } from "./protocol.ts";

/** What is known of an answer before it is judged. */
export type Answered = Pick<AnswerRecord, "options" | "gold" | "text" | "logprobs">;

export type Judgement = Pick<AnswerRecord, "extracted" | "correct">;

/** Reads an answer and compares it with the row's own. */
export function judge({ options, gold, text, logprobs }: Answered, part: BenchmarkProtocol): Judgement {
  const extracted = text === null ? mostProbable(logprobs ?? {}) : extractAnswer(part.extract, text, { options });
  return { extracted, correct: extracted !== null && comparisons[part.compare](extracted, gold) };
}

/** The letter of the highest score; of equal ones the first. */
function mostProbable(logprobs: Readonly<Record<string, number>>): string | null {
  let best: string | null = null;
  for (const [letter, logprob] of Object.entries(logprobs)) {
    if (best === null || logprob > (logprobs[best] ?? Number.NaN)) best = letter;
  }
  return best;
}
