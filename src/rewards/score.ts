// Reward evaluation: every reward of every rollout, kept apart and summed with its weight.
import type { Question } from "../data/question.ts";
import { RlvrError } from "../errors.ts";
import type { RewardContext, WeightedReward } from "./reward.ts";

/** The scores of one rollout. `total` is the weighted sum; `parts` holds each reward before its weight. */
export interface RolloutScore {
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
}

/** One completion as the rewards see it. */
export interface ScoredText extends RewardContext {
  readonly text: string;
}

/**
 * Scores the rollouts of each question: `groups[q][g]` answers `questions[q]`, and so does the result. Throws
 * RLVR_BAD_REWARD when a reward throws or gives something that is not a finite number, with the completion.
 */
export async function scoreRollouts(
  questions: readonly Question[],
  groups: readonly (readonly ScoredText[])[],
  rewards: readonly WeightedReward[],
): Promise<RolloutScore[][]> {
  if (questions.length !== groups.length) {
    throw new RangeError(`scoreRollouts: ${questions.length} questions but ${groups.length} groups`);
  }
  return await Promise.all(
    groups.map(async (group, index) => {
      const question = questions[index] as Question;
      return await Promise.all(group.map((rollout) => scoreRollout(question, rollout, rewards)));
    }),
  );
}

async function scoreRollout(
  question: Question,
  rollout: ScoredText,
  rewards: readonly WeightedReward[],
): Promise<RolloutScore> {
  const parts: Record<string, number> = {};
  let total = 0;
  for (const { name, weight, reward } of rewards) {
    const score = await callReward(name, reward, question, rollout);
    parts[name] = score;
    total += weight * score;
  }
  return { total, parts };
}

async function callReward(
  name: string,
  reward: WeightedReward["reward"],
  question: Question,
  rollout: ScoredText,
): Promise<number> {
  const { text, ...context } = rollout;
  const where = `[rewards] "${name}" on question ${question.id}, rollout ${context.rollout}`;
  const shown = `\n  completion: ${JSON.stringify(text.length > 500 ? `${text.slice(0, 500)}…` : text)}`;
  let score: number;
  try {
    score = await reward(text, question, context);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError("RLVR_BAD_REWARD", `${where} threw: ${reason}; a reward scores every string.${shown}`, {
      cause,
    });
  }
  if (typeof score !== "number" || !Number.isFinite(score)) {
    throw new RlvrError("RLVR_BAD_REWARD", `${where} gave ${String(score)}; expected a finite number.${shown}`);
  }
  return score;
}
