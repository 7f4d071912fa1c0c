// Every answer of several evaluations in compressed blocks, so that a page with a hundred thousand of them opens at once
// and unpacks only what its reader looks at.
import { deflateSync, strToU8 } from "fflate";
import type { AnswerRecord } from "../statistics/answer-record.ts";
import type { EvaluationRun } from "../statistics/compare.ts";

/** Bits of an answer's flag. */
export const answerFlags = { right: 1, unparsed: 2, truncated: 4 } as const;

/** What filters need, of every question, in columns. The page unpacks it first. */
export interface AnswerIndex {
  readonly runs: readonly string[];
  readonly benchmarks: readonly string[];
  readonly subjects: readonly string[];
  /** Of each question: its benchmark's and its subject's place in the lists above, its id, its right answer. */
  readonly benchmark: readonly number[];
  readonly subject: readonly number[];
  readonly id: readonly string[];
  readonly gold: readonly string[];
  /** Of each run: one digit a question, the sum of its flags; "-" where the run did not answer it. */
  readonly flags: readonly string[];
  /** Of each run and question: what was read out of the answer. */
  readonly extracted: readonly (readonly (string | null)[])[];
  /** The first question of each block, ascending from 0. */
  readonly questionBlocks: readonly number[];
  readonly answerBlocks: readonly number[];
}

/** One question in a block of questions: its text and its options. */
export type PackedQuestion = readonly [question: string, options: readonly string[]];

/** One question in a block of answers: of each run its text, its tokens, and its options' logprobs. */
export type PackedAnswers = readonly (
  | readonly [text: string | null, tokens: number, logprobs: Readonly<Record<string, number | null>> | null]
  | null
)[];

export interface AnswerBlocks {
  /** Each is deflated JSON in base64. */
  readonly index: string;
  readonly questions: readonly string[];
  readonly answers: readonly string[];
}

/** About how many characters a block holds: unpacked in a few milliseconds, and a page of questions needs one or two. */
const blockSize = 400_000;

/** Packs the answers, questions in the order of the first run that has them. */
export function packAnswers(runs: readonly EvaluationRun[]): AnswerBlocks {
  const byId = runs.map(
    ({ answers }) => new Map(answers.map((answer) => [`${answer.benchmark} ${answer.id}`, answer])),
  );
  const first = new Map<string, AnswerRecord>();
  for (const answers of byId) {
    for (const [key, answer] of answers) if (!first.has(key)) first.set(key, answer);
  }
  const rows = [...first.values()];
  const keys = [...first.keys()];
  const benchmarks = [...new Set(rows.map(({ benchmark }) => benchmark))];
  const subjects = [...new Set(rows.map(({ subject }) => subject))];
  const places = new Map(subjects.map((subject, index) => [subject, index]));
  const questions = blocksOf(rows.map(({ question, options }): PackedQuestion => [question, options]));
  const answers = blocksOf(keys.map((key): PackedAnswers => byId.map((run) => packedAnswer(run.get(key)))));
  const index: AnswerIndex = {
    runs: runs.map(({ manifest }) => manifest.name),
    benchmarks,
    subjects,
    benchmark: rows.map(({ benchmark }) => benchmarks.indexOf(benchmark)),
    subject: rows.map(({ subject }) => places.get(subject) as number),
    id: rows.map(({ id }) => id),
    gold: rows.map(({ gold }) => gold),
    flags: byId.map((run) => keys.map((key) => flagOf(run.get(key))).join("")),
    extracted: byId.map((run) => keys.map((key) => run.get(key)?.extracted ?? null)),
    questionBlocks: questions.starts,
    answerBlocks: answers.starts,
  };
  return { index: packed(JSON.stringify(index)), questions: questions.blocks, answers: answers.blocks };
}

function packedAnswer(answer: AnswerRecord | undefined): PackedAnswers[number] {
  if (answer === undefined) return null;
  const { logprobs } = answer;
  const rounded =
    logprobs === null
      ? null
      : Object.fromEntries(Object.entries(logprobs).map(([letter, x]) => [letter, roundedLogprob(x)]));
  return [answer.text, answer.completion_tokens, rounded];
}

/** JSON has no minus infinity. */
function roundedLogprob(logprob: number | null): number | null {
  return logprob === null || !Number.isFinite(logprob) ? null : Math.round(1e4 * logprob) / 1e4;
}

function flagOf(answer: AnswerRecord | undefined): string {
  if (answer === undefined) return "-";
  const right = answer.correct ? answerFlags.right : 0;
  const unparsed = answer.extracted === null ? answerFlags.unparsed : 0;
  const truncated = answer.finish_reason === "length" ? answerFlags.truncated : 0;
  return String(right + unparsed + truncated);
}

function blocksOf(rows: readonly unknown[]): { blocks: string[]; starts: number[] } {
  const blocks: string[] = [];
  const starts: number[] = [];
  let open: string[] = [];
  let size = 0;
  for (const [index, row] of rows.entries()) {
    if (open.length === 0) starts.push(index);
    // JSON of a lone surrogate is an escape, so every text survives UTF-8.
    const json = JSON.stringify(row);
    open.push(json);
    size += json.length;
    if (size < blockSize && index + 1 < rows.length) continue;
    blocks.push(packed(`[${open.join(",")}]`));
    open = [];
    size = 0;
  }
  return { blocks, starts };
}

function packed(json: string): string {
  return Buffer.from(deflateSync(strToU8(json), { level: 6 })).toString("base64");
}
