// What every recipe works with: a policy, its tokenizer, and questions as prompts.
import type { Config } from "../config/schema.ts";
import { byteCount } from "../config/show.ts";
import type { Question } from "../data/question.ts";
import { Policy } from "../engine/policy.ts";
import { RlvrError } from "../errors.ts";
import { questionMessages } from "../grpo/prompt.ts";
import { localModel } from "../hub/hub-model.ts";
import type { CallContext, LoadOptions, Sampling, Trainable } from "../native/types.ts";
import type { ChatMessage } from "../text/chat-template.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** The calls of a Policy that recipes make; a test may stand in with a small model of its own. */
export type PolicyCalls = Pick<
  Policy,
  | "info"
  | "memory"
  | "reserve"
  | "generate"
  | "logprobs"
  | "accumulate"
  | "update"
  | "saveAdapter"
  | "saveState"
  | "loadState"
  | "close"
> &
  Partial<Pick<Policy, "startTrace" | "stopTrace">>;

/** Questions as prompts, completions as text. */
export interface Prompts {
  readonly tokenizer: Tokenizer;
  /** The ids of the prompt that asks a question. */
  promptIds(question: Question): Int32Array;
  /** A completion as text, without special tokens. */
  textOf(completionIds: Int32Array): string;
}

/** A policy with its tokenizer. */
export interface Session extends Prompts, AsyncDisposable {
  readonly policy: PolicyCalls;
}

/** What says which model is loaded and how it is spoken to. */
export interface ModelConfig {
  readonly model: Config["model"];
  readonly prompt: Pick<Config["prompt"], "chatTemplate">;
  readonly seed: number;
  /** Needed where an adapter is trained. */
  readonly lora?: Config["lora"];
}

/** The tokenizer of a config's model; a base model brings no chat template, and its prompt is plain text. */
export async function openTokenizer({ model, prompt }: Omit<ModelConfig, "seed">): Promise<Tokenizer> {
  const template = prompt.chatTemplate;
  const path = await localModel(model.path);
  const tokenizer = await loadTokenizer(path, template === "auto" ? {} : { template });
  return tokenizer.chat === undefined ? await loadTokenizer(path, { template: "plain" }) : tokenizer;
}

/** Loads the model that a config names, with its tokenizer. */
export async function openModel(
  config: ModelConfig,
  trainable: Trainable,
  context: CallContext = {},
): Promise<{ policy: Policy; tokenizer: Tokenizer }> {
  const tokenizer = await openTokenizer(config);
  const policy = await Policy.load(await loadOptions(config, trainable), context);
  return { policy, tokenizer };
}

/** The same as a session that asks questions with the config's prompts. */
export async function openSession(config: Config, trainable: Trainable, context: CallContext = {}): Promise<Session> {
  const { policy, tokenizer } = await openModel(config, trainable, context);
  return makeSession(config, policy, tokenizer);
}

/** How the engine loads the model of a config; one that is named by its hub id is downloaded if needed. */
export async function loadOptions({ model, lora, seed }: ModelConfig, trainable: Trainable): Promise<LoadOptions> {
  return {
    model: await localModel(model.path),
    trainable,
    threads: model.threads,
    ...(model.device === "auto" ? {} : { device: model.device }),
    ...(model.memoryLimit === null ? {} : { memoryLimitBytes: byteCount(model.memoryLimit) }),
    ...(model.adapter === null ? {} : { adapter: model.adapter }),
    ...(trainable === "lora" && lora !== undefined ? { lora: loraOptions(lora, seed) } : {}),
  };
}

function loraOptions({ rank, alpha, rslora, targets }: Config["lora"], seed: number): NonNullable<LoadOptions["lora"]> {
  return { rank, alpha, rslora, seed, ...(targets.length === 0 ? {} : { targets }) };
}

export function makeSession(config: Config, policy: PolicyCalls, tokenizer: Tokenizer): Session {
  return {
    policy,
    ...questionPrompts(config, tokenizer),
    async [Symbol.asyncDispose]() {
      await policy.close();
    },
  };
}

/** The prompts that a config asks its questions with. */
export function questionPrompts({ prompt }: Config, tokenizer: Tokenizer): Prompts {
  const { system, question: questionFormat, shots } = prompt;
  return chatPrompts(tokenizer, (question) => questionMessages(question, { system, questionFormat, shots }));
}

/** Prompts of conversations that end in a question. */
export function chatPrompts(tokenizer: Tokenizer, messagesOf: (question: Question) => ChatMessage[]): Prompts {
  return {
    tokenizer,
    promptIds(question) {
      if (tokenizer.chat === undefined)
        throw new RlvrError("RLVR_BAD_TEMPLATE", "[prompt] the model has no chat template");
      return tokenizer.chat.encodeChat(messagesOf(question), { addGenerationPrompt: true });
    },
    textOf: (completionIds) => tokenizer.decode(completionIds, { skipSpecial: true }),
  };
}

/** How completions are sampled, in a config of any kind. */
export type SamplingConfig = Pick<Config["sampling"], "temperature" | "topK" | "topP" | "minP" | "maxNewTokens">;

/** The sampling options of a config, or greedy decoding. */
export function samplingOf({ sampling }: { sampling: SamplingConfig }, isGreedy = false): Sampling {
  if (isGreedy) return { temperature: 0 };
  const { temperature, topK, topP, minP } = sampling;
  return { temperature, topK, topP, minP };
}

export interface FittingQuestions {
  readonly questions: Question[];
  /** Questions left out because their prompt has more than `prompt.max_tokens`. */
  readonly tooLong: number;
  readonly longestPrompt: number;
}

/**
 * The questions whose prompts fit `prompt.max_tokens`. Throws RLVR_BAD_CONFIG when none does, or when the longest prompt
 * and `sampling.max_new_tokens` together exceed the model's context.
 */
export function fittingQuestions(
  questions: readonly Question[],
  prompts: Prompts,
  contextLength: number,
  config: { prompt: Pick<Config["prompt"], "maxTokens">; sampling: Pick<SamplingConfig, "maxNewTokens"> },
): FittingQuestions {
  const limit = config.prompt.maxTokens ?? Number.POSITIVE_INFINITY;
  let longestPrompt = 0;
  const fitting = questions.filter((question) => {
    const length = prompts.promptIds(question).length;
    if (length > limit) return false;
    longestPrompt = Math.max(longestPrompt, length);
    return true;
  });
  if (fitting.length === 0) {
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[prompt] none of ${questions.length} questions has a prompt of at most ${limit} tokens; raise prompt.max_tokens`,
    );
  }
  const needed = longestPrompt + config.sampling.maxNewTokens;
  if (needed > contextLength) {
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[prompt] the longest prompt has ${longestPrompt} tokens and sampling.max_new_tokens is ` +
        `${config.sampling.maxNewTokens}: ${needed} together, but the model's context is ${contextLength}. ` +
        "Lower sampling.max_new_tokens, or leave long questions out with prompt.max_tokens.",
    );
  }
  return { questions: fitting, tooLong: questions.length - fitting.length, longestPrompt };
}
