// Choosing questions by difficulty (section 2.2): the model answers the candidates; easy are those that it answers
// right and in the prescribed form, hard all others, with the reason kept; so many of each are taken.
import type { Config } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import type { CallContext } from "../native/types.ts";
import { accuracy, format } from "../rewards/paper.ts";
import { type Difficulty as AnyDifficulty, difficultyOf } from "../selection/difficulty.ts";
import { shuffled } from "../selection/shuffle.ts";
import { questionKey } from "./batches.ts";
import { chunks, questionsPerCall, sampleRollouts } from "./rollouts.ts";
import type { Session } from "./session.ts";

/** How one answer went. Only "right" counts towards easy; a right answer in bad form is "form". */
export const answerOutcomes = ["right", "form", "wrong", "no answer", "truncated"] as const;
export type AnswerOutcome = (typeof answerOutcomes)[number];

export interface Difficulty extends AnyDifficulty<AnswerOutcome> {
  readonly question_id: string;
  readonly outcomes: readonly AnswerOutcome[];
}

export interface Selection {
  readonly questions: Question[];
  readonly difficulties: Difficulty[];
  /** How many there were and how many were taken. */
  readonly counts: Readonly<Record<"easy" | "hard", { readonly found: number; readonly taken: number }>>;
}

/** Classifies every candidate and takes `filter.hard` and `filter.easy` of them, or as many as there are. */
export async function filterQuestions(
  session: Session,
  candidates: readonly Question[],
  config: Config,
  { signal, onProgress }: CallContext = {},
): Promise<Selection> {
  const difficulties: Difficulty[] = [];
  for (const batch of chunks(candidates, questionsPerCall)) {
    const asked = batch.map((question) => ({ question, key: questionKey("filter", question) }));
    const { groups } = await sampleRollouts(session, asked, config, { rollouts: config.filter.samples, signal });
    for (const { question, rollouts } of groups) {
      const outcomes = rollouts.map(({ text, finishReason }) => outcomeOf(text, finishReason, question));
      difficulties.push({ question_id: question.id, outcomes, ...difficultyOf(outcomes, answerOutcomes) });
    }
    onProgress?.(difficulties.length, candidates.length);
  }
  return compose(candidates, difficulties, config);
}

/** The outcome of one answer under the paper's rewards. */
export function outcomeOf(text: string, finishReason: "stop" | "length", question: Question): AnswerOutcome {
  const context = { finishReason, completionLength: 0, rollout: 0 };
  const isRight = accuracy(text, question, context) === 2;
  if (isRight && format(text, question, context) === 2) return "right";
  if (finishReason === "length") return "truncated";
  if (isRight) return "form";
  return text.includes("<answer>") ? "wrong" : "no answer";
}

function compose(candidates: readonly Question[], difficulties: readonly Difficulty[], config: Config): Selection {
  const take = (difficulty: "easy" | "hard", wanted: number) => {
    const found = candidates.filter((_, index) => difficulties[index]?.difficulty === difficulty);
    return { found, taken: shuffled(found, config.seed, `filter/${difficulty}`).slice(0, wanted) };
  };
  const hard = take("hard", config.filter.hard);
  const easy = take("easy", config.filter.easy);
  const counted = ({ found, taken }: { found: Question[]; taken: Question[] }) => ({
    found: found.length,
    taken: taken.length,
  });
  return {
    questions: [...hard.taken, ...easy.taken],
    difficulties: [...difficulties],
    counts: { hard: counted(hard), easy: counted(easy) },
  };
}
