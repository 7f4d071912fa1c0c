// The answers of filter models to candidates: generated once into a journal, read back from there ever after.
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { SelectConfig } from "../config/select-schema.ts";
import type { Question } from "../data/question.ts";
import { RlvrError } from "../errors.ts";
import { adapterHash, modelHash } from "../evaluation/identity.ts";
import { localModel } from "../hub/hub-model.ts";
import type { CallContext } from "../native/types.ts";
import { type Journal, readJournal } from "../run/journal.ts";
import type { FilterAnswer } from "../selection/evidence.ts";
import { questionKey } from "./batches.ts";
import { chunks, sampleRollouts } from "./rollouts.ts";
import type { Session } from "./session.ts";

/** The journal's file in a selection's folder. */
export const answersFile = "answers.jsonl";

/** What answers depend on, besides the question: the model's files, the prompt, the sampling, the seed. */
export async function answersKey({ model, prompt, sampling, seed }: SelectConfig, modelPath: string): Promise<string> {
  const { temperature, topK, topP, minP, maxNewTokens } = sampling;
  const adapter = model.adapter === null ? null : await adapterHash(model.adapter);
  const { instruction, question, chatTemplate } = prompt;
  const settings = {
    model: await modelHash(await localModel(modelPath)),
    adapter,
    prompt: { instruction, question, chatTemplate },
    sampling: { temperature, topK, topP, minP, maxNewTokens },
    seed,
  };
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 16);
}

/** What a model is called in evidence and summaries: the name of its file or folder, and of its adapter's. */
export function modelName({ path, adapter }: SelectConfig["model"]): string {
  const name = basename(path ?? "none").replace(/\.gguf$/, "");
  return adapter === null ? name : `${name} + ${basename(adapter)}`;
}

export function questionHash({ question, options, answer }: Question): string {
  return createHash("sha256")
    .update(JSON.stringify([question, options, answer]))
    .digest("hex");
}

/** The candidates that have fewer than `samples` answers under `key`. */
export function unanswered(
  candidates: readonly Question[],
  journal: Journal<FilterAnswer>,
  key: string,
  samples: number,
): Question[] {
  return candidates.filter(({ id }) => {
    for (let sample = 0; sample < samples; sample += 1) if (!journal.has(key, answerId(id, sample))) return true;
    return false;
  });
}

function answerId(questionId: string, sample: number): string {
  return `${questionId}#${sample}`;
}

/**
 * Answers `questions`, some at a time, and appends every answer to the journal. A sample's random numbers belong to its
 * question, so it is the same in any batch, and a question that had fewer samples before keeps those.
 */
export async function answerQuestions(
  session: Session,
  questions: readonly Question[],
  config: SelectConfig,
  journal: Journal<FilterAnswer>,
  key: string,
  { signal, onProgress }: CallContext = {},
): Promise<void> {
  const model = modelName(config.model);
  let answered = 0;
  for (const batch of chunks(questions, config.sampling.questions)) {
    const asked = batch.map((question) => ({ question, key: questionKey("select", question) }));
    const { groups } = await sampleRollouts(session, asked, config, {
      rollouts: config.sampling.samples,
      signal,
      onProgress: (done, total) =>
        onProgress?.(answered + (batch.length * done) / Math.max(1, total), questions.length),
    });
    const answers = groups.flatMap(({ question, promptIds, rollouts }) =>
      rollouts.map(
        ({ text, finishReason, completionIds }, sample): FilterAnswer => ({
          key,
          id: answerId(question.id, sample),
          question_id: question.id,
          question_hash: questionHash(question),
          sample,
          model,
          text,
          finish_reason: finishReason,
          prompt_tokens: promptIds.length,
          completion_tokens: completionIds.length,
        }),
      ),
    );
    await journal.append(answers.filter(({ id }) => !journal.has(key, id)));
    answered += batch.length;
    onProgress?.(answered, questions.length);
  }
}

/** Answers by the id of their question, in the order of the samples. */
export type AnswersOf = ReadonlyMap<string, readonly FilterAnswer[]>;

/**
 * The answers of a journal to `candidates`: of `key`, or of the one key that it has. Answers to another question of the
 * same id are an error: the journal belongs to other data.
 */
export async function readAnswers(
  folder: string,
  candidates: readonly Question[],
  key?: string,
  samples = Number.POSITIVE_INFINITY,
): Promise<AnswersOf> {
  const file = join(folder, answersFile);
  const hashes = new Map(candidates.map((question) => [question.id, questionHash(question)]));
  const answers = new Map<string, FilterAnswer[]>();
  const keys = new Set<string>();
  for await (const answer of readJournal<FilterAnswer>(file)) {
    if (key !== undefined && answer.key !== key) continue;
    keys.add(answer.key);
    const hash = hashes.get(answer.question_id);
    if (hash === undefined || answer.sample >= samples) continue;
    if (hash !== answer.question_hash) {
      throw new RlvrError(
        "RLVR_BAD_DATA",
        `[select] ${file} answers another question under the id ${JSON.stringify(answer.question_id)} than the candidates ` +
          "have; give the candidates that it was made from, or choose another folder (output.dir)",
      );
    }
    answers.set(answer.question_id, [...(answers.get(answer.question_id) ?? []), answer]);
  }
  if (keys.size > 1) {
    throw new RlvrError(
      "RLVR_BAD_DATA",
      `[select] ${file} has answers under ${keys.size} settings (${[...keys].join(", ")}); expected one. ` +
        "Select with the model and settings of one of them in a folder of its own",
    );
  }
  for (const list of answers.values()) list.sort((a, b) => a.sample - b.sample);
  return answers;
}
