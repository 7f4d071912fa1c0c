// YAML text and key=value overrides into a checked config; all mistakes at once.
import { type Document, isNode, LineCounter, parse, parseDocument } from "yaml";
import type { z } from "zod";
import { RlvrError } from "../errors.ts";
import { mistakesOf } from "./mistakes.ts";
import { type Camel, type ConfigKind, fromCamel, toCamel } from "./option.ts";
import { type Config, type ConfigInput, type ConfigValues, runKind } from "./schema.ts";

/** Who set an option. */
export type SetBy = "config file" | "command line" | "caller";

/** A checked config with what is needed to print it. */
export interface Resolved<Values> {
  readonly config: Camel<Values>;
  /** The same with the file's keys. */
  readonly values: Values;
  /** Dotted paths of the options that are set, and by whom; all others have their defaults. */
  readonly setBy: ReadonlyMap<string, SetBy>;
}

export type ResolvedConfig = Resolved<ConfigValues>;

/** The config of a run from YAML text; see resolveAs. */
export function resolveConfig(text: string, file: string, overrides: readonly string[] = []): ResolvedConfig {
  return resolveAs(runKind, text, file, overrides);
}

/**
 * Checks a YAML config with `key=value` overrides ("sampling.temperature=1", "rewards.0.weight=2"; values are YAML).
 * Throws RLVR_BAD_CONFIG with every mistake, its line, and the nearest known key.
 */
export function resolveAs<S extends z.ZodType>(
  kind: ConfigKind<S>,
  text: string,
  file: string,
  overrides: readonly string[] = [],
): Resolved<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const mistakes = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return `line ${line}, column ${col}: ${error.message}`;
    });
    throw configError(file, mistakes);
  }
  const setBy = new Map<string, SetBy>();
  for (const path of leafPaths(document.toJS())) setBy.set(path, "config file");

  const badOverrides: string[] = [];
  for (const override of overrides) {
    const problem = applyOverride(document, override, setBy);
    if (problem !== undefined) badOverrides.push(problem);
  }
  const value: unknown = document.toJS() ?? {};
  const { data, mistakes } = check(kind, value);
  if (data === undefined || mistakes.length > 0 || badOverrides.length > 0) {
    const located = mistakes.map(({ path, message }) => {
      const where = setBy.get(path) === "command line" ? "command line: " : lineOf(document, lines, path);
      return `${where}${path === "" ? "" : `${path}: `}${message}`;
    });
    throw configError(file, [...badOverrides, ...located]);
  }
  return { config: toCamel(data), values: data, setBy };
}

/** The config of a program that embeds the package: options in camel case, checked in the same way. */
export function defineConfig(input: ConfigInput): Config {
  return defineAs(runKind, input);
}

/** The same for any kind of config; `input` has everything without a default. */
export function defineAs<S extends z.ZodType>(kind: ConfigKind<S>, input: Camel<z.input<S>>): Camel<z.output<S>> {
  const { data, mistakes } = check(kind, fromCamel(input));
  if (data !== undefined && mistakes.length === 0) return toCamel(data);
  throw configError(
    "the given config",
    mistakes.map(({ path, message }) => `${path === "" ? "" : `${path}: `}${message}`),
  );
}

/** What the schema and the kind's own rules find in a raw value. */
function check<S extends z.ZodType>({ schema, options, crossMistakes }: ConfigKind<S>, value: unknown) {
  const result = schema.safeParse(value);
  const read = (...path: string[]): unknown =>
    path.reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
      value,
    );
  const mistakes = [...mistakesOf(result.error?.issues ?? [], value, options), ...crossMistakes(read)];
  return { data: result.data, mistakes };
}

function configError(file: string, mistakes: readonly string[]): RlvrError {
  const count = `${mistakes.length} ${mistakes.length === 1 ? "mistake" : "mistakes"}`;
  return new RlvrError(
    "RLVR_BAD_CONFIG",
    `[config] ${file}: ${count}\n${mistakes.map((line) => `  ${line}`).join("\n")}`,
  );
}

/** Puts an override into the document; gives the problem when it is not `key=value`. */
function applyOverride(document: Document, override: string, setBy: Map<string, SetBy>) {
  const equals = override.indexOf("=");
  const key = override.slice(0, equals).trim();
  if (equals <= 0 || !/^\w+(\.\w+)*$/.test(key)) {
    return `command line: ${JSON.stringify(override)}: expected key=value, such as sampling.temperature=1`;
  }
  let value: unknown;
  try {
    value = parse(override.slice(equals + 1));
  } catch (error) {
    return `command line: ${key}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const path = key.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  try {
    if (document.contents === null) document.contents = document.createNode({});
    document.setIn(path, document.createNode(value));
  } catch {
    return `command line: ${key}: there is nothing under that key to set a value in`;
  }
  for (const set of [...setBy.keys()]) if (set === key || set.startsWith(`${key}.`)) setBy.delete(set);
  for (const set of leafPaths(value, key)) setBy.set(set, "command line");
  setBy.set(key, "command line");
  return undefined;
}

/** Dotted paths of the values that are not objects; an array is one value. */
function leafPaths(value: unknown, prefix = ""): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return prefix === "" ? [] : [prefix];
  return Object.entries(value).flatMap(([key, item]) => leafPaths(item, prefix === "" ? key : `${prefix}.${key}`));
}

/** "line 7: " of a path, of its nearest parent that is in the file, or nothing. */
function lineOf(document: Document, lines: LineCounter, path: string): string {
  const keys = path === "" ? [] : path.split(".");
  for (let length = keys.length; length > 0; length -= 1) {
    const node = document.getIn(
      keys.slice(0, length).map((key) => (/^\d+$/.test(key) ? Number(key) : key)),
      true,
    );
    if (isNode(node) && node.range) return `line ${lines.linePos(node.range[0]).line}: `;
  }
  return "";
}
