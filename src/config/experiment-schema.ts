// The configuration of a whole experiment: a model before training, selections, trainings on them, evaluations of all.
import { z } from "zod";
import { benchmarks } from "../data/benchmark-row.ts";
import { type Camel, type ConfigKind, type Mistake, option, optionalCount, optionsOf, text } from "./option.ts";

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
  error: 'a name of letters, digits, ".", "_" and "-", such as phi-4',
});

const variant = z.strictObject({
  name,
  select: z.union([text, z.strictObject({ config: text, overrides: z.array(text).default([]) })]),
  train: z.union([text, z.strictObject({ config: text, overrides: z.array(text).default([]) })]),
});

const evaluation = z.strictObject({
  protocol: option(text, "paper", "reconstruction", "a protocol's name or file; paper: the best reading of Table 1"),
  benchmarks: option(
    z.array(z.enum(benchmarks)).min(1),
    ["mmlu", "cmmlu", "mmlu-pro", "gsm8k"],
    "paper",
    "the sets of Table 1",
  ),
  data: option(text, "hub", "ours", '"hub", or a folder with the benchmarks\' files'),
  limit: option(optionalCount, null, "ours", "questions of each benchmark, spread over its subjects; null: all"),
  shots: option(z.int().min(0).nullable(), null, "ours", "null: as the protocol says"),
  max_new_tokens: option(optionalCount, null, "ours", "null: as the protocol says"),
});

export const experimentSchema = z.strictObject({
  baseline: option(name, "baseline", "paper", "what tables call the model before training"),
  variants: z
    .array(variant)
    .min(1)
    .meta({ origin: "paper", description: "selections with the trainings on what they chose; Table 1 has four" }),
  evaluation: evaluation.prefault({}),
  output: z
    .strictObject({ dir: option(text.nullable(), null, "ours", "null: runs/ and the name of the config") })
    .prefault({}),
});

export type ExperimentConfig = Camel<z.output<typeof experimentSchema>>;
export type VariantConfig = ExperimentConfig["variants"][number];

/** The config of an experiment. */
export const experimentKind: ConfigKind<typeof experimentSchema> = {
  schema: experimentSchema,
  options: optionsOf(experimentSchema),
  least: { variants: [{ name: "-", select: "-", train: "-" }] },
  crossMistakes(read) {
    const variants = read("variants");
    if (!Array.isArray(variants)) return [];
    const taken = new Set<unknown>([read("baseline") ?? "baseline"]);
    return variants.flatMap((one: unknown, index): Mistake[] => {
      const given = typeof one === "object" && one !== null && "name" in one ? one.name : undefined;
      if (typeof given !== "string" || !taken.has(given)) {
        taken.add(given);
        return [];
      }
      return [{ path: `variants.${index}.name`, message: `is "${given}", as another's name; names must differ` }];
    });
  },
};
