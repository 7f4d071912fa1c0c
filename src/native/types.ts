// What goes into and comes out of the engine. Field names follow native/engine.h.

/** Which parameters receive gradients. */
export type Trainable = "none" | "lora" | "full";

export interface LoraOptions {
  rank: number;
  alpha: number;
  /** Scale alpha / sqrt(rank) instead of alpha / rank. */
  rslora?: boolean;
  /** Module names such as "q_proj"; absent: every linear layer but the head. */
  targets?: string[];
  /** Of the random initial A; B starts at 0. */
  seed?: bigint | number;
}

export interface LoadOptions {
  /** A safetensors folder or a .gguf file. */
  model: string;
  /** One of `backends()`; "cpu" unless given. */
  device?: string;
  /** Keys and values of rollouts: "auto" in the type of activations, "fp8" in E4M3 (cuda only). */
  kvCache?: "auto" | "fp8";
  /** 0 or absent: the cores this process may use. */
  threads?: number;
  /** A hard cap on the engine's memory; 0 or absent: none. */
  memoryLimitBytes?: number;
  trainable?: Trainable;
  lora?: LoraOptions;
  /** A PEFT folder to start from; its rank, alpha and targets win. */
  adapter?: string;
  /** Most packed rows of one forward; longer work is split. */
  maxBatchRows?: number;
  /** Most rollouts decoded at a time. */
  maxLive?: number;
  /** Most bytes of logits alive at a time. */
  headChunkBytes?: number;
}

/** What the CUDA library finds on a machine. */
export interface CudaStatus {
  /** A policy can be loaded with device "cuda" (or "cuda-emulated"). */
  usable: boolean;
  /** Path of the library; "" when there is none. */
  library: string;
  /** Its compiler and architectures, or "emulated". */
  build: string;
  /** Which cuBLASLt large products use, or why the library's own kernels do. */
  cublas: string;
  cards: { name: string; capability: string; totalBytes: number; freeBytes: number }[];
  /** What is missing and what to do; "" when usable. */
  problem: string;
}

export interface ModelInfo {
  family: string;
  vocabularySize: number;
  dim: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  ffnDim: number;
  contextLength: number;
  parameters: number;
  trainableParameters: number;
  weightBytes: number;
  /** Absent when the model starts its texts with no token. */
  bosId?: number;
  eosIds: number[];
  loraTargets: string[];
  loraRank: number;
  loraAlpha: number;
  device: string;
  isa: string;
  threads: number;
}

export interface MemoryReport {
  currentBytes: number;
  peakBytes: number;
  limitBytes: number;
  weightsBytes: number;
  trainableBytes: number;
  /** One arena for both: the keys and values of rollouts, or the activations of training. */
  activationBytes: number;
  workspaceBytes: number;
  /** The most bytes of logits that were alive at one time. */
  peakLogitsBytes: number;
  /** Times a call grew the engine's memory; 0 in a run whose longest case was reserved. */
  arenaGrowths: number;
}

/** What an engine did while it was traced, in columns with one entry a zone; times are of the monotonic clock. */
export interface EngineTrace {
  /** Index into `totals`. */
  name: Int32Array;
  /** -1: none. */
  layer: Int32Array;
  /** 0: not an op. */
  rows: Int32Array;
  startMs: Float64Array;
  lengthMs: Float64Array;
  /** What the op's formula needs. */
  flops: Float64Array;
  /** Of the op's operands, each moved once. */
  bytes: Float64Array;
  /** Of every zone, those that were dropped included. */
  totals: { name: string; calls: number; lengthMs: number; flops: number; bytes: number }[];
  /** Zones past the limit: in the totals alone. */
  dropped: number;
}

/** The largest calls of a run, for which memory is set aside before it begins. Shorter texts in any mixture fit too. */
export interface Workload {
  /** Of the longest prompt. */
  promptTokens: number;
  /** Sampled behind it at most. */
  completionTokens: number;
  /** One entry for each kind of generate call. */
  generate?: { prompts: number; rollouts: number }[];
  /** The largest logprobs call. */
  logprobs?: { groups: number; completions: number };
  /** The largest accumulate call, with no prompt weights. */
  accumulate?: { groups: number; completions: number };
}

/** Bytes by purpose. Rollouts, scoring and training are never in memory together: the largest of them counts. */
export interface MemoryPlan {
  weightsBytes: number;
  /** Trained values, gradients and AdamW moments. */
  trainableBytes: number;
  rolloutBytes: number;
  scoringBytes: number;
  trainingBytes: number;
  workspaceBytes: number;
  totalBytes: number;
  /** Layers are computed again in the backward, because keeping all of them takes too much. */
  recompute: boolean;
}

/** The distribution that tokens are sampled from, and whose logprobs everything means. Absent: temperature 1, all tokens. */
export interface Sampling {
  /** 0 is greedy. */
  temperature?: number;
  /** 0: all. */
  topK?: number;
  topP?: number;
  minP?: number;
}

/** A header that prompts, or other prefixes, continue. It is computed once while something continues it. */
export interface Prefix {
  ids: Int32Array;
  /** Index of an earlier prefix that this one continues. */
  parent?: number;
}

