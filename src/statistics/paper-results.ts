// Table 1 of the paper, as printed (Qiu et al. 2025, Open-Medical-R1), with the intervals that its sample sizes imply.
// The paper gives no errors and no counts. Its four-digit accuracies and the sizes of the published test sets do: the
// values of GSM8K are all whole numbers of 1,319 questions, so each model answered the whole set once.
import type { Benchmark } from "../data/benchmark-row.ts";
import { type Interval, standardError, wilson } from "./proportion.ts";

/** Questions in the published test sets. */
export const paperQuestions = { mmlu: 14_042, cmmlu: 11_582, "mmlu-pro": 12_032, gsm8k: 1_319 } as const;

export type PaperBenchmark = keyof typeof paperQuestions;

export const paperBenchmarks = Object.keys(paperQuestions) as PaperBenchmark[];

export interface PaperRow {
  /** The paper's own name for it. */
  readonly model: string;
  readonly accuracy: Readonly<Record<PaperBenchmark, number>>;
}

/** The first row is the model before training, the others are trained on 500 samples chosen in four ways. */
export const paperTable: readonly PaperRow[] = [
  { model: "Gemma-3-12b-it", accuracy: { mmlu: 0.669, cmmlu: 0.475, "mmlu-pro": 0.5615, gsm8k: 0.9219 } },
  { model: "GRPO(Randomly)", accuracy: { mmlu: 0.6632, cmmlu: 0.4622, "mmlu-pro": 0.5611, gsm8k: 0.9151 } },
  { model: "GRPO(Phi-4)", accuracy: { mmlu: 0.6678, cmmlu: 0.4699, "mmlu-pro": 0.562, gsm8k: 0.9295 } },
  { model: "GRPO(Gemma-3-27b)", accuracy: { mmlu: 0.6699, cmmlu: 0.4681, "mmlu-pro": 0.5618, gsm8k: 0.9227 } },
  { model: "GRPO(Gemma-3-12b)", accuracy: { mmlu: 0.6745, cmmlu: 0.4645, "mmlu-pro": 0.5577, gsm8k: 0.9189 } },
];

export interface PaperScore extends Interval {
  readonly accuracy: number;
  readonly questions: number;
  readonly standardError: number;
}

/** A value of the table with Wilson's 95 % interval; undefined for a benchmark that the paper does not have. */
export function paperScore(row: PaperRow, benchmark: Benchmark): PaperScore | undefined {
  if (!isPaperBenchmark(benchmark)) return undefined;
  const [accuracy, questions] = [row.accuracy[benchmark], paperQuestions[benchmark]];
  return { accuracy, questions, standardError: standardError(accuracy, questions), ...wilson(accuracy, questions) };
}

function isPaperBenchmark(benchmark: Benchmark): benchmark is PaperBenchmark {
  return Object.hasOwn(paperQuestions, benchmark);
}
