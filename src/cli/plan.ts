// rlvr plan: what a run will take, before the weights are loaded.
import { loadConfig } from "../config/load.ts";
import { batchCounts, byteCount, describeCounts } from "../config/show.ts";
import { Policy } from "../engine/policy.ts";
import { exitStatus } from "../errors.ts";
import { trainingWorkload } from "../recipes/plan.ts";
import { loadQuestions } from "../recipes/questions.ts";
import { fittingQuestions, loadOptions, openTokenizer, questionPrompts } from "../recipes/session.ts";
import { bytes, type Console } from "./console.ts";
import { fetchModel } from "./download.ts";

export async function plan(file: string, overrides: readonly string[], console: Console): Promise<number> {
  const { config } = await loadConfig(file, overrides);
  await fetchModel(config.model.path, console);
  const options = await loadOptions(config, "lora");
  const { info } = await Policy.plan(options, { promptTokens: 1, completionTokens: 1 });
  const prompts = questionPrompts(config, await openTokenizer(config));
  const usable = async (source: typeof config.data.train) => {
    const { questions } = await loadQuestions(source, config.data);
    return fittingQuestions(questions, prompts, info.contextLength, config).questions;
  };
  const questions = await usable(config.data.train);
  const evaluated = config.evaluation.questions;
  const heldOut =
    config.data.eval === null || evaluated === 0 ? [] : (await usable(config.data.eval)).slice(0, evaluated);
  const workload = trainingWorkload(config, prompts, questions, heldOut);
  const { memory } = await Policy.plan(options, workload);
  const chosen = config.filter.enabled
    ? Math.min(questions.length, config.filter.hard + config.filter.easy)
    : questions.length;
  const counts = batchCounts(config, chosen);
  const limit = config.model.memoryLimit === null ? undefined : byteCount(config.model.memoryLimit);
  const fits = limit === undefined || memory.totalBytes <= limit;
  const row = (name: string, size: number) => `${name.padEnd(24)} ${bytes(size).padStart(10)}`;
  const lines = [
    describeCounts(config, counts, chosen),
    `longest prompt ${workload.promptTokens} tokens, completions up to ${workload.completionTokens}`,
    "",
    row("weights", memory.weightsBytes),
    row("adapter and optimizer", memory.trainableBytes),
    row("rollouts", memory.rolloutBytes),
    row("reference", memory.scoringBytes),
    row("training", memory.trainingBytes),
    row("kernels", memory.workspaceBytes),
    row("total", memory.totalBytes),
    "",
    `Rollouts, reference and training take turns: the largest counts.${memory.recompute ? " Layers are computed again in the backward." : ""}`,
    "The engine takes the total before the first step; Node and the tokenizer come on top.",
    ...(fits
      ? []
      : [
          `More than model.memory_limit (${bytes(limit ?? 0)}): lower sampling.max_new_tokens, prompt.max_tokens or sampling.num_generations.`,
        ]),
  ];
  console.result(
    {
      counts,
      questions: chosen,
      longest_prompt: workload.promptTokens,
      memory_bytes: {
        weights: memory.weightsBytes,
        adapter_and_optimizer: memory.trainableBytes,
        rollouts: memory.rolloutBytes,
        reference: memory.scoringBytes,
        training: memory.trainingBytes,
        kernels: memory.workspaceBytes,
        total: memory.totalBytes,
      },
      fits,
    },
    lines.join("\n"),
  );
  return fits ? exitStatus.ok : exitStatus.outOfMemory;
}
