// The rows of metrics.jsonl and completions.jsonl. Their field names are a contract with every reader of a run.

/** One object a step in metrics.jsonl. Times are seconds, lengths are tokens. */
export interface StepMetrics {
  /** From 1: the optimizer steps that were taken, this one included. */
  readonly step: number;
  readonly loss: number;
  /** Mean weighted reward. */
  readonly reward: number;
  /** Mean over groups of the standard deviation within the group. */
  readonly reward_std: number;
  /** Mean of each reward before its weight. */
  readonly [reward: `rewards/${string}`]: number;
  readonly advantage_abs: number;
  /** Mean over tokens of the KL estimate against the base; 0 when beta is 0. */
  readonly kl: number;
  readonly clip_ratio: number;
  readonly entropy: number;
  /** Largest difference between a token's logprob when sampled and when trained on. */
  readonly sampler_gap: number;
  readonly learning_rate: number;
  /** Before clipping. */
  readonly grad_norm: number;
  readonly completion_length: number;
  /** Share of rollouts that the length limit cut. */
  readonly truncated_ratio: number;
  /** Share of groups whose rewards differ. */
  readonly informative_groups: number;
  /** Rows that went through the decoder in this step. */
  readonly tokens_computed: number;
  readonly "time/rollout": number;
  readonly "time/reference": number;
  readonly "time/train": number;
  readonly "memory/peak_bytes": number;
}

/** One object a rollout in completions.jsonl. */
export interface CompletionRecord {
  readonly step: number;
  readonly question_id: string;
  /** Which rollout of the group, from 0. */
  readonly rollout: number;
  readonly text: string;
  readonly finish_reason: "stop" | "length";
  readonly tokens: number;
  readonly reward: number;
  readonly [reward: `rewards/${string}`]: number;
  readonly advantage: number;
}