export interface Prompt {
  ids: Int32Array;
  /** Index of the prefix that `ids` continues; results are those of the prefix written out in front of `ids`. */
  prefix?: number;
  /** For this prompt's rollouts; the request's unless given. */
  maxNewTokens?: number;
  /** Names the question for the random numbers: the same key and seed give the same rollouts. */
  key: bigint;
}

export interface GenerateRequest {
  prefixes?: Prefix[];
  prompts: Prompt[];
  /** Completions of each prompt; 1 unless given. */
  rollouts?: number;
  maxNewTokens?: number;
  sampling?: Sampling;
  /** Any of these ends a completion. */
  stopIds?: number[];
  seed?: bigint;
  /** false: the frozen base. */
  adapter?: boolean;
}

export interface Rollout {
  /** The stop token included. */
  completionIds: Int32Array;
  /** Of each token under the sampling distribution, in nats. */
  logprobs: Float32Array;
  /** Of the sampling distribution at each token, in nats. */
  entropies: Float32Array;
  finishReason: "stop" | "length";
}

export interface Counters {
  /** Rows that went through the decoder. */
  tokensComputed: number;
  /** Of them prompt rows. */
  promptTokens: number;
}

export interface GenerateResult {
  /** [prompt][rollout] */
  groups: Rollout[][];
  counters: Counters;
}

export interface LogprobsRequest {
  prefixes?: Prefix[];
  /** A prompt and its completions; the prompt is computed once. `prefix`: what the prompt continues. */
  groups: { prefix?: number; promptIds: Int32Array; completionIds: Int32Array[] }[];
  sampling?: Sampling;
  adapter?: boolean;
}

export interface LogprobsResult {
  /** [group][completion], one value a token. */
  logprobs: Float32Array[][];
  entropies: Float32Array[][];
  counters: Counters;
}

/** A question with its answer options: what the options continue, and at least one of them. */
export interface ChoiceQuestion {
  /** Index of the prefix that `promptIds` continues. */
  prefix?: number;
  promptIds: Int32Array;
  choices: Int32Array[];
}

export interface ChoicesRequest {
  prefixes?: Prefix[];
  questions: ChoiceQuestion[];
  /** false: the frozen base. */
  adapter?: boolean;
}

export interface ChoicesResult {
  /** [question][choice]: the sum of the choice's token logprobs after its question, in nats, at temperature 1. */
  scores: Float64Array[];
  counters: Counters;
}

/** A completion and what the loss reads of it: one value a token in each array. */
export interface TrainingCompletion {
  completionIds: Int32Array;
  /** Logprobs when sampled; for kind "policy". */
  oldLogprobs?: Float32Array;
  /** Logprobs under the frozen base; for kind "policy" with beta. */
  refLogprobs?: Float32Array;
  /** For kind "policy"; for kind "given" they are dLoss/dLogprob. */
  advantages?: Float32Array;
  /** A token's share of the loss: mask times normaliser. */
  weights: Float32Array;
}

export interface TrainingGroup {
  promptIds: Int32Array;
  /** Of each prompt token, for kind "supervised"; absent: 0. */
  promptWeights?: Float32Array;
  completions: TrainingCompletion[];
}

/** The token loss; `native/ops/ops.h` (TokenLoss) has the formulas. */
export interface TokenLoss {
  /** "policy": the clipped objective; "supervised": cross-entropy; "given": dLoss/dLogprob comes in `advantages`. */
  kind: "policy" | "supervised" | "given";
  epsilonLow?: number;
  epsilonHigh?: number;
  /** Two-sided clip for negative advantages; 0: none. */
  delta?: number;
  /** Weight of the KL term. */
  beta?: number;
  kl?: "k1" | "k2" | "k3";
  logRatioClamp?: number;
}

export interface AccumulateRequest {
  groups: TrainingGroup[];
  sampling?: Sampling;
  loss: TokenLoss;
}

export interface AccumulateResult {
  /** Sum of weighted token losses. */
  loss: number;
  /** Mean over tokens with weight, as are clipRatio and entropy. */
  kl: number;
  clipRatio: number;
  entropy: number;
  /** Largest |logprob - oldLogprob| over tokens with weight. */
  samplerGap: number;
  /** Tokens with weight. */
  tokens: number;
  logprobs: Float32Array[][];
  counters: Counters;
}

export interface UpdateRequest {
  learningRate: number;
  beta1?: number;
  beta2?: number;
  eps?: number;
  weightDecay?: number;
  /** 0 or absent: no clipping. */
  maxGradNorm?: number;
}

export interface UpdateResult {
  /** Before clipping. */
  gradNorm: number;
  /** A gradient was not finite: nothing changed but the gradient, which is cleared. */
  skipped: boolean;
  /** Optimizer steps so far. */
  step: number;
}

/** Done of total, in tokens or groups as the call names them; at most 50 times a second. */
export type Progress = (done: number, total: number) => void;

export interface CallContext {
  signal?: AbortSignal | undefined;
  onProgress?: Progress | undefined;
}
