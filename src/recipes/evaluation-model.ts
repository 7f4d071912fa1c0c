// A model for evaluation: its tokenizer, the engine, and adapters put on it one after another.
import { Policy } from "../engine/policy.ts";
import type { CallContext, LoadOptions } from "../native/types.ts";
import { loadTokenizer } from "../text/load-tokenizer.ts";
import type { EvaluationModel } from "./evaluate.ts";

/** Loads a model folder or a .gguf file. */
export async function openEvaluationModel(
  options: Pick<LoadOptions, "model" | "device" | "threads" | "memoryLimitBytes">,
  context: CallContext = {},
): Promise<EvaluationModel> {
  const tokenizer = await loadTokenizer(options.model);
  let policy: Policy | undefined;
  return {
    tokenizer,
    async use(adapter) {
      await policy?.close();
      policy = await Policy.load({ ...options, ...(adapter === null ? {} : { adapter }) }, context);
      return policy;
    },
    async [Symbol.asyncDispose]() {
      await policy?.close();
    },
  };
}
