// What comes before the first step: rewards, questions (chosen by the model itself where the config says so), counts.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Config, QuestionSource } from "../config/schema.ts";
import { rewardEntries } from "../config/show.ts";
import type { Question } from "../data/question.ts";
import { readQuestions, writeQuestions } from "../data/questions.ts";
import { RlvrError } from "../errors.ts";
import { resolveRewards } from "../rewards/registry.ts";
import type { WeightedReward } from "../rewards/reward.ts";
import { doing } from "../run/files.ts";
import type { RunDirectory } from "../run/run-directory.ts";
import { shuffled } from "../selection/shuffle.ts";
import type { TrainListener } from "./events.ts";
import { filterQuestions } from "./filter.ts";
import { loadQuestions } from "./questions.ts";
import { fittingQuestions, type Session } from "./session.ts";

/** The reward functions of a config; module paths are relative to the working directory. */
export async function configuredRewards(config: Config): Promise<WeightedReward[]> {
  return await resolveRewards(rewardEntries(config.rewards), async (path) => {
    const url = pathToFileURL(resolve(path)).href;
    try {
      return (await import(url)) as Record<string, unknown>;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RlvrError("RLVR_BAD_CONFIG", `[rewards] loading the module ${path}: ${reason}`, { cause });
    }
  });
}

/** The questions of a source that fit the prompt limit; says what was left out. */
export async function usableQuestions(
  source: QuestionSource | readonly Question[],
  session: Session,
  config: Config,
  onEvent: TrainListener,
): Promise<Question[]> {
  const isGiven = Array.isArray(source);
  const { questions, skipped } = isGiven
    ? { questions: source as readonly Question[], skipped: [] }
    : await loadQuestions(source as QuestionSource, config.data);
  const say = (message: string) => onEvent({ kind: "notice", level: "info", message });
  if (skipped.length > 0) {
    say(`${skipped.length} bad rows were left out; the first is row ${skipped[0]?.row}: ${skipped[0]?.reason}`);
  }
  const fitting = fittingQuestions(questions, session, session.policy.info.contextLength, config);
  if (fitting.tooLong > 0) {
    say(`${fitting.tooLong} questions with prompts of more than ${config.prompt.maxTokens} tokens were left out`);
  }
  return fitting.questions;
}

/** The training questions: all, a random sample, or those that the filter chooses; a resumed run takes the same ones. */
export async function trainingQuestions(
  candidates: readonly Question[],
  session: Session,
  config: Config,
  run: RunDirectory,
  onEvent: TrainListener,
  signal: AbortSignal | undefined,
): Promise<readonly Question[]> {
  const { sample } = config.data;
  const drawn = sample === null ? candidates : shuffled(candidates, config.seed, "sample").slice(0, sample);
  if (!config.filter.enabled) return drawn;
  const file = run.path("selection");
  if (run.resumedFrom !== undefined) {
    return readQuestions(await doing(`reading ${file}`, () => readFile(file, "utf8")), file).rows;
  }
  const selection = await filterQuestions(session, drawn, config, {
    signal,
    onProgress: (done, total) => onEvent({ kind: "progress", phase: "filter", done, total }),
  });
  await run.write("filter", selection.difficulties.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await run.write("selection", writeQuestions(selection.questions));
  onEvent({ kind: "filter", counts: selection.counts });
  if (selection.questions.length === 0) {
    throw new RlvrError("RLVR_BAD_DATA", "[filter] no question was chosen; raise filter.hard or filter.easy");
  }
  return selection.questions;
}
