// The one row type of the evaluation sets, multiple choice or not, before any protocol has turned it into a prompt.

export const benchmarks = ["mmlu", "cmmlu", "mmlu-pro", "gsm8k", "medqa"] as const;
export type Benchmark = (typeof benchmarks)[number];

export interface BenchmarkRow {
  readonly benchmark: Benchmark;
  /** Unique within the benchmark and stable over runs, for example "mmlu/anatomy/test/12". */
  readonly id: string;
  /** The finest grouping: an MMLU subject, an MMLU-Pro category; "gsm8k" and "medqa" where there is none. */
  readonly subject: string;
  readonly question: string;
  /** The options' texts in order; empty for GSM8K. Padding ("N/A" in MMLU-Pro's validation rows) is kept as it stands. */
  readonly options: readonly string[];
  /** The letter of the right option, or GSM8K's number as its rows write it after "####". */
  readonly answer: string;
  /** The worked solution where the set has one: MMLU-Pro's cot_content, GSM8K's answer text. */
  readonly solution?: string;
}

/** One benchmark as it was read: the rows that are asked, and the rows that few-shot examples come from. */
export interface BenchmarkRows {
  readonly benchmark: Benchmark;
  readonly test: readonly BenchmarkRow[];
  /** dev (MMLU, CMMLU), validation (MMLU-Pro), train (GSM8K, MedQA), in file order. */
  readonly shots: readonly BenchmarkRow[];
}
