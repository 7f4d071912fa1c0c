// SmolLM2's option scores beside those of lm_eval 0.4.13's HF backend on the same weights (test/golden/make_lm_eval.py).
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Benchmark } from "../../src/data/benchmark-row.ts";
import { readBenchmark } from "../../src/data/read-benchmark.ts";
import { Policy } from "../../src/engine/policy.ts";
import { BatchCollector, rowGroups } from "../../src/evaluation/batches.ts";
import { encodeRow } from "../../src/evaluation/encode.ts";
import { askedRows } from "../../src/evaluation/prompts.ts";
import { loadProtocol, partOf } from "../../src/evaluation/protocol.ts";
import { answerRows } from "../../src/recipes/answer-rows.ts";
import { localFolder } from "../../src/run/local-folder.ts";
import type { AnswerRecord } from "../../src/statistics/answer-record.ts";
import { loadTokenizer } from "../../src/text/load-tokenizer.ts";
import { sharedData, skipsSharedData } from "../unit/shared-data.ts";
import { realModels, runsWithModel } from "../unit/text/real-models.ts";

interface SubjectGolden {
  /** [row][option], in nats. */
  scores: number[][];
  correct: number[];
}

const golden = (
  JSON.parse(readFileSync(new URL("../golden/data/lm-eval.json", import.meta.url), "utf8")) as {
    scores: Record<string, Record<string, SubjectGolden>>;
  }
).scores;

// A spread of the golden's rows: every subject's first ones.
const cases: [benchmark: Benchmark, shots: number, rowsOfSubject: number][] = [["mmlu", 0, 2]];

/**
 * Relative to the score once it is beyond one nat. Float32 sums of another order differ by that much: beside float64,
 * lm_eval's own scores are off by up to 2e-5 and the engine's, whose sums run in index order, by up to 9e-5 at -9 nats.
 */
const tolerance = 1e-4;

/** The answers of the first rows of each subject that the golden has, with the golden's scores. */
async function answersOf(benchmark: Benchmark, shots: number, rowsOfSubject: number, policy: Policy) {
  const expected = golden[`${benchmark}/${shots}`] ?? {};
  const tokenizer = await loadTokenizer(realModels.smollm);
  const part = partOf(await loadProtocol("lm-eval", { shots }), benchmark);
  const rows = await readBenchmark(benchmark, localFolder(sharedData));
  const asked = askedRows(rows.test, rows.shots, part);
  const collector = new BatchCollector();
  const found: { answer: AnswerRecord; scores: number[]; correct: boolean }[] = [];
  const answer = async (batch: ReturnType<BatchCollector["rest"]>) => {
    if (batch === undefined) return;
    for await (const answers of answerRows(batch, { policy, tokenizer, part, key: "k" })) {
      for (const one of answers) {
        const of = expected[one.subject];
        const place = asked.filter(({ row }) => row.subject === one.subject).findIndex(({ row }) => row.id === one.id);
        found.push({ answer: one, scores: of?.scores[place] ?? [], correct: of?.correct[place] === 1 });
      }
    }
  };
  for (const [subject, { scores }] of Object.entries(expected)) {
    const own = asked.filter(({ row }) => row.subject === subject).slice(0, Math.min(rowsOfSubject, scores.length));
    const encoded = own.map((row) => encodeRow(row, part, tokenizer, policy.info.contextLength));
    for (const group of rowGroups(encoded)) await answer(collector.add(group));
  }
  await answer(collector.rest());
  return found;
}

test.runIf(runsWithModel(realModels.smollm) && !skipsSharedData).each(cases)(
  "%s with %i examples: the same best option, and the same scores",
  async (benchmark, shots, rowsOfSubject) => {
    await using policy = await Policy.load({ model: realModels.smollm });
    const found = await answersOf(benchmark, shots, rowsOfSubject, policy);
    expect(found.length).toBeGreaterThanOrEqual(100);
    for (const { answer, scores, correct } of found) {
      expect(Object.keys(answer.logprobs ?? {}), answer.id).toHaveLength(scores.length);
      for (const [option, logprob] of Object.values(answer.logprobs ?? {}).entries()) {
        const expected = scores[option] ?? Number.NaN;
        const gap = Math.abs(logprob - expected) / Math.max(1, Math.abs(expected));
        expect(gap, answer.id).toBeLessThan(tolerance);
      }
      expect(answer.extracted, answer.id).toBe("ABCD"[scores.indexOf(Math.max(...scores))]);
      expect(answer.correct, answer.id).toBe(correct);
    }
  },
  300_000,
);
