// The evaluation of a model, and of adapters on it, over benchmarks under one protocol: every answer in a journal.
import { join } from "node:path";
import type { Benchmark, BenchmarkRow } from "../data/benchmark-row.ts";
import { categoriesOf } from "../data/categories.ts";
import type { DataFolder } from "../data/data-folder.ts";
import { readBenchmark } from "../data/read-benchmark.ts";
import { RlvrError } from "../errors.ts";
import { BatchCollector, type RowBatch, rowGroups, rowsOf } from "../evaluation/batches.ts";
import { limited } from "../evaluation/choose.ts";
import { type EncodedRow, encodeRow } from "../evaluation/encode.ts";
import { adapterHash, answerKey, modelHash } from "../evaluation/identity.ts";
import { askedRows } from "../evaluation/prompts.ts";
import { type Protocol, partOf } from "../evaluation/protocol.ts";
import type { CallContext } from "../native/types.ts";
import { evaluationFiles, openEvaluation, readAnswers, writeManifest } from "../run/evaluation-folder.ts";
import { Journal } from "../run/journal.ts";
import type { AnswerRecord, EvaluationManifest } from "../statistics/answer-record.ts";
import { type BenchmarkScores, scoreBenchmark } from "../statistics/scores.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type AnsweringPolicy, answerRows } from "./answer-rows.ts";

/** A model or an adapter on it, and the folder of its answers. */
export interface EvaluationTarget {
  /** What tables and figures call it. */
  readonly name: string;
  /** A PEFT folder; null: the model as it is. */
  readonly adapter: string | null;
  readonly folder: string;
}

/** A loaded model on which adapters can be changed. */
export interface EvaluationModel extends AsyncDisposable {
  readonly tokenizer: Tokenizer;
  /** The model with this adapter, or without one; the policy of an earlier call is no longer used then. */
  use(adapter: string | null): Promise<AnsweringPolicy>;
}

export type EvaluationEvent =
  | { readonly kind: "notice"; readonly message: string }
  | {
      readonly kind: "target";
      readonly target: EvaluationTarget;
      readonly questions: number;
      readonly answered: number;
    }
  | {
      readonly kind: "progress";
      readonly benchmark: Benchmark;
      readonly subject: string;
      /** Of this target, answers of earlier runs included. */
      readonly done: number;
      readonly total: number;
    };

export interface EvaluateOptions extends CallContext {
  readonly model: string;
  readonly targets: readonly EvaluationTarget[];
  readonly protocol: Protocol;
  readonly benchmarks: readonly Benchmark[];
  /** The files of a benchmark. */
  readonly data: (benchmark: Benchmark) => Promise<DataFolder>;
  /** Only these subjects; each must be one of the benchmarks that are asked. */
  readonly subjects?: readonly string[] | null;
  /** At most so many questions of each benchmark, spread over its subjects. */
  readonly limit?: number | null;
  readonly onBadRow?: "fail" | "skip";
  readonly version: string;
  /** Opens the model; not called when every answer is there already. */
  readonly open: () => Promise<EvaluationModel>;
  readonly onEvent?: (event: EvaluationEvent) => void;
}

export interface TargetResult {
  readonly name: string;
  readonly folder: string;
  readonly interrupted: boolean;
  readonly scores: readonly BenchmarkScores[];
}

/**
 * Asks what has no answer yet. An abort finishes nothing: what is in the journal stays, and the same call continues
 * there. Throws RLVR_BAD_STATE when a folder holds another evaluation, and what reading data and loading models throw.
 */
export async function evaluate(options: EvaluateOptions): Promise<TargetResult[]> {
  const { model, targets, protocol, benchmarks, signal, onEvent = () => {} } = options;
  const { subjects = null, limit = null } = options;
  const asked = new Map<Benchmark, readonly Asked[]>();
  const knownSubjects = new Set<string>();
  for (const benchmark of benchmarks) {
    const rows = await askedOf(benchmark, options, knownSubjects);
    if (rows.length > 0) asked.set(benchmark, rows);
  }
  checkSubjects(subjects, knownSubjects);
  const total = [...asked.values()].reduce((sum, rows) => sum + rows.length, 0);
  const hashOfModel = await modelHash(model);

  const opened = new OpenedOnce(options.open);
  await using _closing = opened;
  const results: TargetResult[] = [];
  for (const target of targets) {
    const hashOfAdapter = target.adapter === null ? null : await adapterHash(target.adapter);
    const key = answerKey(hashOfModel, hashOfAdapter, protocol.hash);
    const started: EvaluationManifest = {
      schema: 1,
      name: target.name,
      model,
      model_hash: hashOfModel,
      adapter: target.adapter,
      adapter_hash: hashOfAdapter,
      protocol: protocol.name,
      protocol_hash: protocol.hash,
      assumption: protocol.assumption,
      benchmarks: [...asked.keys()],
      limit,
      subjects,
      seed: 0, // answers are greedy; nothing is drawn but examples, whose seed is the protocol's
      version: options.version,
      started: new Date().toISOString(),
      finished: null,
    };
    const manifest = await openEvaluation(target.folder, started, protocol);
    const interrupted = await answerAll(target, asked, key, opened, { ...options, total });
    if (!interrupted) await writeManifest(target.folder, { ...manifest, finished: new Date().toISOString() });
    const answers = (await readAnswers(target.folder)).filter((answer) => answer.key === key);
    results.push({
      name: target.name,
      folder: target.folder,
      interrupted,
      scores: scoresOf(answers, protocol),
    });
    if (interrupted || signal?.aborted) break;
  }
  if (results.length < targets.length)
    onEvent({ kind: "notice", message: "the remaining adapters were not evaluated" });
  return results;
}

