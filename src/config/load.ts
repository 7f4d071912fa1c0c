// A config file from disk: read, checked, and its paths made real.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { RlvrError } from "../errors.ts";
import { type ResolvedConfig, resolveConfig } from "./resolve.ts";
import type { Config, QuestionSource } from "./schema.ts";

/** The path that means the model inside this package. */
export const embeddedModel = "embedded";

/** A resolved config together with the file that it came from. */
export interface LoadedConfig extends ResolvedConfig {
  readonly file: string;
}

/**
 * Reads and checks a config file; one that is not in the working directory may be one of this package's configs/. Paths in
 * it are relative to the working directory, as on a command line.
 */
export async function loadConfig(file: string, overrides: readonly string[] = []): Promise<LoadedConfig> {
  const resolved = resolveConfig(await readConfigFile(file), file, overrides);
  return { ...resolved, file, config: withRealPaths(resolved.config, file, process.env) };
}

/** The text of a config file, or of this package's file of that name. */
export async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(existsSync(file) ? file : resolve(packageRoot, file), "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[config] reading ${file}: ${reason}; expected a YAML file, such as configs/quickstart.yaml`,
      { cause },
    );
  }
}

/**
 * The config with `${NAME}`, `${NAME:-default}` and a leading `~/` of its paths replaced, and the output folder named:
 * runs/ and the name of the config file, unless it says otherwise.
 */
export function withRealPaths(config: Config, file: string, env: NodeJS.ProcessEnv): Config {
  const real = (path: string) => expandPath(path, env);
  const source = (given: QuestionSource) => (typeof given === "string" ? real(given) : given);
  const { model, data, output } = config;
  return {
    ...config,
    model: {
      ...model,
      path: model.path === embeddedModel ? embeddedModelPath() : real(model.path),
      adapter: model.adapter === null ? null : real(model.adapter),
    },
    data: { ...data, train: source(data.train), eval: data.eval === null ? null : source(data.eval) },
    output: { ...output, dir: output.dir === null ? join("runs", basename(file, extname(file))) : real(output.dir) },
  };
}

// From src/config and from dist/config alike, the package's root is two levels up.
const packageRoot = resolve(import.meta.dirname, "../..");

/** The folder of the model inside this package. */
export function embeddedModelPath(): string {
  return join(packageRoot, "models/quickstart");
}

/** A path with `${NAME}`, `${NAME:-default}` and a leading `~/` replaced. */
export function expandPath(path: string, env: NodeJS.ProcessEnv): string {
  const expanded = path.replaceAll(/\$\{(\w+)(?::-([^}]*))?\}/g, (_, name: string, fallback: string | undefined) => {
    const value = env[name] || fallback;
    if (value !== undefined) return value;
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[config] ${path}: the environment has no ${name}; set it, or write \${${name}:-default}`,
    );
  });
  return expanded.startsWith("~/") ? join(homedir(), expanded.slice(2)) : expanded;
}
