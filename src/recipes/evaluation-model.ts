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
  const policy = await Policy.load(options, context);
  return {
    tokenizer,
    async use(adapter) {
      await policy.loadAdapter(adapter);
      return policy;
    },
    async [Symbol.asyncDispose]() {
      await policy.close();
    },
  };
}
