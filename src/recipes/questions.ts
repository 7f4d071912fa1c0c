// The questions that a config names: a file read as it is, or a generator.
import { readFile } from "node:fs/promises";
import type { Config, QuestionSource } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import { readQuestionFile } from "../data/questions.ts";
import type { BadRow } from "../data/rows.ts";
import { patientCards } from "../embedded/patient-cards.ts";
import { RlvrError } from "../errors.ts";

export interface LoadedQuestions {
  readonly questions: Question[];
  readonly skipped: BadRow[];
}

/** Reads or generates the questions of `source`. Throws RLVR_NOT_FOUND without the file, RLVR_BAD_DATA for bad rows. */
export async function loadQuestions(
  source: QuestionSource,
  data: Pick<Config["data"], "format" | "onBadRow" | "limit">,
): Promise<LoadedQuestions> {
  if (typeof source !== "string") {
    const { split, count, seed } = source;
    return { questions: patientCards({ split, count, seed }), skipped: [] };
  }
  let text: string;
  try {
    text = await readFile(source, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[data] reading ${source}: ${reason}; expected a JSON-lines file of questions (data.train, data.eval, candidates.source)`,
      { cause },
    );
  }
  const { rows, skipped } = readQuestionFile(text, source, data.format, { onBadRow: data.onBadRow });
  return { questions: data.limit === null ? rows : rows.slice(0, data.limit), skipped };
}
