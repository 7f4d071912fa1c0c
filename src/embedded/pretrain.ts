// How the embedded default model is made: from random weights, by this engine, on generated patient cards.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { questionLines } from "../data/question.ts";
import { Policy } from "../engine/policy.ts";
import { RlvrError } from "../errors.ts";
import { scheduleFactor } from "../grpo/schedule.ts";
import type { TrainingGroup } from "../native/types.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { baseMixture, carefulMixture, drawCompletion, type Mixture } from "./completions.ts";
import { generationConfig, initialWeights, modelConfig } from "./initial-model.ts";
import { patientCard, toQuestion } from "./patient-cards.ts";
import { Draws } from "./philox.ts";
import { encodeSafetensors } from "./safetensors-writer.ts";
import { buildTokenizer, tokenizerConfig } from "./tokenizer.ts";

export interface PretrainOptions {
  /** The model folder that is written; it may exist. */
  output: string;
  seed: number;
  /** Steps on careful, well-formed answers: the task itself. */
  carefulSteps: number;
  /** Steps on the mixture that reinforcement learning starts from. */
  mixtureSteps: number;
  /** Cards a step, each with one completion. */
  batchSize: number;
  learningRate: number;
  warmupSteps: number;
  device?: string;
  threads?: number;
}

export const pretrainDefaults = {
  seed: 1,
  carefulSteps: 450,
  mixtureSteps: 550,
  batchSize: 24,
  learningRate: 2e-3,
  warmupSteps: 30,
} as const satisfies Omit<PretrainOptions, "output">;

export interface PretrainProgress {
  /** Steps done, of all. */
  step: number;
  steps: number;
  /** Mean cross-entropy of the step's completion tokens, nats. */
  loss: number;
  learningRate: number;
  tokens: number;
}

export interface PretrainResult {
  folder: string;
  parameters: number;
  /** Of model.safetensors. */
  sha256: string;
  /** Mean over the last 50 steps. */
  loss: number;
}

export interface PretrainContext {
  signal?: AbortSignal;
  onProgress?: (progress: PretrainProgress) => void;
}

const completionStream = 17;
const weightsFile = "model.safetensors";

/**
 * Cross-entropy on completions, all parameters, AdamW with a cosine schedule. The careful part teaches to read a card;
 * the mixture that follows makes the model answer carelessly and in bad form more often than not. Weights appear in the
 * folder only when they are complete.
 *
 * @throws RlvrError RLVR_ABORTED when the signal says so; nothing is left behind then but the small files.
 */
export async function pretrainEmbedded(
  options: PretrainOptions,
  { signal, onProgress }: PretrainContext = {},
): Promise<PretrainResult> {
  const { output, seed, carefulSteps, mixtureSteps, batchSize, learningRate, warmupSteps, device, threads } = options;
  const steps = carefulSteps + mixtureSteps;
  const start = await mkdtemp(join(tmpdir(), "rlvr-pretrain-"));
  try {
    const json = buildTokenizer();
    await writeModelFiles(start, json);
    await writeModelFiles(output, json);
    const vocabSize = Object.keys(json.model.vocab).length;
    await writeFile(join(start, weightsFile), encodeSafetensors(initialWeights(vocabSize, seed)));
    const tokenizer = await loadTokenizer(start);
    await using policy = await Policy.load(
      { model: start, trainable: "full", ...(device && { device }), ...(threads && { threads }) },
      { signal },
    );

    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const mixture = step < carefulSteps ? carefulMixture : baseMixture;
      const groups = trainingGroups(tokenizer, seed, step * batchSize, batchSize, mixture);
      const { loss, tokens } = await policy.accumulate({ groups, loss: { kind: "supervised" } }, { signal });
      // One step further than counted, so that the first step already moves.
      const rate = learningRate * scheduleFactor("cosine", step + 1, steps + 1, warmupSteps);
      await policy.update({ learningRate: rate, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, maxGradNorm: 1 });
      losses.push(loss);
      onProgress?.({ step: step + 1, steps, loss, learningRate: rate, tokens });
    }

    const partial = join(output, `${weightsFile}.partial`);
    await policy.saveWeights(partial, { dtype: "BF16" });
    await rename(partial, join(output, weightsFile));
    const last = losses.slice(-50);
    return {
      folder: output,
      parameters: policy.info.parameters,
      sha256: createHash("sha256")
        .update(await readFile(join(output, weightsFile)))
        .digest("hex"),
      loss: last.reduce((sum, loss) => sum + loss, 0) / Math.max(1, last.length),
    };
  } finally {
    await rm(start, { recursive: true, force: true });
  }
}

/** Everything of the model folder but the weights: config, generation config, tokenizer and chat template. */
export async function writeModelFiles(folder: string, tokenizer = buildTokenizer()): Promise<void> {
  const { vocab } = tokenizer.model;
  const tokenId = (token: string) => vocab[token] as number;
  const files = {
    "config.json": modelConfig(Object.keys(vocab).length, tokenId),
    "generation_config.json": generationConfig(tokenId),
    "tokenizer.json": tokenizer,
    "tokenizer_config.json": tokenizerConfig(),
  };
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  }
}

/** Cards `first` to `first + count - 1`, each with one completion; every completion token weighs the same. */
function trainingGroups(
  tokenizer: Tokenizer,
  seed: number,
  first: number,
  count: number,
  mixture: Mixture,
): TrainingGroup[] {
  const pairs = Array.from({ length: count }, (_, offset) => {
    const index = first + offset;
    const card = patientCard(seed, "pretrain", index);
    const completion = drawCompletion(card, mixture, new Draws(seed, completionStream, index));
    return {
      promptIds: promptIds(tokenizer, questionLines(toQuestion(card, `${index}`))),
      completionIds: tokenizer.encode(`${completion}<end_of_turn>`, { parseSpecial: true }),
    };
  });
  const tokens = pairs.reduce((sum, { completionIds }) => sum + completionIds.length, 0);
  return pairs.map(({ promptIds, completionIds }) => ({
    promptIds,
    completions: [{ completionIds, weights: new Float32Array(completionIds.length).fill(1 / tokens) }],
  }));
}

function promptIds(tokenizer: Tokenizer, content: string): Int32Array {
  if (!tokenizer.chat)
    throw new RlvrError("RLVR_INTERNAL", "[pretrain] the model's own tokenizer has no chat template.");
  return tokenizer.chat.encodeChat([{ role: "user", content }], { addGenerationPrompt: true });
}
