// From per-token losses to one number: the weight of each token. A micro-batch's loss is the sum of weight times token
// loss, and the sum over the step's micro-batches is the step's loss.

/** What the weights depend on: the tokens that count of each completion, of one micro-batch and of the whole step. */
export interface StepShape {
  /** Tokens with mask 1 of each completion: `[micro-batch][completion]`. */
  readonly lengths: readonly (readonly number[])[];
  /** The limit of new tokens; `dr_grpo` divides by it. */
  readonly maxNewTokens: number;
}

/** An aggregation: the weight of one token of completion `completion` of micro-batch `microBatch`, and its source. */
export interface Aggregation {
  readonly weight: (shape: StepShape, microBatch: number, completion: number) => number;
  readonly formula: string;
  readonly source: string;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const tokens = (shape: StepShape, microBatch: number) => Math.max(1, sum(shape.lengths[microBatch] ?? []));
const completions = (shape: StepShape) => sum(shape.lengths.map((microBatch) => microBatch.length));

/**
 * The aggregations by the names that TRL gave them. With accumulation TRL averages over micro-batches; the counts of
 * completions in a step's micro-batches are equal here, so 1/N over the step is the same.
 */
export const aggregations = {
  grpo: {
    weight: (shape, microBatch, completion) =>
      1 / (Math.max(1, shape.lengths[microBatch]?.[completion] ?? 0) * completions(shape)),
    formula: "mean over the tokens of each completion, then mean over completions",
    source: "DeepSeekMath, arXiv 2402.03300, equation 3; TRL 0.15.2 and unsloth_zoo 2025.3.17, the paper's weeks",
  },
  bnpo: {
    weight: (shape, microBatch) => 1 / (tokens(shape, microBatch) * shape.lengths.length),
    formula: "mean over all tokens of the micro-batch, then mean over micro-batches",
    source: "TRL 0.16.0, loss_type bnpo",
  },
  dr_grpo: {
    weight: (shape) => 1 / (shape.maxNewTokens * completions(shape)),
    formula: "sum over tokens divided by the length limit, then mean over completions",
    source: "Dr. GRPO, arXiv 2503.20783; TRL, loss_type dr_grpo",
  },
  dapo: {
    weight: (shape) => 1 / Math.max(1, sum(shape.lengths.map(sum))),
    formula: "mean over all tokens of the step",
    source: "DAPO, arXiv 2503.14476, equation 8; TRL, loss_type dapo",
  },
} as const satisfies Record<string, Aggregation>;

export type LossType = keyof typeof aggregations;
export const lossTypes = Object.keys(aggregations) as [LossType, ...LossType[]];

/**
 * The per-token weights of a step, `[micro-batch][completion][token]`: mask times the aggregation's factor. `masks`
 * holds 1 on tokens that count in the loss, 0 elsewhere.
 */
export function tokenWeights(
  type: LossType,
  masks: readonly (readonly ArrayLike<number>[])[],
  maxNewTokens: number,
): Float32Array[][] {
  const lengths = masks.map((microBatch) => microBatch.map((mask) => sum(Array.from(mask))));
  const shape: StepShape = { lengths, maxNewTokens };
  const { weight }: Aggregation = aggregations[type];
  return masks.map((microBatch, m) =>
    microBatch.map((mask, c) => {
      const factor = weight(shape, m, c);
      return Float32Array.from(mask, (value) => value * factor);
    }),
  );
}