/** The scores of a folder's answers, each benchmark under the categories that the protocol names. */
export function scoresOf(answers: readonly AnswerRecord[], protocol: Protocol): BenchmarkScores[] {
  const benchmarks = [...new Set(answers.map(({ benchmark }) => benchmark))];
  return benchmarks.map((benchmark) =>
    scoreBenchmark(
      benchmark,
      answers.filter((answer) => answer.benchmark === benchmark),
      categoriesOf(benchmark, partOf(protocol, benchmark).categories),
    ),
  );
}

type Asked = ReturnType<typeof askedRows>[number];

/** The rows of a benchmark that are asked, with their examples. */
async function askedOf(
  benchmark: Benchmark,
  { protocol, data, subjects = null, limit = null, onBadRow = "fail", onEvent = () => {} }: EvaluateOptions,
  known: Set<string>,
): Promise<Asked[]> {
  const part = partOf(protocol, benchmark);
  const { test, shots, skipped } = await readBenchmark(benchmark, await data(benchmark), { onBadRow });
  if (skipped.length > 0)
    onEvent({
      kind: "notice",
      message: `${benchmark}: ${skipped.length} bad rows were left out, the first in ${skipped[0]?.file}`,
    });
  for (const { subject } of test) known.add(subject);
  let rows: Asked[];
  try {
    rows = askedRows(test, shots, part);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RlvrError("RLVR_BAD_DATA", `[evaluate] ${benchmark}: ${cause.message}; ask with fewer: --shots`, {
      cause,
    });
  }
  const isWanted = ({ subject }: BenchmarkRow) => subjects === null || subjects.includes(subject);
  return limited(
    rows.filter(({ row }) => isWanted(row)),
    limit,
  );
}

function checkSubjects(subjects: readonly string[] | null, known: ReadonlySet<string>): void {
  const missing = subjects?.filter((subject) => !known.has(subject)) ?? [];
  if (missing.length === 0) return;
  throw new RlvrError(
    "RLVR_BAD_ARGUMENT",
    `[evaluate] no benchmark that is asked has the subject ${missing.join(", ")}; there are ${[...known].sort().join(", ")}`,
  );
}

/** Answers what a target's journal lacks; true when an abort stopped it. */
async function answerAll(
  target: EvaluationTarget,
  asked: ReadonlyMap<Benchmark, readonly Asked[]>,
  key: string,
  opened: OpenedOnce,
  { protocol, total, signal, onEvent = () => {} }: EvaluateOptions & { readonly total: number },
): Promise<boolean> {
  await using journal = await Journal.open<AnswerRecord>(join(target.folder, evaluationFiles.answers), {
    onMessage: (message) => onEvent({ kind: "notice", message }),
  });
  const open = [...asked].map(([benchmark, rows]) => ({
    benchmark,
    rows: rows.filter(({ row }) => !journal.has(key, row.id)),
  }));
  let done = total - open.reduce((sum, { rows }) => sum + rows.length, 0);
  onEvent({ kind: "target", target, questions: total, answered: done });
  if (done === total) return false;
  try {
    signal?.throwIfAborted();
    const model = await opened.get();
    const policy = await model.use(target.adapter);
    for (const { benchmark, rows } of open) {
      const part = partOf(protocol, benchmark);
      let cut = 0;
      const answer = async (batch: RowBatch | undefined) => {
        if (batch === undefined) return;
        signal?.throwIfAborted();
        const context = { signal, onProgress: partProgress(batch, (share) => progress(done + share, batch)) };
        for await (const answers of answerRows(batch, { policy, tokenizer: model.tokenizer, part, key }, context)) {
          await journal.append(answers);
          done += answers.length;
          progress(done, batch);
        }
      };
      const collector = new BatchCollector();
      for (const subject of bySubject(rows)) {
        const encoded = subject.map((row) => encodeRow(row, part, model.tokenizer, policy.info.contextLength));
        cut += encoded.filter(({ isCut }) => isCut).length;
        for (const group of rowGroups(encoded)) await answer(collector.add(group));
      }
      await answer(collector.rest());
      if (cut > 0) {
        const message = `${benchmark}: ${cut} prompts are longer than the model's context; their beginnings were cut off`;
        onEvent({ kind: "notice", message });
      }
    }
    return false;
  } catch (error) {
    if (signal?.aborted) return true;
    throw error;
  }

  function progress(count: number, batch: RowBatch): void {
    const { benchmark, subject } = (rowsOf(batch)[0] as EncodedRow).row;
    onEvent({ kind: "progress", benchmark, subject, done: Math.floor(count), total });
  }
}

/** Rows in groups of one subject, in the order in which the subjects come. */
function bySubject(rows: readonly Asked[]): Asked[][] {
  const groups = new Map<string, Asked[]>();
  for (const asked of rows) {
    const group = groups.get(asked.row.subject);
    if (group === undefined) groups.set(asked.row.subject, [asked]);
    else group.push(asked);
  }
  return [...groups.values()];
}

/** The engine's progress within a call as questions done; a call that generates counts tokens, which say little of them. */
function partProgress(batch: RowBatch, report: (questions: number) => void) {
  const rows = rowsOf(batch);
  return (done: number, total: number) => {
    if (rows[0]?.choices.length) report((rows.length * done) / Math.max(1, total));
  };
}

/** A model that is opened when it is first needed, and closed at the end. */
class OpenedOnce implements AsyncDisposable {
  readonly #open: () => Promise<EvaluationModel>;
  #model: Promise<EvaluationModel> | undefined;

  constructor(open: () => Promise<EvaluationModel>) {
    this.#open = open;
  }

  get(): Promise<EvaluationModel> {
    this.#model ??= this.#open();
    return this.#model;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const model = await this.#model?.catch(() => undefined);
    await model?.[Symbol.asyncDispose]();
  }
}
