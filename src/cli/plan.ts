// rlvr plan: what a run will take, before the weights are loaded.
import { loadConfig } from "../config/load.ts";
import { batchCounts, byteCount, describeCounts } from "../config/show.ts";
import { exitStatus } from "../errors.ts";
import { planMemory, readModelShape } from "../recipes/plan.ts";
import { loadQuestions } from "../recipes/questions.ts";
import { fittingQuestions, openTokenizer, questionPrompts } from "../recipes/session.ts";
import { bytes, type Console } from "./console.ts";
import { fetchModel } from "./download.ts";

export async function plan(file: string, overrides: readonly string[], console: Console): Promise<number> {
  const { config } = await loadConfig(file, overrides);
  const shape = await readModelShape(await fetchModel(config.model.path, console));
  const prompts = questionPrompts(config, await openTokenizer(config));
  const { questions } = await loadQuestions(config.data.train, config.data);
  const fitting = fittingQuestions(questions, prompts, shape.contextLength, config);
  const chosen = config.filter.enabled
    ? Math.min(fitting.questions.length, config.filter.hard + config.filter.easy)
    : fitting.questions.length;
  const counts = batchCounts(config, chosen);
  const memory = planMemory(shape, config, fitting.longestPrompt);
  const limit = config.model.memoryLimit === null ? undefined : byteCount(config.model.memoryLimit);
  const fits = limit === undefined || memory.total <= limit;
  const lines = [
    describeCounts(config, counts, chosen),
    `longest prompt ${fitting.longestPrompt} tokens, completions up to ${config.sampling.maxNewTokens}`,
    "",
    ...Object.entries(memory).map(([name, size]) => `${name.padEnd(24)} ${bytes(size).padStart(10)}`),
    "",
    "An estimate: weights as stored, F32 elsewhere; the measured peak is in metrics.jsonl.",
    ...(fits
      ? []
      : [`More than model.memory_limit (${bytes(limit ?? 0)}): lower batch.questions or sampling.max_new_tokens.`]),
  ];
  console.result(
    { counts, questions: chosen, longest_prompt: fitting.longestPrompt, memory_bytes: memory, fits },
    lines.join("\n"),
  );
  return fits ? exitStatus.ok : exitStatus.outOfMemory;
}
