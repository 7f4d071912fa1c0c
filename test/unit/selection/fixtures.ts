// Candidates by hand.
import type { Question } from "../../../src/data/question.ts";
import { type Candidate, candidateOf, evidenceOf, type FilterAnswer } from "../../../src/selection/evidence.ts";

export const ask = (id: string, changes: Partial<Question> = {}): Question => ({
  id,
  question: `Which of these is ${id}?`,
  options: { A: "one", B: "two" },
  answer: "A",
  answerText: "one",
  subject: "",
  source: "ours",
  ...changes,
});

export function answerOf(
  question: Question,
  sample: number,
  text: string,
  reason: "stop" | "length" = "stop",
): FilterAnswer {
  return {
    key: "k",
    id: `${question.id}#${sample}`,
    question_id: question.id,
    question_hash: "",
    sample,
    model: "m",
    text,
    finish_reason: reason,
    prompt_tokens: 10,
    completion_tokens: text.length,
  };
}

/** A candidate that was right so many times of so many; wrong by a box otherwise. */
export function known(id: string, right: number, of: number, changes: Partial<Question> = {}): Candidate {
  const question = ask(id, changes);
  const answers = Array.from({ length: of }, (_, sample) =>
    answerOf(question, sample, sample < right ? "\\boxed{A}" : "\\boxed{B}"),
  );
  return candidateOf(question, of === 0 ? [] : [evidenceOf(question, "m", answers, "boxed")], "all");
}
