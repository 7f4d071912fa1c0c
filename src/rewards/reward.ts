// What a reward is: text in, a number out.
import type { Question } from "../data/question.ts";

/** What a reward may know beside the completion and its question. */
export interface RewardContext {
  /** Why the rollout ended: it stopped by itself, or the length limit cut it. */
  readonly finishReason: "stop" | "length";
  /** Tokens of the completion, the stop token included. */
  readonly completionLength: number;
  /** Which rollout of the group this is, from 0. */
  readonly rollout: number;
}

/**
 * Scores one completion. Total: every string has a finite score. May be asynchronous. A reward that throws stops the
 * run with RLVR_BAD_REWARD and shows the completion.
 */
export type Reward = (completion: string, question: Question, context: RewardContext) => number | Promise<number>;

/** A reward with the name under which it is logged and its weight in the sum. */
export interface WeightedReward {
  readonly name: string;
  readonly weight: number;
  readonly reward: Reward;
}
