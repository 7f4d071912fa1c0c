// A policy small enough to check by hand: at each place of a completion, one softmax over a few pieces of text. It has
// the calls of the engine's Policy, learns by the same objective, and stands in for it where no addon is needed.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../../src/config/schema.ts";
import { makeSession, type PolicyCalls, type Session } from "../../../src/recipes/session.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";

export const pieces = ["<think>x</think>", "<answer>", "A", "B", "</answer>", "<eos>"] as const;
const eos = pieces.length - 1;
const places = 6;

interface State {
  logits: number[][];
  gradient: number[][];
  first: number[][];
  second: number[][];
  step: number;
}

const grid = (value: (place: number, piece: number) => number) =>
  Array.from({ length: places }, (_, place) => pieces.map((_piece, piece) => value(place, piece)));

/** A uniform number in [0, 1) that belongs to its arguments. */
function draw(...parts: readonly (bigint | number)[]): number {
  return createHash("sha256").update(parts.join("/")).digest().readUInt32BE() / 2 ** 32;
}

export class TinyPolicy implements PolicyCalls {
  readonly info = { contextLength: 64, parameters: places * pieces.length } as PolicyCalls["info"];
  /** Names of the calls made, in order. */
  readonly calls: string[] = [];
  /** Makes the next updates report a gradient that is not finite. */
  badUpdates = 0;
  isClosed = false;
  readonly #base: number[][];
  #state: State;

  /** The base prefers the right piece at each place by `knowledge` nats. */
  constructor(knowledge = 1) {
    const right = [0, 1, 2, 4, eos, eos];
    this.#base = grid((place, piece) => (piece === right[place] ? knowledge : 0));
    const zero = () => grid(() => 0);
    this.#state = { logits: structuredClone(this.#base), gradient: zero(), first: zero(), second: zero(), step: 0 };
  }

