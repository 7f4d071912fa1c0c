// How often the policy answers right and in form, sampled as in training and greedily, over held-out questions.
import type { Config } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import type { CallContext } from "../native/types.ts";
import { accuracy, format } from "../rewards/paper.ts";
import { questionKey } from "./batches.ts";
import { chunks, questionsPerCall, sampleRollouts } from "./rollouts.ts";
import type { Session } from "./session.ts";

/** Shares over the questions, one answer each. */
export interface EvaluationScores {
  /** The right letter inside `<answer>`: accuracy reward 2. */
  readonly accuracy: number;
  /** The strict form: format reward 2. */
  readonly format: number;
  readonly truncated: number;
  /** Mean tokens of a completion. */
  readonly completionLength: number;
}

export interface QuestionsEvaluation {
  readonly questions: number;
  readonly sampled: EvaluationScores;
  readonly greedy: EvaluationScores;
}

/** Asks every question once with the config's sampling and once greedily. Progress counts answers. */
export async function evaluateQuestions(
  session: Session,
  questions: readonly Question[],
  config: Config,
  { signal, onProgress }: CallContext = {},
): Promise<QuestionsEvaluation> {
  const scores = async (isGreedy: boolean, before: number): Promise<EvaluationScores> => {
    const totals = { accuracy: 0, format: 0, truncated: 0, completionLength: 0 };
    let done = 0;
    for (const batch of chunks(questions, questionsPerCall)) {
      const asked = batch.map((question) => ({ question, key: questionKey("evaluate", question) }));
      const { groups } = await sampleRollouts(session, asked, config, { rollouts: 1, isGreedy, signal });
      for (const { question, rollouts } of groups) {
        for (const [rollout, { text, finishReason, completionIds }] of rollouts.entries()) {
          const context = { finishReason, completionLength: completionIds.length, rollout };
          totals.accuracy += accuracy(text, question, context) === 2 ? 1 : 0;
          totals.format += format(text, question, context) === 2 ? 1 : 0;
          totals.truncated += finishReason === "length" ? 1 : 0;
          totals.completionLength += completionIds.length;
        }
      }
      done += batch.length;
      onProgress?.(before + done, 2 * questions.length);
    }
    const share = (total: number) => total / Math.max(1, questions.length);
    return {
      accuracy: share(totals.accuracy),
      format: share(totals.format),
      truncated: share(totals.truncated),
      completionLength: share(totals.completionLength),
    };
  };
  const sampled = await scores(false, 0);
  const greedy = await scores(true, questions.length);
  return { questions: questions.length, sampled, greedy };
}
