// The configuration of a run: every option with its type, its default, and where the default comes from.
import { z } from "zod";
import { dataFormats } from "../data/questions.ts";
import { advantageScales } from "../grpo/advantages.ts";
import { lossTypes } from "../grpo/aggregation.ts";
import { scheduleNames } from "../grpo/schedule.ts";
import {
  type Camel,
  type ConfigKind,
  count,
  type Mistake,
  nonNegative,
  option,
  optionalCount,
  optionsOf,
  share,
  text,
} from "./option.ts";

const byteSize = z.union([
  count,
  z.string().regex(/^\d+(\.\d+)? ?([KMGT]i?)?B$/, { error: 'bytes, or a text such as "4GiB" or "500MB"' }),
]);

export const questionSource = z.union([
  text,
  z.strictObject({
    generator: z.literal("patient-cards"),
    split: z.enum(["train", "held-out"]).default("train"),
    count,
    seed: z.int().min(0).default(1),
  }),
]);

export const model = z.strictObject({
  path: text.meta({
    origin: "ours",
    description:
      'a safetensors folder, a .gguf file, a hub id such as owner/name, or "embedded" for the packaged model',
  }),
  adapter: option(text.nullable(), null, "ours", "a PEFT folder to start from"),
  device: option(
    z.enum(["auto", "cpu", "cuda", "cuda-emulated", "reference", "reference-f64"]),
    "auto",
    "ours",
    "auto: cpu, until cuda agrees with the reference (docs/cuda.md); cuda-emulated: its kernels on the host",
  ),
  threads: option(z.int().min(0), 0, "ours", "0: the cores that this process may use"),
  memory_limit: option(byteSize.nullable(), null, "ours", 'a hard cap such as "8GiB"'),
});

const data = z.strictObject({
  train: questionSource.meta({ origin: "ours", description: "a question file, or a generator of questions" }),
  eval: option(questionSource.nullable(), null, "ours", "held-out questions"),
  format: option(z.enum(dataFormats), "auto", "ours", "auto: by the keys of the rows"),
  on_bad_row: option(z.enum(["fail", "skip"]), "fail", "ours", "skip: leave bad rows out and count them"),
  limit: option(optionalCount, null, "ours", "read the first rows only"),
  sample: option(optionalCount, null, "ours", "train on so many, drawn at random without replacement"),
  shuffle: option(z.boolean(), true, "reconstruction", "a new order each epoch, as in TRL"),
});

const prompt = z.strictObject({
  system: option(text, "repository", "paper", "Fig. 2 as its code has it; paper: as printed; none; or a text"),
  question: option(z.enum(["paper", "lines"]), "paper", "paper", '"(A) … (B) … " on one line, as data_prepare writes'),
  shots: option(
    z.array(z.strictObject({ user: text, assistant: text })),
    [],
    "paper",
    "worked example turns before the question; the paper has none",
  ),
  chat_template: option(
    z.enum(["auto", "gemma", "chatml", "plain"]),
    "auto",
    "ours",
    "auto: the model's own, plain text when it has none",
  ),
  max_tokens: option(optionalCount, null, "ours", "leave out questions with longer prompts (TRL cut them at 512)"),
});

const sampling = z.strictObject({
  temperature: option(nonNegative, 0.9, "reconstruction", "TRL 0.15"),
  top_k: option(z.int().min(0), 50, "reconstruction", "transformers' generate; 0: all tokens"),
  top_p: option(z.number().gt(0).max(1), 1, "reconstruction", "TRL 0.15"),
  min_p: option(share, 0, "reconstruction", "TRL 0.15"),
  max_new_tokens: option(count, 256, "reconstruction", "TRL 0.15, max_completion_length"),
  num_generations: option(z.int().min(2), 3, "paper", "rollouts a question"),
});

const lora = z.strictObject({
  rank: option(count, 8, "reconstruction", "Unsloth's Gemma-3 GRPO notebook"),
  alpha: option(z.number().gt(0), 8, "reconstruction", "Unsloth's Gemma-3 GRPO notebook"),
  targets: option(z.array(text), [], "reconstruction", "module names; none: every linear layer but the head"),
  rslora: option(z.boolean(), false, "reconstruction", "scale by alpha / sqrt(rank) instead of alpha / rank"),
});

const loss = z.strictObject({
  type: option(z.enum(lossTypes), "grpo", "reconstruction", "TRL 0.15.2 and unsloth_zoo 2025.3.17"),
  epsilon: option(nonNegative, 0.2, "reconstruction", "clip range, TRL 0.16"),
  epsilon_high: option(nonNegative.nullable(), null, "reconstruction", "upper clip range; null: epsilon"),
  delta: option(z.number().gt(1).nullable(), null, "ours", "two-sided clip (INTELLECT-2); null: off"),
  beta: option(nonNegative, 0.04, "reconstruction", "weight of the KL to the base, TRL 0.15"),
  kl: option(z.enum(["k1", "k2", "k3"]), "k3", "reconstruction", "exp(ref - new) - (ref - new) - 1"),
  log_ratio_clamp: option(z.number().gt(0), 20, "ours", "bound of |new - old| before exp"),
  mask_truncated: option(z.boolean(), false, "reconstruction", "leave cut-off rollouts out of the loss"),
});

