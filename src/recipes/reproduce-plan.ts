// What an experiment will take before it starts: questions, tokens and hours of each stage, and the memory of a training.
// Tokens are upper bounds, answers of full length; times follow from them and from a short measurement of the model.
import type { LoadedExperiment, LoadedVariant } from "../config/load-experiment.ts";
import { batchCounts } from "../config/show.ts";
import { readBenchmark } from "../data/read-benchmark.ts";
import { type MemoryPlan, Policy } from "../engine/policy.ts";
import { limited } from "../evaluation/choose.ts";
import { encodeRow } from "../evaluation/encode.ts";
import { askedRows } from "../evaluation/prompts.ts";
import { loadProtocol, partOf } from "../evaluation/protocol.ts";
import { mean } from "../grpo/advantages.ts";
import { benchmarkFolder } from "../hub/hub-folder.ts";
import { localModel } from "../hub/hub-model.ts";
import { localFolder } from "../run/local-folder.ts";
import { filterMessages } from "../selection/filter-prompt.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import { trainingWorkload } from "./plan.ts";
import { loadQuestions } from "./questions.ts";
import { evaluatedModel, type Stage, stagesOf, stageTitle } from "./reproduce.ts";
import { chatPrompts, loadOptions, openTokenizer, questionPrompts } from "./session.ts";

/** Work of a stage. */
export interface StageWork {
  readonly title: string;
  readonly questions: number;
  /** Rows of prompts that are read, a shared beginning counted each time. */
  readonly promptTokens: number;
  /** At most. */
  readonly newTokens: number;
  /** Tokens that are trained on, at most. */
  readonly trainedTokens: number;
  /** null: the model was not measured. */
  readonly seconds: number | null;
}

export interface ExperimentPlan {
  readonly stages: readonly StageWork[];
  readonly memory: MemoryPlan;
  /** Tokens a second of the trained model; null when it was not measured. */
  readonly speed: ModelSpeed | null;
}

export interface ModelSpeed {
  readonly prompt: number;
  readonly generation: number;
  readonly training: number;
}

// Prompts whose lengths stand for all of them.
const samplePrompts = 24;

/** Plans every stage. `measure` loads each model for a few seconds; without it there are no times. */
export async function planExperiment(experiment: LoadedExperiment, measure = true): Promise<ExperimentPlan> {
  const speeds = new Map<string, ModelSpeed>();
  const speedOf = async (model: string): Promise<ModelSpeed | null> => {
    if (!measure) return null;
    const known = speeds.get(model) ?? (await measureSpeed(await localModel(model)));
    speeds.set(model, known);
    return known;
  };
  const trained = evaluatedModel(experiment.variants);
  const stages: StageWork[] = [];
  for (const stage of stagesOf(experiment)) {
    const work = await workOf(experiment, stage);
    const { path } = stage.kind === "select" ? stage.variant.select.config.model : trained;
    const speed = path === null || work.newTokens + work.promptTokens === 0 ? null : await speedOf(path);
    stages.push({ title: stageTitle(stage), ...work, seconds: secondsOf(work, speed) });
  }
  const memories = await Promise.all(experiment.variants.map(trainingMemory));
  const memory = memories.reduce((most, one) => (one.totalBytes > most.totalBytes ? one : most));
  return { stages, memory, speed: speeds.get(trained.path) ?? null };
}

type Work = Omit<StageWork, "title" | "seconds">;

const nothing: Work = { questions: 0, promptTokens: 0, newTokens: 0, trainedTokens: 0 };

async function workOf(experiment: LoadedExperiment, stage: Stage): Promise<Work> {
  if (stage.kind === "report") return nothing;
  if (stage.kind === "evaluate") return await evaluationWork(experiment, stage.targets.length);
  return stage.kind === "select" ? await selectionWork(stage.variant) : await trainingWork(stage.variant);
}

async function evaluationWork({ config, variants }: LoadedExperiment, targets: number): Promise<Work> {
  const { protocol: name, shots, maxNewTokens, benchmarks, data, limit } = config.evaluation;
  const protocol = await loadProtocol(name, { shots: shots ?? undefined, maxNewTokens: maxNewTokens ?? undefined });
  const tokenizer = await loadTokenizer(await localModel(evaluatedModel(variants).path));
  const total = { ...nothing };
  for (const benchmark of benchmarks) {
    const part = partOf(protocol, benchmark);
    const folder = data === "hub" ? await benchmarkFolder(benchmark) : localFolder(data);
    const { test, shots: examples } = await readBenchmark(benchmark, folder, { onBadRow: "skip" });
    const rows = limited(askedRows(test, examples, part), limit);
    const lengths = spread(rows).map(
      (row) => encodeRow(row, part, tokenizer, Number.MAX_SAFE_INTEGER).promptIds.length,
    );
    total.questions += targets * rows.length;
    total.promptTokens += Math.round(targets * rows.length * mean(lengths));
    if (part.mode === "generate") total.newTokens += targets * rows.length * part.max_new_tokens;
  }
  return total;
}

