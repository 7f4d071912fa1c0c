// What a recipe tells while it runs. A recipe prints nothing; whoever called it decides what is shown.
import type { BatchCounts } from "../config/show.ts";
import type { StepMetrics } from "../run/records.ts";
import type { QuestionsEvaluation } from "./evaluate-questions.ts";
import type { Selection } from "./filter.ts";

/** The parts of a run that take time. */
export type Phase = "load" | "evaluate" | "filter" | "pre-flight" | "rollout" | "reference" | "train";

export type TrainEvent =
  /** What is about to happen: the batch in both countings, and the step the run begins at. */
  | { readonly kind: "start"; readonly counts: BatchCounts; readonly questions: number; readonly firstStep: number }
  /** Done of total within a phase; `step` (from 1) in the phases of a step. */
  | {
      readonly kind: "progress";
      readonly phase: Phase;
      readonly step?: number | undefined;
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: "step"; readonly metrics: StepMetrics; readonly totalSteps: number }
  | { readonly kind: "checkpoint"; readonly step: number; readonly folder: string }
  | { readonly kind: "filter"; readonly counts: Selection["counts"] }
  | { readonly kind: "evaluation"; readonly when: "before" | "after"; readonly evaluation: QuestionsEvaluation }
  /** A sentence that a person should read; a warning points at something that spoils the run. */
  | { readonly kind: "notice"; readonly level: "info" | "warning"; readonly message: string };

export type TrainListener = (event: TrainEvent) => void;
