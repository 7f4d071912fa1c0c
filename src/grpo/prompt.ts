// The training prompt of the paper (Fig. 2) and the messages that a question becomes.
import { type Question, questionLines, questionText } from "../data/question.ts";
import type { ChatMessage } from "../text/chat-template.ts";

/**
 * The training system prompt as the paper's repository sends it (src/open_r1/grpo.py): no space after "answer." and
 * "sinceraly.", and that spelling. A model trained on it has seen exactly these characters.
 */
export const repositorySystemPrompt =
  "A conversation between user and assistant. The user asks a question, and the assistant solves it. " +
  "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer." +
  "The reasoning process is to solve the problem step by step, so you will think about it sinceraly." +
  "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, " +
  "i.e., <think> reasoning process here </think><answer> answer here </answer>";

/** The training system prompt as the paper prints it in Fig. 2. */
export const paperSystemPrompt =
  "A conversation between user and assistant. The user asks a question, and the assistant solves it. " +
  "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. " +
  "The reasoning process is to solve the problem step by step, so you will think about it sincerely. " +
  "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, " +
  "i.e., <think> reasoning process here </think><answer> answer here </answer>";

/** A worked example: what the user asked and what a good answer looks like, shown before the question. */
export interface Shot {
  readonly user: string;
  readonly assistant: string;
}

export interface PromptOptions {
  /** "repository" (Fig. 2 as the code has it), "paper" (as it is printed), "none", or a text of one's own. */
  readonly system: string;
  /** "paper": one line, "(A) … (B) … "; "lines": "A. …" on a line each. */
  readonly questionFormat: "paper" | "lines";
  readonly shots: readonly Shot[];
}

/** The system text that a config's `prompt.system` stands for; undefined for "none". */
export function systemText(system: string): string | undefined {
  if (system === "none") return undefined;
  if (system === "repository") return repositorySystemPrompt;
  return system === "paper" ? paperSystemPrompt : system;
}

/** The conversation that asks `question`: system text, worked examples, the question. */
export function questionMessages(question: Question, options: PromptOptions): ChatMessage[] {
  const system = systemText(options.system);
  const text = options.questionFormat === "paper" ? questionText(question) : questionLines(question);
  return [
    ...(system === undefined ? [] : [{ role: "system", content: system } as const]),
    ...options.shots.flatMap(({ user, assistant }) => [
      { role: "user", content: user } as const,
      { role: "assistant", content: assistant } as const,
    ]),
    { role: "user", content: text },
  ];
}