async function selectionWork({ select: { config } }: LoadedVariant): Promise<Work> {
  const { candidates, model, sampling, strategy, prompt } = config;
  const { questions } = await loadQuestions(candidates.source, candidates);
  if (strategy.kind === "random" || model.path === null) return { ...nothing, questions: questions.length };
  const asked = Math.min(questions.length, candidates.sample ?? Number.POSITIVE_INFINITY);
  const tokenizer = await openTokenizer({ model: { ...model, path: model.path }, prompt });
  const prompts = chatPrompts(tokenizer, (question) => filterMessages(question, prompt));
  const lengths = spread(questions).map((question) => prompts.promptIds(question).length);
  return {
    questions: asked,
    promptTokens: Math.round(asked * mean(lengths)),
    newTokens: asked * sampling.samples * sampling.maxNewTokens,
    trainedTokens: 0,
  };
}

async function trainingWork(variant: LoadedVariant): Promise<Work> {
  const { config } = variant.train;
  const { questionsPerStep, totalSteps } = batchCounts(config, chosenCount(variant));
  const { numGenerations, maxNewTokens } = config.sampling;
  const questions = questionsPerStep * totalSteps;
  const promptTokens = questions * (await meanPrompt(variant));
  const newTokens = questions * numGenerations * maxNewTokens;
  const passes = config.loss.beta > 0 ? 2 : 1; // the reference reads every rollout once more
  return {
    questions,
    promptTokens: Math.round(passes * promptTokens + (passes - 1) * newTokens),
    newTokens,
    trainedTokens: Math.round(promptTokens + newTokens),
  };
}

/** How many questions a selection is to choose. */
function chosenCount({ select: { config } }: LoadedVariant): number {
  const { kind, hard, easy, count } = config.strategy;
  return kind === "filter" ? hard + easy : count;
}

async function meanPrompt(variant: LoadedVariant): Promise<number> {
  const { prompts, questions } = await promptsOf(variant);
  return mean(questions.map((question) => prompts.promptIds(question).length));
}

async function trainingMemory(variant: LoadedVariant): Promise<MemoryPlan> {
  const { config } = variant.train;
  const { prompts, questions } = await promptsOf(variant);
  return (await Policy.plan(await loadOptions(config, "lora"), trainingWorkload(config, prompts, questions, [])))
    .memory;
}

/** A few questions as the training asks them. It trains on what is not chosen yet: the candidates stand for that. */
async function promptsOf({ select, train: { config } }: LoadedVariant) {
  const { candidates } = select.config;
  const { questions } = await loadQuestions(candidates.source, candidates);
  return { prompts: questionPrompts(config, await openTokenizer(config)), questions: spread(questions) };
}

/** A few of many, evenly. */
function spread<T>(items: readonly T[]): T[] {
  const step = Math.max(1, items.length / samplePrompts);
  const chosen: T[] = [];
  for (let at = 0; at < items.length; at += step) chosen.push(items[Math.floor(at)] as T);
  return chosen;
}

function secondsOf({ promptTokens, newTokens, trainedTokens }: Work, speed: ModelSpeed | null): number | null {
  if (speed === null) return promptTokens + newTokens + trainedTokens === 0 ? 0 : null;
  return promptTokens / speed.prompt + newTokens / speed.generation + trainedTokens / speed.training;
}

const probe = { prompt: 128, sequences: 8, newTokens: 16 };

/** Tokens a second of a model here: one prompt, eight sequences decoded together, one training pass. */
export async function measureSpeed(model: string): Promise<ModelSpeed> {
  await using policy = await Policy.load({ model, trainable: "lora", lora: { rank: 8, alpha: 8 } });
  const ids = (first: number) => {
    return Int32Array.from({ length: probe.prompt }, (_, i) => (first + i) % policy.info.vocabularySize);
  };
  const seconds = async (action: () => Promise<unknown>) => {
    await action(); // once before: memory is reserved, weights are read
    const start = performance.now();
    await action();
    return (performance.now() - start) / 1000;
  };
  const generate = (maxNewTokens: number) => async () =>
    await policy.generate({
      prompts: Array.from({ length: probe.sequences }, (_, i) => ({ ids: ids(i), key: BigInt(i) })),
      maxNewTokens,
    });
  const first = await seconds(generate(1));
  const whole = await seconds(generate(1 + probe.newTokens));
  const weights = new Float32Array(probe.prompt).fill(1);
  const completion = { completionIds: ids(7), weights };
  const groups = [{ promptIds: ids(3), completions: [completion] }];
  const trained = await seconds(async () => await policy.accumulate({ groups, loss: { kind: "supervised" } }));
  return {
    prompt: (probe.sequences * probe.prompt) / first,
    generation: (probe.sequences * probe.newTokens) / Math.max(1e-3, whole - first),
    training: (2 * probe.prompt) / trained,
  };
}
