// A selection's config from disk: read, checked, and its paths made real.
import { basename, extname, join } from "node:path";
import type { z } from "zod";
import { embeddedModel, embeddedModelPath, expandPath, readConfigFile } from "./load.ts";
import { defineAs, type Resolved, resolveAs } from "./resolve.ts";
import { type SelectConfig, type SelectConfigInput, selectKind, type selectSchema } from "./select-schema.ts";

export interface LoadedSelectConfig extends Resolved<z.output<typeof selectSchema>> {
  readonly file: string;
}

/** Reads and checks the config of a selection; paths are treated as loadConfig treats those of a run. */
export async function loadSelectConfig(file: string, overrides: readonly string[] = []): Promise<LoadedSelectConfig> {
  const resolved = resolveAs(selectKind, await readConfigFile(file), file, overrides);
  return { ...resolved, file, config: withRealSelectPaths(resolved.config, file, process.env) };
}

/** The config with its paths made real and the output folder named: runs/ and the name of the config file. */
export function withRealSelectPaths(config: SelectConfig, file: string, env: NodeJS.ProcessEnv): SelectConfig {
  const real = (path: string) => expandPath(path, env);
  const orNull = (path: string | null) => (path === null ? null : real(path));
  const { candidates, model, decontamination, output } = config;
  const { source } = candidates;
  return {
    ...config,
    candidates: { ...candidates, source: typeof source === "string" ? real(source) : source },
    model: {
      ...model,
      path: model.path === embeddedModel ? embeddedModelPath() : orNull(model.path),
      adapter: orNull(model.adapter),
    },
    journals: config.journals.map(real),
    decontamination: { ...decontamination, against: orNull(decontamination.against) },
    output: { dir: orNull(output.dir) ?? join("runs", basename(file, extname(file))) },
  };
}

/** The config of a program that embeds the package: options in camel case, checked in the same way. */
export function defineSelectConfig(input: SelectConfigInput): SelectConfig {
  return defineAs(selectKind, input);
}
