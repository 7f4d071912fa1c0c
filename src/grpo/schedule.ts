// The learning rate of each step, as transformers' get_*_schedule_with_warmup give it.

export const scheduleNames = ["cosine", "linear", "constant"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

/** Warm-up steps from a share of the run, rounded up as in transformers' TrainingArguments. */
export function warmupSteps(totalSteps: number, warmupRatio: number): number {
  return Math.ceil(totalSteps * warmupRatio);
}

/**
 * The factor on the learning rate of optimizer step `step`, counted from 0. During warm-up it is step / warmup, so the
 * very first step of a run with warm-up has rate 0, as in transformers.
 */
export function scheduleFactor(name: ScheduleName, step: number, totalSteps: number, warmup: number): number {
  if (step < warmup) return step / Math.max(1, warmup);
  if (name === "constant") return 1;
  const progress = (step - warmup) / Math.max(1, totalSteps - warmup);
  if (name === "linear") return Math.max(0, 1 - progress);
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
