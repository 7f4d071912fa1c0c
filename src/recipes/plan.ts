// The memory of a run by purpose, from the model's header alone.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { RlvrError } from "../errors.ts";
import { doing } from "../run/files.ts";
import { type GgufMetadata, readGgufMetadata } from "../text/gguf-metadata.ts";
import { StringList } from "../text/token-table.ts";

/** What the sizes follow from. */
export interface ModelShape {
  readonly weightBytes: number;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffn: number;
  readonly vocabulary: number;
  readonly contextLength: number;
}

/** Reads the shape of a safetensors folder or a GGUF file without its weights. */
export async function readModelShape(path: string): Promise<ModelShape> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new RlvrError("RLVR_NOT_FOUND", `[plan] there is no ${path}; expected a model folder or a .gguf file`);
  }
  return found.isDirectory() ? await folderShape(path) : ggufShape(readGgufMetadata(path), found.size, path);
}

async function folderShape(folder: string): Promise<ModelShape> {
  const file = join(folder, "config.json");
  const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
  const whole = JSON.parse(text) as Record<string, unknown>;
  const config = (whole.text_config ?? whole) as Record<string, unknown>;
  const number = (key: string, otherwise?: number) => numberOf(config[key], `${file}: ${key}`, otherwise);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const dim = number("hidden_size");
  const heads = number("num_attention_heads");
  return {
    weightBytes: sizes.reduce((sum, size) => sum + size, 0),
    dim,
    layers: number("num_hidden_layers"),
    heads,
    kvHeads: number("num_key_value_heads", heads),
    headDim: number("head_dim", dim / heads),
    ffn: number("intermediate_size"),
    vocabulary: number("vocab_size"),
    contextLength: number("max_position_embeddings"),
  };
}

function ggufShape(metadata: GgufMetadata, size: number, file: string): ModelShape {
  const family = String(metadata.get("general.architecture"));
  const number = (key: string, otherwise?: number) =>
    numberOf(metadata.get(`${family}.${key}`), `${file}: ${family}.${key}`, otherwise);
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const dim = number("embedding_length");
  const heads = number("attention.head_count");
  return {
    weightBytes: size,
    dim,
    layers: number("block_count"),
    heads,
    kvHeads: number("attention.head_count_kv", heads),
    headDim: number("attention.key_length", dim / heads),
    ffn: number("feed_forward_length"),
    vocabulary: tokens instanceof StringList ? tokens.length : number("vocab_size"),
    contextLength: number("context_length"),
  };
}

function numberOf(value: unknown, what: string, otherwise?: number): number {
  const number = value === undefined || value === null ? otherwise : Number(value);
  if (number !== undefined && Number.isFinite(number) && number > 0) return number;
  throw new RlvrError("RLVR_BAD_CHECKPOINT", `[plan] ${what} is ${String(value)}; expected a number above 0`);
}

export interface MemoryPlan extends Record<string, number> {
  readonly weights: number;
  readonly adapter_and_optimizer: number;
  readonly kv_cache: number;
  readonly activations: number;
  readonly logits: number;
  readonly total: number;
}

const f32 = 4;
const logitsChunk = 16 * 2 ** 20; // the engine's limit for logits alive at a time

/**
 * Bytes of a run by purpose. Rollouts and training are never alive together, so the larger of the two counts in the
 * total. An estimate: the engine's own plan is exact, and is made when it loads.
 */
export function planMemory(shape: ModelShape, config: Config, longestPrompt: number): MemoryPlan {
  const { dim, layers, heads, kvHeads, headDim, ffn, vocabulary } = shape;
  const { batch, sampling } = config;
  const groupRows = longestPrompt + sampling.numGenerations * sampling.maxNewTokens;
  const kvCache = batch.questions * batch.accumulation * groupRows * layers * 2 * kvHeads * headDim * f32;
  // A row keeps each layer's input; of the layer that is recomputed it keeps everything.
  const rowInLayer = 6 * dim + 2 * (heads + 2 * kvHeads) * headDim + 4 * ffn;
  const activations = batch.questions * groupRows * (layers * dim + rowInLayer) * f32;
  const weights = shape.weightBytes;
  const adapter = loraParameters(shape, config) * 4 * f32; // value, gradient, two moments
  const logits = Math.min(2 * logitsChunk, 2 * batch.questions * groupRows * vocabulary * f32);
  return {
    weights,
    adapter_and_optimizer: adapter,
    kv_cache: kvCache,
    activations,
    logits,
    total: weights + adapter + Math.max(kvCache, activations) + logits,
  };
}

/** Trainable parameters of the adapter on the layers that it targets. */
export function loraParameters({ dim, layers, heads, kvHeads, headDim, ffn }: ModelShape, { lora }: Config): number {
  const widths: Readonly<Record<string, number>> = {
    q_proj: dim + heads * headDim,
    k_proj: dim + kvHeads * headDim,
    v_proj: dim + kvHeads * headDim,
    o_proj: heads * headDim + dim,
    gate_proj: dim + ffn,
    up_proj: dim + ffn,
    down_proj: ffn + dim,
  };
  const targets = lora.targets.length === 0 ? Object.keys(widths) : lora.targets;
  return layers * lora.rank * targets.reduce((sum, name) => sum + (widths[name] ?? 0), 0);
}
