// Answer records and evaluations for tests: what a test does not name has a plain value.
import type { AnswerRecord, EvaluationManifest } from "../../../src/statistics/answer-record.ts";
import type { EvaluationRun } from "../../../src/statistics/compare.ts";

export function answer(fields: Partial<AnswerRecord> & { readonly id: string }): AnswerRecord {
  return {
    benchmark: "mmlu",
    subject: "anatomy",
    key: "0123456789abcdef",
    prompt_hash: "p".repeat(64),
    question: `Question ${fields.id}`,
    options: ["one", "two", "three", "four"],
    gold: "A",
    text: null,
    finish_reason: null,
    extracted: "A",
    correct: true,
    logprobs: { A: -0.5, B: -1.5, C: -2, D: -3 },
    prompt_tokens: 100,
    completion_tokens: 0,
    ms: 5,
    ...fields,
  };
}

export function manifest(fields: Partial<EvaluationManifest> = {}): EvaluationManifest {
  return {
    schema: 1,
    name: "base",
    model: "a-model",
    model_hash: "aaaa",
    adapter: null,
    adapter_hash: null,
    protocol: "lm-eval",
    protocol_hash: "1111111111111111",
    assumption: "",
    benchmarks: ["mmlu"],
    limit: null,
    subjects: null,
    seed: 1,
    version: "0.1.0",
    started: "2025-04-15T10:00:00.000Z",
    finished: "2025-04-15T11:00:00.000Z",
    ...fields,
  };
}

/** An evaluation whose answers are given as digits, 1 for right, by subject of MMLU. */
export function evaluationOf(
  subjects: Readonly<Record<string, string>>,
  fields: Partial<EvaluationManifest> = {},
): EvaluationRun {
  const answers = Object.entries(subjects).flatMap(([subject, digits]) =>
    [...digits].map((digit, index) =>
      answer({
        id: `mmlu/${subject}/test/${index}`,
        subject,
        correct: digit === "1",
        extracted: digit === "1" ? "A" : "B",
      }),
    ),
  );
  return { manifest: manifest(fields), answers };
}
