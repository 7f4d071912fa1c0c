// Rows to answers: options scored in one forward a question, or texts generated greedily until a stop.
import { type RowBatch, rowsOf } from "../evaluation/batches.ts";
import type { EncodedRow } from "../evaluation/encode.ts";
import { judge } from "../evaluation/judge.ts";
import { lettersOf } from "../evaluation/prompts.ts";
import type { BenchmarkProtocol } from "../evaluation/protocol.ts";
import type { CallContext, Rollout } from "../native/types.ts";
import type { AnswerRecord } from "../statistics/answer-record.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { questionKey } from "./batches.ts";
import type { PolicyCalls } from "./session.ts";

/** The calls of a Policy that answering needs. */
export type AnsweringPolicy = Pick<PolicyCalls, "info" | "generate" | "logprobs">;

export interface Answering {
  readonly policy: AnsweringPolicy;
  readonly tokenizer: Tokenizer;
  readonly part: BenchmarkProtocol;
  /** AnswerRecord.key. */
  readonly key: string;
}

/** The answers of a batch, in one or several parts as they are done. */
export async function* answerRows(
  batch: RowBatch,
  answering: Answering,
  context: CallContext = {},
): AsyncGenerator<AnswerRecord[]> {
  if (answering.part.mode === "generate") yield* generateAnswers(batch, answering, context);
  else yield await scoreOptions(batch, answering, context);
}

async function scoreOptions(
  batch: RowBatch,
  { policy, part, key }: Answering,
  context: CallContext,
): Promise<AnswerRecord[]> {
  const rows = rowsOf(batch);
  const start = performance.now();
  const { logprobs } = await policy.logprobs(
    { groups: rows.map(({ promptIds, choices }) => ({ promptIds, completionIds: [...choices] })) },
    context,
  );
  const ms = (performance.now() - start) / rows.length;
  return rows.map((row, index) => {
    const scores = logprobs[index] ?? [];
    const letters = lettersOf(row.row, part);
    const byLetter = Object.fromEntries(
      letters.map((letter, option) => [
        letter,
        (scores[option] as Float32Array).reduce((sum, value) => sum + value, 0),
      ]),
    );
    return record(row, key, part, { text: null, finish_reason: null, logprobs: byLetter, completion_tokens: 0, ms });
  });
}

// Tokens between two looks for a stop text. A round computes the prompt and what was written so far again, with the same
// bits, so rounds grow.
const firstRound = 128;

interface Writing {
  readonly row: EncodedRow;
  readonly ids: number[];
  ms: number;
}

async function* generateAnswers(
  batch: RowBatch,
  answering: Answering,
  context: CallContext,
): AsyncGenerator<AnswerRecord[]> {
  const { policy, tokenizer, part } = answering;
  let writing: Writing[] = rowsOf(batch).map((row) => ({ row, ids: [], ms: 0 }));
  let round = part.stop.length === 0 ? part.max_new_tokens : firstRound;
  while (writing.length > 0) {
    const start = performance.now();
    const before = writing[0]?.ids.length ?? 0;
    const { groups } = await policy.generate(
      {
        prompts: writing.map(({ row, ids }) => ({
          ids: Int32Array.from([...row.promptIds, ...ids]),
          key: questionKey("evaluate", row.row),
        })),
        rollouts: 1,
        maxNewTokens: Math.min(round, part.max_new_tokens - before),
        sampling: { temperature: 0 },
        stopIds: [...tokenizer.stopIds],
      },
      context,
    );
    const ms = (performance.now() - start) / writing.length;
    const done: AnswerRecord[] = [];
    const going: Writing[] = [];
    for (const [index, one] of writing.entries()) {
      const { completionIds, finishReason } = (groups[index] as Rollout[])[0] as Rollout;
      one.ids.push(...completionIds);
      one.ms += ms;
      const text = untilStop(tokenizer.decode(one.ids, { skipSpecial: true }), part.stop);
      const isFull = one.ids.length >= part.max_new_tokens;
      if (!text.isStopped && finishReason === "length" && !isFull) {
        going.push(one);
        continue;
      }
      done.push(
        record(one.row, answering.key, part, {
          text: text.text,
          finish_reason: text.isStopped || finishReason === "stop" ? "stop" : "length",
          logprobs: null,
          completion_tokens: one.ids.length,
          ms: one.ms,
        }),
      );
    }
    if (done.length > 0) yield done;
    writing = going;
    round *= 2;
  }
}

/** The text before the first of the stops. */
export function untilStop(text: string, stops: readonly string[]): { text: string; isStopped: boolean } {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return ends.length === 0 ? { text, isStopped: false } : { text: text.slice(0, Math.min(...ends)), isStopped: true };
}

type Written = Pick<AnswerRecord, "text" | "finish_reason" | "logprobs" | "completion_tokens" | "ms">;

function record(
  { row, promptHash, promptIds }: EncodedRow,
  key: string,
  part: BenchmarkProtocol,
  written: Written,
): AnswerRecord {
  const { benchmark, subject, id, question, options, answer: gold } = row;
  return {
    benchmark,
    subject,
    id,
    key,
    prompt_hash: promptHash,
    question,
    options,
    gold,
    text: written.text,
    finish_reason: written.finish_reason,
    ...judge({ options, gold, text: written.text, logprobs: written.logprobs }, part),
    logprobs: written.logprobs,
    prompt_tokens: promptIds.length,
    completion_tokens: written.completion_tokens,
    ms: Math.round(written.ms * 1000) / 1000,
  };
}
