// rlvr generate: what a model answers to one prompt.
import { existsSync } from "node:fs";
import { type LoadedConfig, loadConfig, withRealPaths } from "../config/load.ts";
import { resolveConfig } from "../config/resolve.ts";
import { exitStatus, RlvrError } from "../errors.ts";
import { systemText } from "../grpo/prompt.ts";
import { parseRepository } from "../hub/repository.ts";
import { questionKey } from "../recipes/batches.ts";
import { openSession, samplingOf } from "../recipes/session.ts";
import type { Console } from "./console.ts";
import { fetchModel } from "./download.ts";
import { interruptSignal } from "./interrupt.ts";
import { openTrace } from "./trace-file.ts";

export interface GenerateArguments {
  /** A model (folder, .gguf file, "embedded") or a config. */
  readonly model: string;
  readonly prompt: string;
  readonly overrides: readonly string[];
  readonly system: string | undefined;
  readonly greedy: boolean;
  /** The prompt as it is, without the chat template. */
  readonly raw: boolean;
  readonly count: number;
  /** A file for the profile. */
  readonly trace?: string;
}

export async function generate(args: GenerateArguments, console: Console): Promise<number> {
  const { config, setBy } = await generateConfig(args);
  await fetchModel(config.model.path, console);
  const { signal, release } = interruptSignal(() => console.log("stopping"));
  const trace = await openTrace(args.trace);
  try {
    await using session = await openSession(config, "none", { signal });
    const { tokenizer, policy } = session;
    using _trace = trace.tracer?.record(policy);
    // A config's worked examples and system text come along; a bare model gets the prompt alone.
    const system = args.system ?? (setBy.has("prompt.system") ? systemText(config.prompt.system) : undefined);
    const messages = [
      ...(system === undefined ? [] : [{ role: "system", content: system } as const]),
      ...config.prompt.shots.flatMap(({ user, assistant }) => [
        { role: "user", content: user } as const,
        { role: "assistant", content: assistant } as const,
      ]),
      { role: "user", content: args.prompt } as const,
    ];
    const ids =
      args.raw || tokenizer.chat === undefined
        ? tokenizer.encode(args.prompt, { addBos: true })
        : tokenizer.chat.encodeChat(messages, { addGenerationPrompt: true });
    const start = performance.now();
    const { groups, counters } = await policy.generate(
      {
        prompts: [{ ids, key: questionKey("generate", { id: args.prompt }) }],
        rollouts: args.count,
        maxNewTokens: config.sampling.maxNewTokens,
        sampling: samplingOf(config, args.greedy),
        stopIds: [...tokenizer.stopIds],
        seed: BigInt(config.seed),
      },
      { signal },
    );
    const end = performance.now();
    trace.tracer?.phase("generate", start, end);
    const seconds = (end - start) / 1000;
    const completions = (groups[0] ?? []).map(({ completionIds, finishReason }) => ({
      text: session.textOf(completionIds),
      finish_reason: finishReason,
      token_ids: [...completionIds],
    }));
    const tokens = completions.reduce((sum, completion) => sum + completion.token_ids.length, 0);
    console.log(`${ids.length} prompt tokens, ${tokens} new ones, ${seconds.toFixed(2)} s`);
    const result = {
      model: config.model.path,
      prompt_tokens: ids.length,
      tokens_computed: counters.tokensComputed,
      seconds,
    };
    console.result({ ...result, completions }, completions.map(({ text }) => text.trim()).join("\n\n---\n\n"));
    return exitStatus.ok;
  } finally {
    release();
    await trace.finish(console);
  }
}

/** The config that is named, or one around the model that is named. */
async function generateConfig(args: GenerateArguments): Promise<LoadedConfig> {
  if (/\.ya?ml$/.test(args.model)) return await loadConfig(args.model, args.overrides);
  const text = `model: { path: ${JSON.stringify(args.model)} }\ndata: { train: none }\n`;
  const resolved = resolveConfig(text, "the command line", args.overrides);
  const config = withRealPaths(resolved.config, "generate", process.env);
  const { path } = config.model;
  if (!existsSync(path) && parseRepository(path, "model") === undefined) {
    throw new RlvrError(
      "RLVR_NOT_FOUND",
      `[generate] there is no ${path}; expected a model folder, a .gguf file, a hub id, "embedded", or a config`,
    );
  }
  return { ...resolved, config, file: "the command line" };
}
