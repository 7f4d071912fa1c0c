// The largest calls of a training run: what the engine reserves before the first step, and what `rlvr plan` computes.
import type { Config } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import type { Workload } from "../native/types.ts";
import { questionsPerCall } from "./rollouts.ts";
import type { Prompts } from "./session.ts";

/** The longest case of a run over these questions, evaluated on `heldOut`. */
export function trainingWorkload(
  config: Config,
  prompts: Prompts,
  questions: readonly Question[],
  heldOut: readonly Question[],
): Workload {
  const { batch, filter, guards, loss, sampling } = config;
  const { numGenerations: rollouts, maxNewTokens: completionTokens } = sampling;
  const longest = (of: readonly Question[]) =>
    of.reduce((most, question) => Math.max(most, prompts.promptIds(question).length), 0);
  const groups = batch.questions * batch.accumulation;
  const calls = [
    { prompts: groups, rollouts },
    { prompts: Math.min(guards.preflightQuestions, questions.length), rollouts },
    { prompts: Math.min(questionsPerCall, heldOut.length), rollouts: 1 },
    { prompts: filter.enabled ? Math.min(questionsPerCall, questions.length) : 0, rollouts: filter.samples },
  ];
  return {
    promptTokens: Math.max(longest(questions), longest(heldOut)),
    completionTokens,
    generate: calls.filter((call) => call.prompts > 0),
    ...(loss.beta > 0 ? { logprobs: { groups, completions: rollouts } } : {}),
    accumulate: { groups: batch.questions, completions: rollouts },
  };
}
