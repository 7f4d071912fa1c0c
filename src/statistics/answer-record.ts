// What an evaluation leaves behind: a manifest (evaluation.json) and one record an answer (answers.jsonl). Their field
// names are a contract with every reader: statistics, comparison, report, rescoring.
import type { Benchmark } from "../data/benchmark-row.ts";

/** One answered question. Keys as in answers.jsonl. */
export interface AnswerRecord {
  readonly benchmark: Benchmark;
  readonly subject: string;
  /** BenchmarkRow.id. */
  readonly id: string;
  /** Which model, adapter and protocol: the first 16 hex digits of a sha256; a resumed run skips (key, id) pairs it has. */
  readonly key: string;
  /** sha256 of the prompt's text, hex. */
  readonly prompt_hash: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly gold: string;
  /** The completion, for protocols that generate; null where options are scored. */
  readonly text: string | null;
  readonly finish_reason: "stop" | "length" | null;
  /** The letter or number that was read out of it; null: nothing could be read ("unparsed"). */
  readonly extracted: string | null;
  readonly correct: boolean;
  /** Of each option by letter, in nats, for protocols that score; null where text is generated. */
  readonly logprobs: Readonly<Record<string, number>> | null;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly ms: number;
}

/** evaluation.json: what was evaluated and how. */
export interface EvaluationManifest {
  readonly schema: 1;
  /** What tables and figures call it. */
  readonly name: string;
  readonly model: string;
  readonly model_hash: string;
  readonly adapter: string | null;
  readonly adapter_hash: string | null;
  readonly protocol: string;
  readonly protocol_hash: string;
  /** What a protocol assumes where the paper is silent; empty for published protocols. */
  readonly assumption: string;
  readonly benchmarks: readonly Benchmark[];
  /** How each benchmark's questions were limited; null: all that the files hold. */
  readonly limit: number | null;
  readonly subjects: readonly string[] | null;
  readonly seed: number;
  readonly version: string;
  readonly started: string;
  readonly finished: string | null;
}
