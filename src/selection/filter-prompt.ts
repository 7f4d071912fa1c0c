// The filter prompt of the paper (Fig. 1).
import { type Question, questionLines, questionText } from "../data/question.ts";
import type { ChatMessage } from "../text/chat-template.ts";

/** Fig. 1's text, to the character; the question follows on the next line. The paper sends no system text. */
export const paperFilterInstruction =
  "Please reason step by step, and put your final answer within \\boxed{ }. Please answer:";

export interface FilterPromptOptions {
  /** "paper" (Fig. 1), or a text of one's own. */
  readonly instruction: string;
  /** How the choices follow the question, which the paper does not say: as its training data has them, or on lines. */
  readonly question: "paper" | "lines";
}

/** The conversation that asks a candidate: one user turn. */
export function filterMessages(
  question: Question,
  { instruction, question: form }: FilterPromptOptions,
): ChatMessage[] {
  const lead = instruction === "paper" ? paperFilterInstruction : instruction;
  const text = form === "paper" ? questionText(question) : questionLines(question);
  return [{ role: "user", content: `${lead}\n${text}` }];
}