  get state(): string {
    return JSON.stringify(this.#state);
  }

  memory(): ReturnType<PolicyCalls["memory"]> {
    return { peakBytes: 1000 } as ReturnType<PolicyCalls["memory"]>;
  }

  /** What was reserved, in order. */
  readonly reserved: Parameters<PolicyCalls["reserve"]>[0][] = [];

  reserve: PolicyCalls["reserve"] = async (workload) => {
    this.reserved.push(workload);
    return { totalBytes: 1000 } as Awaited<ReturnType<PolicyCalls["reserve"]>>;
  };

  #logprobs(logits: readonly number[], temperature: number): number[] {
    const scaled = logits.map((value) => value / temperature);
    const top = Math.max(...scaled);
    const norm = top + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - top), 0));
    return scaled.map((value) => value - norm);
  }

  #entropy(logprobs: readonly number[]): number {
    return -logprobs.reduce((sum, value) => sum + Math.exp(value) * value, 0);
  }

  generate: PolicyCalls["generate"] = async (request, context) => {
    this.calls.push("generate");
    context?.signal?.throwIfAborted();
    const { prompts, rollouts = 1, maxNewTokens = places, sampling = {}, stopIds = [], seed = 0n } = request;
    const temperature = sampling.temperature ?? 1;
    const logits = request.adapter === false ? this.#base : this.#state.logits;
    const groups = prompts.map(({ key }) =>
      Array.from({ length: rollouts }, (_, rollout) => {
        const ids: number[] = [];
        const kept: number[] = [];
        const entropies: number[] = [];
        while (ids.length < Math.min(maxNewTokens, places) && !stopIds.includes(ids.at(-1) ?? -1)) {
          const logprobs = this.#logprobs(logits[ids.length] ?? [], temperature || 1);
          let rest = draw(seed, key, rollout, ids.length);
          const sampled = logprobs.findIndex((value) => {
            rest -= Math.exp(value);
            return rest < 0;
          });
          const id = temperature === 0 ? logprobs.indexOf(Math.max(...logprobs)) : Math.max(0, sampled);
          ids.push(id);
          kept.push(logprobs[id] ?? 0);
          entropies.push(this.#entropy(logprobs));
        }
        return {
          completionIds: Int32Array.from(ids),
          logprobs: Float32Array.from(kept),
          entropies: Float32Array.from(entropies),
          finishReason: stopIds.includes(ids.at(-1) ?? -1) ? ("stop" as const) : ("length" as const),
        };
      }),
    );
    context?.onProgress?.(1, 1);
    const tokens = groups.flat().reduce((sum, rollout) => sum + rollout.completionIds.length, 0);
    return { groups, counters: { tokensComputed: tokens, promptTokens: 0 } };
  };

  logprobs: PolicyCalls["logprobs"] = async ({ groups, sampling = {}, adapter = true }) => {
    this.calls.push(adapter ? "logprobs" : "reference");
    const logits = adapter ? this.#state.logits : this.#base;
    const score = (ids: Int32Array) =>
      Float32Array.from(ids, (id, place) => this.#logprobs(logits[place] ?? [], sampling.temperature ?? 1)[id] ?? 0);
    const logprobs = groups.map(({ completionIds }) => completionIds.map(score));
    return { logprobs, entropies: logprobs, counters: { tokensComputed: 0, promptTokens: 0 } };
  };

  accumulate: PolicyCalls["accumulate"] = async ({ groups, sampling = {}, loss }) => {
    this.calls.push("accumulate");
    const temperature = sampling.temperature ?? 1;
    const { epsilonLow = 0.2, epsilonHigh = 0.2, beta = 0 } = loss;
    const total = { loss: 0, kl: 0, entropy: 0, gap: 0, tokens: 0, clipped: 0 };
    const logprobs = groups.map(({ completions }) =>
      completions.map(({ completionIds, oldLogprobs, refLogprobs, advantages, weights }) =>
        Float32Array.from(completionIds, (id, place) => {
          const row = this.#logprobs(this.#state.logits[place] ?? [], temperature);
          const logprob = row[id] ?? 0;
          const weight = weights[place] ?? 0;
          const advantage = advantages?.[place] ?? 0;
          const ratio = Math.exp(logprob - (oldLogprobs?.[place] ?? logprob));
          const clipped = Math.min(Math.max(ratio, 1 - epsilonLow), 1 + epsilonHigh);
          const isClipped = clipped * advantage < ratio * advantage;
          const d = beta === 0 ? 0 : (refLogprobs?.[place] ?? 0) - logprob;
          const kl = Math.exp(d) - d - 1;
          total.loss += weight * (-Math.min(ratio * advantage, clipped * advantage) + beta * kl);
          const slope = weight * (-(isClipped ? 0 : ratio * advantage) + beta * (1 - Math.exp(d)));
          const gradient = this.#state.gradient[place] ?? [];
          for (const [piece, value] of row.entries()) {
            gradient[piece] =
              (gradient[piece] ?? 0) + (slope * ((piece === id ? 1 : 0) - Math.exp(value))) / temperature;
          }
          if (weight > 0) {
            total.tokens += 1;
            total.kl += kl;
            total.entropy += this.#entropy(row);
            total.clipped += isClipped ? 1 : 0;
            total.gap = Math.max(total.gap, Math.abs(Math.fround(logprob) - (oldLogprobs?.[place] ?? logprob)));
          }
          return logprob;
        }),
      ),
    );
    const tokens = Math.max(1, total.tokens);
    return {
      loss: total.loss,
      kl: total.kl / tokens,
      clipRatio: total.clipped / tokens,
      entropy: total.entropy / tokens,
      samplerGap: total.gap,
      tokens: total.tokens,
      logprobs,
      counters: { tokensComputed: total.tokens, promptTokens: 0 },
    };
  };

  update: PolicyCalls["update"] = async ({ learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 }) => {
    this.calls.push("update");
    const state = this.#state;
    const norm = Math.hypot(...state.gradient.flat());
    const skipped = this.badUpdates > 0;
    if (skipped) this.badUpdates -= 1;
    else {
      state.step += 1;
      for (let place = 0; place < places; place += 1) {
        for (let piece = 0; piece < pieces.length; piece += 1) {
          const at = (values: number[][]) => values[place] as number[];
          const g = at(state.gradient)[piece] ?? 0;
          const m = beta1 * (at(state.first)[piece] ?? 0) + (1 - beta1) * g;
          const v = beta2 * (at(state.second)[piece] ?? 0) + (1 - beta2) * g * g;
          at(state.first)[piece] = m;
          at(state.second)[piece] = v;
          const step = m / (1 - beta1 ** state.step) / (Math.sqrt(v / (1 - beta2 ** state.step)) + eps);
          at(state.logits)[piece] = (at(state.logits)[piece] ?? 0) - learningRate * step;
        }
      }
    }
    state.gradient = grid(() => 0);
    return { gradNorm: skipped ? Number.POSITIVE_INFINITY : norm, skipped, step: state.step };
  };

  saveAdapter: PolicyCalls["saveAdapter"] = async (folder, { baseModel }) => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify({ base_model_name_or_path: baseModel }));
    await writeFile(join(folder, "adapter_model.safetensors"), JSON.stringify(this.#state.logits));
  };

  saveState: PolicyCalls["saveState"] = async (file) => await writeFile(file, JSON.stringify(this.#state));

  loadState: PolicyCalls["loadState"] = async (file) => {
    this.#state = JSON.parse(await readFile(file, "utf8"));
  };

  close: PolicyCalls["close"] = async () => {
    this.isClosed = true;
  };
}

export const tinyTokenizer = {
  stopIds: [eos],
  chat: { encodeChat: (messages: readonly { content: string }[]) => new Int32Array(messages.length + 4) },
  decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => (id === eos ? "" : (pieces[id] ?? ""))).join(""),
} as unknown as Tokenizer;

export function tinySession(config: Config, policy = new TinyPolicy()): Session & { readonly policy: TinyPolicy } {
  return makeSession(config, policy, tinyTokenizer) as Session & { readonly policy: TinyPolicy };
}
