// An experiment's config from disk, with the configs of its selections and trainings, as one checked whole.
import { basename, extname, join } from "node:path";
import type { z } from "zod";
import {
  type ExperimentConfig,
  experimentKind,
  type experimentSchema,
  type VariantConfig,
} from "./experiment-schema.ts";
import { expandPath, type LoadedConfig, loadConfig, readConfigFile } from "./load.ts";
import { type LoadedSelectConfig, loadSelectConfig } from "./load-select.ts";
import { type Resolved, resolveAs } from "./resolve.ts";

/** One variant with the folders that its stages write to. */
export interface LoadedVariant {
  readonly name: string;
  /** Its output is the variant's selection folder. */
  readonly select: LoadedSelectConfig;
  /** It trains on what the selection chose; its output is the variant's training folder. */
  readonly train: LoadedConfig;
}

export interface LoadedExperiment extends Resolved<z.output<typeof experimentSchema>> {
  readonly file: string;
  readonly folder: string;
  readonly variants: readonly LoadedVariant[];
}

/** Reads and checks the config of an experiment and of all that it names. Throws RLVR_BAD_CONFIG. */
export async function loadExperiment(file: string, overrides: readonly string[] = []): Promise<LoadedExperiment> {
  const resolved = resolveAs(experimentKind, await readConfigFile(file), file, overrides);
  const config = withRealPaths(resolved.config, file);
  const folder = config.output.dir ?? "runs";
  const variants: LoadedVariant[] = [];
  for (const variant of config.variants) variants.push(await loadVariant(variant, folder));
  return { ...resolved, config, file, folder, variants };
}

async function loadVariant({ name, select, train }: VariantConfig, folder: string): Promise<LoadedVariant> {
  const selection = join(folder, "selections", name);
  const chosen = join(selection, "questions.jsonl");
  const ofSelect = parts(select);
  const ofTrain = parts(train);
  return {
    name,
    select: await loadSelectConfig(ofSelect.config, [...ofSelect.overrides, `output.dir=${JSON.stringify(selection)}`]),
    train: await loadConfig(ofTrain.config, [
      ...ofTrain.overrides,
      `data.train=${JSON.stringify(chosen)}`,
      "data.sample=null", // the selection has drawn
      `output.dir=${JSON.stringify(join(folder, "trainings", name))}`,
    ]),
  };
}

function parts(given: VariantConfig["select"]): { config: string; overrides: readonly string[] } {
  return typeof given === "string" ? { config: given, overrides: [] } : given;
}

function withRealPaths(config: ExperimentConfig, file: string): ExperimentConfig {
  const { evaluation, output } = config;
  const { data } = evaluation;
  return {
    ...config,
    evaluation: { ...evaluation, data: data === "hub" ? data : expandPath(data, process.env) },
    output: {
      dir: output.dir === null ? join("runs", basename(file, extname(file))) : expandPath(output.dir, process.env),
    },
  };
}
