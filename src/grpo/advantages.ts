// Relative advantage: each reward against its own group.

export const advantageScales = ["group", "batch", "none"] as const;
/**
 * What the centred reward is divided by: the standard deviation of its group (the paper, TRL's default), that of the
 * whole batch (Lite-PPO, arXiv 2508.08221), or nothing (Dr. GRPO, arXiv 2503.20783).
 */
export type AdvantageScale = (typeof advantageScales)[number];

/** Added to the standard deviation, as in TRL. */
export const advantageEpsilon = 1e-4;

/**
 * (reward - mean of its group) / (standard deviation + 1e-4), the deviation with n - 1. A group whose rewards are all
 * equal has advantages of exactly 0. `groups[q][g]` is the reward of rollout g of question q; so is the result.
 *
 * @example groupAdvantages([[1, 0, 0]]) // [[1.1545, -0.5773, -0.5773]]
 */
export function groupAdvantages(groups: readonly (readonly number[])[], scale: AdvantageScale = "group"): number[][] {
  const batchDeviation = scale === "batch" ? deviation(groups.flat()) : 0;
  return groups.map((rewards) => {
    if (!hasSpread(rewards)) return rewards.map(() => 0);
    const center = mean(rewards);
    const spread = scale === "group" ? deviation(rewards) : batchDeviation;
    const divisor = scale === "none" ? 1 : spread + advantageEpsilon;
    return rewards.map((reward) => (reward - center) / divisor);
  });
}

/** Whether a group has anything to learn from: at least two different rewards. */
export function hasSpread(rewards: readonly number[]): boolean {
  return rewards.some((reward) => reward !== rewards[0]);
}

/** The arithmetic mean; 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation with n - 1; 0 of fewer than two values. */
export function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
