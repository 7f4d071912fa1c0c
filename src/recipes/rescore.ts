// Answers read again under another protocol, without the model: possible where it asks in the same way.
import { join } from "node:path";
import type { Benchmark } from "../data/benchmark-row.ts";
import { RlvrError } from "../errors.ts";
import { answerKey } from "../evaluation/identity.ts";
import { judge } from "../evaluation/judge.ts";
import { type BenchmarkProtocol, type Protocol, partOf } from "../evaluation/protocol.ts";
import {
  evaluationFiles,
  openEvaluation,
  readAnswers,
  readManifest,
  readStoredProtocol,
  writeManifest,
} from "../run/evaluation-folder.ts";
import { Journal } from "../run/journal.ts";
import type { AnswerRecord } from "../statistics/answer-record.ts";
import type { BenchmarkScores } from "../statistics/scores.ts";
import { scoresOf } from "./evaluate.ts";

export interface RescoreResult {
  readonly folder: string;
  /** Answers that are read otherwise than before, or count otherwise. */
  readonly changed: number;
  readonly answers: number;
  readonly scores: readonly BenchmarkScores[];
}

/** What may differ between the protocol of the answers and the one that reads them: everything else decides the prompt. */
const readingOnly: ReadonlySet<string> = new Set(["source", "extract", "compare", "categories", "aggregate"]);

/**
 * Writes to `out` the answers of `folder` as `protocol` reads them. Throws RLVR_BAD_ARGUMENT when it would have asked
 * otherwise, RLVR_NOT_FOUND when `folder` holds no evaluation.
 */
export async function rescore(
  folder: string,
  protocol: Protocol,
  out: string,
  version: string,
): Promise<RescoreResult> {
  const manifest = await readManifest(folder);
  const stored = (await readStoredProtocol(folder)) as Protocol | undefined;
  if (manifest === undefined || stored === undefined) {
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[rescore] ${folder} holds no evaluation; expected a folder that rlvr evaluate wrote, with ` +
        `${evaluationFiles.manifest} and ${evaluationFiles.protocol}`,
    );
  }
  const oldKey = answerKey(manifest.model_hash, manifest.adapter_hash, manifest.protocol_hash);
  const key = answerKey(manifest.model_hash, manifest.adapter_hash, protocol.hash);
  const before = (await readAnswers(folder)).filter((answer) => answer.key === oldKey);
  for (const benchmark of new Set(before.map((answer) => answer.benchmark))) {
    checkAsksAlike(benchmark, partOf(stored, benchmark), partOf(protocol, benchmark), protocol.name);
  }
  const after = before.map(
    (answer): AnswerRecord => ({ ...answer, key, ...judge(answer, partOf(protocol, answer.benchmark)) }),
  );
  const opened = await openEvaluation(
    out,
    { ...manifest, protocol: protocol.name, protocol_hash: protocol.hash, assumption: protocol.assumption, version },
    protocol,
  );
  {
    await using journal = await Journal.open<AnswerRecord>(join(out, evaluationFiles.answers));
    await journal.append(after.filter(({ id }) => !journal.has(key, id)));
  }
  await writeManifest(out, { ...opened, finished: manifest.finished });
  const changed = after.filter(
    ({ extracted, correct }, index) => extracted !== before[index]?.extracted || correct !== before[index]?.correct,
  ).length;
  return { folder: out, changed, answers: after.length, scores: scoresOf(after, protocol) };
}

function checkAsksAlike(benchmark: Benchmark, old: BenchmarkProtocol, wanted: BenchmarkProtocol, name: string): void {
  const fields = Object.keys(wanted).filter((field) => !readingOnly.has(field)) as (keyof BenchmarkProtocol)[];
  const other = fields.find((field) => JSON.stringify(old[field]) !== JSON.stringify(wanted[field]));
  if (other === undefined) return;
  throw new RlvrError(
    "RLVR_BAD_ARGUMENT",
    `[rescore] ${name} asks ${benchmark} otherwise than these answers were asked: ${other} is ` +
      `${short(wanted[other])}, not ${short(old[other])}. Run rlvr evaluate --protocol ${name}`,
  );
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
