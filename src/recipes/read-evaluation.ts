// Evaluations into memory, for comparison and report: answers of one model and protocol, each question once.
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { type Benchmark, benchmarks } from "../data/benchmark-row.ts";
import { RlvrError } from "../errors.ts";
import {
  badEvaluation,
  checkedAs,
  eachAnswer,
  evaluationFiles,
  readManifest,
  readStoredProtocol,
} from "../run/evaluation-folder.ts";
import type { AnswerRecord } from "../statistics/answer-record.ts";
import type { EvaluationRun } from "../statistics/compare.ts";

/** An evaluation with the category maps that its protocol names. */
export interface StoredEvaluation extends EvaluationRun {
  readonly categoryMaps: Readonly<Partial<Record<Benchmark, string>>>;
}

export interface ReadEvaluationOptions {
  /** Only these; an evaluation that lacks one is refused. */
  readonly benchmarks?: readonly Benchmark[] | undefined;
  /** Longest completion that is kept, in characters; longer ones lose their middle. 0 keeps none. */
  readonly textLimit: number;
}

/**
 * Reads one evaluation folder. `shared` holds the questions that earlier evaluations brought, so that those of several
 * runs are in memory once.
 *
 * @throws RlvrError RLVR_BAD_DATA with file and line for what does not fit the format.
 */
export async function readEvaluation(
  folder: string,
  options: ReadEvaluationOptions,
  shared: SharedQuestions = new SharedQuestions(),
): Promise<StoredEvaluation> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) {
    const file = join(folder, evaluationFiles.manifest);
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[evaluation] there is no ${file}; expected a folder that rlvr evaluate wrote`,
    );
  }
  const wanted = options.benchmarks;
  const isWanted = (name: Benchmark) => wanted === undefined || wanted.includes(name);
  const answers = await answersOnce(folder, options.textLimit, isWanted, shared);
  for (const name of wanted ?? manifest.benchmarks) {
    if (answers.some((answer) => answer.benchmark === name)) continue;
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[evaluation] ${folder} has no answers to ${name}; ` +
        (manifest.finished === null
          ? "the evaluation has not finished: run it again to continue it"
          : "evaluate it first"),
    );
  }
  return { manifest, answers, categoryMaps: await readCategoryMaps(folder) };
}

const protocolSchema = z.object({
  benchmarks: z.partialRecord(z.enum(benchmarks), z.object({ categories: z.string().optional() })),
});

/** The maps that a stored protocol names; none where no protocol is stored. */
async function readCategoryMaps(folder: string): Promise<StoredEvaluation["categoryMaps"]> {
  const stored = await readStoredProtocol(folder);
  if (stored === undefined) return {};
  const { benchmarks: parts } = checkedAs(protocolSchema, stored, join(folder, evaluationFiles.protocol));
  const named = Object.entries(parts).map(([name, part]) => [name, part?.categories]);
  return Object.fromEntries(named.filter(([, map]) => map !== undefined));
}

/** Question texts and options by id: those of several evaluations are the same, and kept once. */
export class SharedQuestions {
  readonly #known = new Map<string, Pick<AnswerRecord, "question" | "options">>();

  /** The record with the texts that are known under its id, when they are equal. */
  shared(record: AnswerRecord): AnswerRecord {
    const known = this.#known.get(record.id);
    if (known === undefined) {
      this.#known.set(record.id, { question: record.question, options: record.options });
      return record;
    }
    const isSame =
      known.question === record.question &&
      known.options.length === record.options.length &&
      known.options.every((option, index) => option === record.options[index]);
    return isSame ? { ...record, ...known } : record;
  }
}

/** The wanted answers of a folder, which are all under one key and each to another question. */
async function answersOnce(
  folder: string,
  textLimit: number,
  isWanted: (benchmark: Benchmark) => boolean,
  shared: SharedQuestions,
): Promise<AnswerRecord[]> {
  const file = join(folder, evaluationFiles.answers);
  const answers: AnswerRecord[] = [];
  const lineOf = new Map<string, number>();
  let key: string | undefined;
  let line = 0;
  for await (const record of eachAnswer(folder)) {
    line += 1;
    key ??= record.key;
    if (record.key !== key) {
      throw badEvaluation(
        `${file}, line ${line}`,
        `the answer's key is ${record.key}, that of the lines before ${key}: they are answers of two models or protocols; give each evaluation a folder of its own`,
      );
    }
    if (!isWanted(record.benchmark)) continue;
    const before = lineOf.get(`${record.benchmark} ${record.id}`);
    if (before !== undefined) {
      throw badEvaluation(
        `${file}, line ${line}`,
        `answers ${record.id} again, after line ${before}; expected each question once`,
      );
    }
    lineOf.set(`${record.benchmark} ${record.id}`, line);
    answers.push(shared.shared({ ...record, text: record.text === null ? null : clipped(record.text, textLimit) }));
  }
  if (answers.length === 0) throw badEvaluation(file, "no answers; run the evaluation first");
  return answers;
}

/** A text whose middle is left out when it is too long, which it says. */
export function clipped(text: string, limit: number): string {
  if (text.length <= limit) return text;
  if (limit === 0) return "";
  const [head, tail] = [Math.ceil((3 * limit) / 4), Math.floor(limit / 4)];
  const left = text.length - head - tail;
  return `${text.slice(0, head)}\n[… ${left.toLocaleString("en-US")} characters left out; answers.jsonl has them …]\n${text.slice(text.length - tail)}`;
}

/** Several evaluations, with names that differ: one that is taken is followed by its folder's. */
export async function readEvaluations(
  folders: readonly string[],
  options: ReadEvaluationOptions,
): Promise<StoredEvaluation[]> {
  const paths = folders.map((folder) => resolve(folder));
  const twice = folders.find((_, index) => paths.indexOf(paths[index] as string) < index);
  if (twice !== undefined) {
    throw new RlvrError("RLVR_USAGE", `[evaluation] ${twice} is given twice; name each evaluation once`);
  }
  const shared = new SharedQuestions();
  const runs: StoredEvaluation[] = [];
  for (const folder of folders) {
    const run = await readEvaluation(folder, options, shared);
    const taken = new Set(runs.map(({ manifest }) => manifest.name));
    const { name } = run.manifest;
    const candidates = [name, `${name} (${basename(resolve(folder))})`];
    const free = candidates.find((candidate) => !taken.has(candidate)) ?? `${name} (${folder})`;
    runs.push({ ...run, manifest: { ...run.manifest, name: free } });
  }
  return runs;
}
