// The configuration of a selection: which questions are candidates, which model answers them, which of them are taken.
import { z } from "zod";
import { benchmarks } from "../data/benchmark-row.ts";
import { dataFormats } from "../data/questions.ts";
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
import { model, questionSource } from "./schema.ts";

export const strategyKinds = ["filter", "random", "pass_rate", "percentile"] as const;
export type StrategyKind = (typeof strategyKinds)[number];

/** The prescribed form: a box, as Fig. 1 asks; or a first line that names an option, for models too small for boxes. */
export const answerForms = ["boxed", "letter"] as const;
export type AnswerForm = (typeof answerForms)[number];

const candidates = z.strictObject({
  source: questionSource.meta({ origin: "ours", description: "a question file, such as MedQA's train.jsonl" }),
  format: option(z.enum(dataFormats), "auto", "ours", "auto: by the keys of the rows"),
  on_bad_row: option(z.enum(["fail", "skip"]), "fail", "ours", "skip: leave bad rows out and count them"),
  limit: option(optionalCount, null, "ours", "read the first rows only"),
  sample: option(optionalCount, null, "ours", "ask only so many, drawn at random without replacement"),
});

const filterModel = z.strictObject({
  ...model.shape,
  path: option(text.nullable(), null, "ours", "the model that answers; null: none, for random or journals alone"),
});

const prompt = z.strictObject({
  instruction: option(text, "paper", "paper", "Fig. 1; or a text of your own before the question"),
  question: option(z.enum(["paper", "lines"]), "paper", "reconstruction", "choices as data_prepare writes them"),
  answer: option(z.enum(answerForms), "boxed", "paper", "the form: a box; letter: a first line that names an option"),
  chat_template: option(
    z.enum(["auto", "gemma", "chatml", "plain"]),
    "auto",
    "ours",
    "auto: the model's own, plain text when it has none",
  ),
  max_tokens: option(optionalCount, null, "ours", "leave out questions with longer prompts"),
});

const sampling = z.strictObject({
  samples: option(count, 1, "ours", "answers a question; unknown in the paper"),
  temperature: option(nonNegative, 0.9, "reconstruction", "as in training: TRL 0.15"),
  top_k: option(z.int().min(0), 50, "reconstruction", "as in training: transformers' generate; 0: all tokens"),
  top_p: option(z.number().gt(0).max(1), 1, "reconstruction", "as in training: TRL 0.15"),
  min_p: option(share, 0, "reconstruction", "as in training: TRL 0.15"),
  max_new_tokens: option(count, 1024, "ours", "unknown in the paper; a cut-off answer makes a question hard"),
  questions: option(count, 16, "ours", "answered together; what an interruption can lose"),
});

const percent = z.number().min(0).max(100);

const strategy = z.strictObject({
  kind: option(z.enum(strategyKinds), "filter", "paper", "section 2.2; random: the paper's comparison"),
  hard: option(z.int().min(0), 400, "paper", "filter: not right and in form"),
  easy: option(z.int().min(0), 100, "paper", "filter: right and in form"),
  rule: option(
    z.enum(["all", "any"]),
    "all",
    "ours",
    "several models: hard when all (any) of them find it so; m1: all",
  ),
  count: option(count, 500, "paper", "random, pass_rate, percentile: how many"),
  min_pass_rate: option(share, 0.1, "reconstruction", "pass_rate: open-r1's compute_pass_rate"),
  max_pass_rate: option(share, 0.9, "reconstruction", "pass_rate: open-r1's compute_pass_rate"),
  from_percentile: option(percent, 0, "ours", "percentile: 0 is the hardest question"),
  to_percentile: option(percent, 10, "ours", "percentile: the hardest tenth (arXiv 2508.14094)"),
});

const decontamination = z.strictObject({
  against: option(text.nullable(), null, "ours", 'a folder with the benchmarks, or "hub"; null: no check'),
  benchmarks: option(z.array(z.enum(benchmarks)).min(1), [...benchmarks], "ours", "whose test questions may not occur"),
  ngram: option(count, 13, "ours", "words in a row that count as a run"),
  ngram_share: option(share, 0.2, "ours", "how many of a question's runs one test question may not have; 0: any"),
});

export const selectSchema = z.strictObject({
  candidates,
  model: filterModel.prefault({}),
  journals: option(z.array(text), [], "ours", "folders of other models' selections, whose answers count too"),
  prompt: prompt.prefault({}),
  sampling: sampling.prefault({}),
  strategy: strategy.prefault({}),
  decontamination: decontamination.prefault({}),
  expected: z
    .strictObject({
      num_generations: option(z.int().min(2), 3, "paper", "rollouts a question in the training to come"),
    })
    .prefault({}),
  output: z
    .strictObject({ dir: option(text.nullable(), null, "ours", "null: runs/ and the name of the config") })
    .prefault({}),
  seed: option(z.int().min(0).max(Number.MAX_SAFE_INTEGER), 3407, "reconstruction", "Unsloth's random_state"),
});

export type SelectConfig = Camel<z.output<typeof selectSchema>>;
export type SelectConfigInput = Camel<z.input<typeof selectSchema>>;

/** The config of a selection. */
export const selectKind: ConfigKind<typeof selectSchema> = {
  schema: selectSchema,
  options: optionsOf(selectSchema),
  least: { candidates: { source: "-" } },
  crossMistakes(read) {
    const mistakes: Mistake[] = [];
    const kind = read("strategy", "kind") ?? "filter";
    const journals = read("journals");
    const hasJournals = Array.isArray(journals) && journals.length > 0;
    if (kind !== "random" && (read("model", "path") ?? null) === null && !hasJournals) {
      mistakes.push({ path: "model.path", message: `is null; the strategy ${kind} needs a model or journals` });
    }
    if (kind === "filter" && read("strategy", "hard") === 0 && read("strategy", "easy") === 0) {
      mistakes.push({ path: "strategy", message: "hard and easy are both 0; nothing would be chosen" });
    }
    const ranges = [
      ["min_pass_rate", "max_pass_rate", 0.1, 0.9],
      ["from_percentile", "to_percentile", 0, 10],
    ] as const;
    for (const [from, to, least, most] of ranges) {
      const [low, high] = [read("strategy", from) ?? least, read("strategy", to) ?? most];
      if (typeof low === "number" && typeof high === "number" && low > high) {
        mistakes.push({ path: `strategy.${from}`, message: `is ${low}, above strategy.${to}, which is ${high}` });
      }
    }
    return mistakes;
  },
};

/** The schema for editors, as JSON Schema. */
export function selectJsonSchema(): Record<string, unknown> {
  return { title: "rlvr selection configuration", ...z.toJSONSchema(selectSchema, { io: "input" }) };
}
