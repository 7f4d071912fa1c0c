// An evaluation's folder into memory: evaluation.json and answers.jsonl, every line checked.
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { type Benchmark, benchmarks } from "../data/benchmark-row.ts";
import { RlvrError } from "../errors.ts";
import { evaluationFiles } from "../run/evaluation-folder.ts";
import { doing } from "../run/files.ts";
import type { AnswerRecord, EvaluationManifest } from "../statistics/answer-record.ts";
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

const benchmark = z.enum(benchmarks);

const manifestSchema = z.looseObject({
  schema: z.literal(1),
  name: z.string().min(1),
  model: z.string(),
  model_hash: z.string(),
  adapter: z.string().nullable(),
  adapter_hash: z.string().nullable(),
  protocol: z.string(),
  protocol_hash: z.string(),
  assumption: z.string(),
  benchmarks: z.array(benchmark),
  limit: z.number().nullable(),
  subjects: z.array(z.string()).nullable(),
  seed: z.number(),
  version: z.string(),
  started: z.string(),
  finished: z.string().nullable(),
});

const answerSchema = z.looseObject({
  benchmark,
  subject: z.string(),
  id: z.string(),
  key: z.string(),
  prompt_hash: z.string(),
  question: z.string(),
  options: z.array(z.string()),
  gold: z.string(),
  text: z.string().nullable(),
  finish_reason: z.enum(["stop", "length"]).nullable(),
  extracted: z.string().nullable(),
  correct: z.boolean(),
  logprobs: z.record(z.string(), z.number().nullable()).nullable(),
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  ms: z.number(),
});

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
  const file = join(folder, evaluationFiles.manifest);
  const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
  const manifest = checked(manifestSchema, parseJson(text, file), file) as EvaluationManifest;
  const wanted = options.benchmarks;
  const isWanted = (name: Benchmark) => wanted === undefined || wanted.includes(name);
  const answers = await readAnswers(join(folder, evaluationFiles.answers), options.textLimit, isWanted, shared);
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
  return { manifest, answers, categoryMaps: await readCategoryMaps(join(folder, evaluationFiles.protocol)) };
}

const protocolSchema = z.object({
  benchmarks: z.partialRecord(benchmark, z.object({ categories: z.string().optional() })),
});

/** The maps that a stored protocol names; none where no protocol is stored. */
async function readCategoryMaps(file: string): Promise<StoredEvaluation["categoryMaps"]> {
  if (!existsSync(file)) return {};
  const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
  const { benchmarks: parts } = checked(protocolSchema, parseJson(text, file), file);
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

async function readAnswers(
  file: string,
  textLimit: number,
  isWanted: (benchmark: Benchmark) => boolean,
  shared: SharedQuestions,
): Promise<AnswerRecord[]> {
  const answers: AnswerRecord[] = [];
  const lineOf = new Map<string, number>();
  let key: string | undefined;
  await doing(`reading ${file}`, async () => {
    for await (const { line, number } of linesOf(file)) {
      const place = `${file}, line ${number}`;
      const record = checked(answerSchema, parseJson(line, place), place) as AnswerRecord;
      key ??= record.key;
      if (record.key !== key) {
        throw badData(
          place,
          `the answer's key is ${record.key}, that of the lines before ${key}: they are answers of two models or protocols; give each evaluation a folder of its own`,
        );
      }
      if (!isWanted(record.benchmark)) continue;
      const before = lineOf.get(`${record.benchmark} ${record.id}`);
      if (before !== undefined)
        throw badData(place, `answers ${record.id} again, after line ${before}; expected each question once`);
      lineOf.set(`${record.benchmark} ${record.id}`, number);
      answers.push(shared.shared({ ...record, text: record.text === null ? null : clipped(record.text, textLimit) }));
    }
  });
  if (answers.length === 0) throw badData(file, "no answers; run the evaluation first");
  return answers;
}

const newline = 10;

/** Lines of a file without holding it whole. What follows the last line end was being written when a run stopped. */
async function* linesOf(file: string): AsyncGenerator<{ line: string; number: number }> {
  let rest: Buffer[] = [];
  let number = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]).toString("utf8");
      rest = [];
      start = end + 1;
      number += 1;
      if (line.trim() !== "") yield { line, number };
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

/** A text whose middle is left out when it is too long, which it says. */
export function clipped(text: string, limit: number): string {
  if (text.length <= limit) return text;
  if (limit === 0) return "";
  const [head, tail] = [Math.ceil((3 * limit) / 4), Math.floor(limit / 4)];
  const left = text.length - head - tail;
  return `${text.slice(0, head)}\n[… ${left.toLocaleString("en-US")} characters left out; answers.jsonl has them …]\n${text.slice(text.length - tail)}`;
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badData(place, `is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, place: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join(".") || "the value"}: ${message}`);
  throw badData(place, `is not what "rlvr evaluate" writes: ${problems.join("; ")}`);
}

function badData(place: string, problem: string): RlvrError {
  return new RlvrError("RLVR_BAD_DATA", `[evaluation] ${place}: ${problem}`);
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
