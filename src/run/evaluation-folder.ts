// The folder of an evaluation: evaluation.json (what was evaluated and how), protocol.json, answers.jsonl. What is read is
// checked: statistics and reports rely on every field.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { benchmarks } from "../data/benchmark-row.ts";
import { RlvrError } from "../errors.ts";
import type { AnswerRecord, EvaluationManifest } from "../statistics/answer-record.ts";
import { makeFolder, writeFileWhole } from "./files.ts";
import { readJournal } from "./journal.ts";

/** The files of an evaluation. */
export const evaluationFiles = {
  manifest: "evaluation.json",
  protocol: "protocol.json",
  answers: "answers.jsonl",
} as const;

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

/** The manifest of a folder; undefined when it holds no evaluation. Throws RLVR_BAD_DATA when it is no manifest. */
export async function readManifest(folder: string): Promise<EvaluationManifest | undefined> {
  const file = join(folder, evaluationFiles.manifest);
  const value = await readJson(file);
  return value === undefined ? undefined : (checkedAs(manifestSchema, value, file) as EvaluationManifest);
}

/** The protocol that a folder's answers were made by, as it was written there. */
export async function readStoredProtocol(folder: string): Promise<unknown> {
  return await readJson(join(folder, evaluationFiles.protocol));
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RlvrError("RLVR_BAD_DATA", `[evaluation] ${file} is not JSON; restore it, or choose another folder`, {
      cause,
    });
  }
}

/** Writes or replaces a folder's manifest. */
export async function writeManifest(folder: string, manifest: EvaluationManifest): Promise<void> {
  await writeFileWhole(join(folder, evaluationFiles.manifest), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** What a folder must agree on before more answers go into it. */
const fixed = ["model_hash", "adapter_hash", "protocol_hash", "limit", "subjects", "seed"] as const;

/**
 * Prepares a folder for the evaluation that `manifest` describes: a new one, or one that holds the same evaluation, which
 * then goes on. Throws RLVR_BAD_STATE when it holds another.
 */
export async function openEvaluation(
  folder: string,
  manifest: EvaluationManifest,
  protocol: object,
): Promise<EvaluationManifest> {
  await makeFolder(folder);
  const before = await readManifest(folder);
  const other = fixed.find(
    (field) => before !== undefined && JSON.stringify(before[field]) !== JSON.stringify(manifest[field]),
  );
  if (before !== undefined && other !== undefined) {
    throw new RlvrError(
      "RLVR_BAD_STATE",
      `[evaluate] ${folder} holds an evaluation with ${other} ${JSON.stringify(before[other])}; this one has ` +
        `${JSON.stringify(manifest[other])}. Name another folder with --out`,
    );
  }
  const benchmarks = [...new Set([...(before?.benchmarks ?? []), ...manifest.benchmarks])];
  const opened = { ...manifest, benchmarks, started: before?.started ?? manifest.started, finished: null };
  if (before === undefined) {
    await writeFileWhole(join(folder, evaluationFiles.protocol), `${JSON.stringify(protocol, null, 2)}\n`);
  }
  await writeManifest(folder, opened);
  return opened;
}

/** The answers of a folder, one by one. Throws RLVR_BAD_DATA with file and line for what is no answer. */
export async function* eachAnswer(folder: string): AsyncGenerator<AnswerRecord> {
  const file = join(folder, evaluationFiles.answers);
  let line = 0;
  for await (const answer of readJournal(file)) {
    line += 1;
    yield checkedAs(answerSchema, answer, `${file}, line ${line}`) as AnswerRecord;
  }
}

/** Every answer of a folder. */
export async function readAnswers(folder: string): Promise<AnswerRecord[]> {
  const answers: AnswerRecord[] = [];
  for await (const answer of eachAnswer(folder)) answers.push(answer);
  return answers;
}

/** `value` when it fits the schema; else RLVR_BAD_DATA that names `place` and the first fields that do not. */
export function checkedAs<T>(schema: z.ZodType<T>, value: unknown, place: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join(".") || "the value"}: ${message}`);
  throw badEvaluation(place, `is not what "rlvr evaluate" writes: ${problems.join("; ")}`);
}

export function badEvaluation(place: string, problem: string): RlvrError {
  return new RlvrError("RLVR_BAD_DATA", `[evaluation] ${place}: ${problem}`);
}