const optimizer = z.strictObject({
  lr: option(nonNegative, 2e-5, "paper", "section 3.1"),
  beta1: option(share, 0.9, "reconstruction", "transformers"),
  beta2: option(share, 0.999, "reconstruction", "transformers"),
  eps: option(z.number().gt(0), 1e-8, "reconstruction", "transformers"),
  weight_decay: option(nonNegative, 0.01, "reconstruction", "Unsloth 2025.3.19"),
  max_grad_norm: option(nonNegative, 1, "reconstruction", "Unsloth 2025.3.19; 0: no clipping"),
  schedule: option(z.enum(scheduleNames), "cosine", "paper", "section 3.1"),
  warmup_ratio: option(share, 0.1, "reconstruction", "Unsloth 2025.3.19"),
});

const batch = z.strictObject({
  questions: option(count, 1, "reconstruction", "of a micro-batch; the paper's batch of 3 counts completions in TRL"),
  accumulation: option(count, 4, "paper", "micro-batches a step"),
  epochs: option(count, 1, "ours", "unknown in the paper"),
  steps: option(optionalCount, null, "ours", "stop after so many steps; wins over epochs"),
});

const reward = z.union([
  text,
  z.strictObject({ name: text, weight: z.number().default(1), module: text.optional(), export: text.optional() }),
]);

const filter = z.strictObject({
  enabled: option(z.boolean(), false, "ours", "choose the training questions by the model itself before training"),
  samples: option(count, 1, "ours", "answers a question; unknown in the paper"),
  hard: option(z.int().min(0), 400, "paper", "section 2.2"),
  easy: option(z.int().min(0), 100, "paper", "section 2.2"),
});

const evaluation = z.strictObject({
  questions: option(z.int().min(0), 0, "ours", "of data.eval, before and after training; 0: none"),
});

const guards = z.strictObject({
  preflight_questions: option(z.int().min(0), 8, "ours", "groups tried before the first step; 0: none"),
  on_no_signal: option(z.enum(["fail", "warn"]), "fail", "ours", "when no group of the pre-flight has a spread"),
  max_skipped_steps: option(count, 3, "ours", "stop after so many steps in a row with a non-finite gradient"),
});

const output = z.strictObject({
  dir: option(text.nullable(), null, "ours", "the run directory; null: runs/ and the name of the config"),
  checkpoint_every: option(count, 50, "ours", "steps"),
  checkpoint_keep: option(count, 2, "ours", "the newest so many checkpoints stay"),
});

/** The schema of a config file. Keys are written with underscores, as in YAML. */
export const configSchema = z.strictObject({
  model,
  data,
  prompt: prompt.prefault({}),
  sampling: sampling.prefault({}),
  lora: lora.prefault({}),
  loss: loss.prefault({}),
  optimizer: optimizer.prefault({}),
  batch: batch.prefault({}),
  advantage: z
    .strictObject({
      scale: option(z.enum(advantageScales), "group", "reconstruction", "divide by the group's deviation, as TRL"),
    })
    .prefault({}),
  rewards: option(
    z.array(reward).min(1),
    ["accuracy", "format", "xmlcount"],
    "paper",
    "section 3.1, each with weight 1, summed",
  ),
  filter: filter.prefault({}),
  evaluation: evaluation.prefault({}),
  guards: guards.prefault({}),
  output: output.prefault({}),
  seed: option(z.int().min(0).max(Number.MAX_SAFE_INTEGER), 3407, "reconstruction", "Unsloth's random_state"),
});

/** A config as it stands in the file: keys with underscores, defaults filled in. */
export type ConfigValues = z.output<typeof configSchema>;

/** A resolved config as code uses it: the same options in camel case. */
export type Config = Camel<ConfigValues>;
/** What code may leave out: everything with a default. */
export type ConfigInput = Camel<z.input<typeof configSchema>>;
export type QuestionSource = Config["data"]["train"];

/** The schema for editors, as JSON Schema. */
export function configJsonSchema(): Record<string, unknown> {
  return { title: "rlvr run configuration", ...z.toJSONSchema(configSchema, { io: "input" }) };
}

/** Every option by its dotted path, with the origin of its default. */
export const optionInfo = optionsOf(configSchema);

/** The config of a run. */
export const runKind: ConfigKind<typeof configSchema> = {
  schema: configSchema,
  options: optionInfo,
  least: { model: { path: "-" }, data: { train: "-" } },
  crossMistakes(read) {
    const mistakes: Mistake[] = [];
    const evaluated = read("evaluation", "questions");
    if (typeof evaluated === "number" && evaluated > 0 && (read("data", "eval") ?? null) === null) {
      mistakes.push({
        path: "evaluation.questions",
        message: `is ${evaluated}, but data.eval names no held-out questions`,
      });
    }
    if (read("filter", "enabled") === true && read("filter", "hard") === 0 && read("filter", "easy") === 0) {
      mistakes.push({ path: "filter", message: "hard and easy are both 0; nothing would be left to train on" });
    }
    return mistakes;
  },
};
