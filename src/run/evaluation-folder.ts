// The folder of an evaluation: evaluation.json (what was evaluated and how), protocol.json, answers.jsonl.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
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

/** The manifest of a folder; undefined when it holds no evaluation. */
export async function readManifest(folder: string): Promise<EvaluationManifest | undefined> {
  return (await readJson(join(folder, evaluationFiles.manifest))) as EvaluationManifest | undefined;
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

/** Every answer of a folder. */
export async function readAnswers(folder: string): Promise<AnswerRecord[]> {
  const answers: AnswerRecord[] = [];
  for await (const answer of readJournal<AnswerRecord>(join(folder, evaluationFiles.answers))) answers.push(answer);
  return answers;
}
