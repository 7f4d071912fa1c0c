// What the schemas of config files are made of: options with a default, an origin and a note; the two spellings of keys.
import { z } from "zod";

/**
 * Where a default comes from: the paper states it; it is what the paper's tools did by default in its weeks
 * (a reconstruction); or it is this project's own choice.
 */
export type Origin = "paper" | "reconstruction" | "ours";

/** An option with its default; origin and note are printed beside the resolved value. */
export function option<T extends z.ZodType>(type: T, value: z.input<T> & z.output<T>, origin: Origin, note: string) {
  // Zod's own type for a default's argument hides behind generics; the parameter above states it.
  return type.default(value as never).meta({ origin, description: note });
}

export const count = z.int().min(1);
export const optionalCount = count.nullable();
export const share = z.number().min(0).max(1);
export const nonNegative = z.number().min(0);
export const text = z.string().min(1);

export interface OptionInfo {
  readonly path: string;
  readonly origin: Origin;
  readonly note: string;
}

/** A kind of config file: its schema, what is known of every option by its dotted path, and rules over several options. */
export interface ConfigKind<S extends z.ZodType = z.ZodType> {
  readonly schema: S;
  readonly options: ReadonlyMap<string, OptionInfo>;
  /** Mistakes that no single option shows; read from the raw value so that they are reported beside the others. */
  readonly crossMistakes: (read: (...path: string[]) => unknown) => Mistake[];
  /** The least that a file must set; the rest of what it gives are the defaults. */
  readonly least: z.input<S>;
}

/** A mistake in a config: where, and what was expected there. */
export interface Mistake {
  readonly path: string;
  readonly message: string;
}

/** Every option of a schema by its dotted path. */
export function optionsOf(schema: z.ZodType): ReadonlyMap<string, OptionInfo> {
  return new Map(listOptions(schema, "").map((info) => [info.path, info]));
}

function listOptions(schema: z.ZodType, path: string): OptionInfo[] {
  const meta = schema.meta();
  if (meta?.origin !== undefined) {
    return [{ path, origin: meta.origin as Origin, note: meta.description ?? "" }];
  }
  const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape).flatMap(([key, child]) =>
    listOptions(child as z.ZodType, path === "" ? key : `${path}.${key}`),
  );
}

type CamelKey<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelKey<Tail>>}` : S;
export type Camel<T> = T extends readonly (infer Item)[]
  ? Camel<Item>[]
  : T extends object
    ? { [K in keyof T as CamelKey<K & string>]: Camel<T[K]> }
    : T;

/** The same value with every key of its objects renamed. */
function renameKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, rename));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [rename(key), renameKeys(item, rename)]));
}

export function toCamel<T>(values: T): Camel<T> {
  return renameKeys(values, (key) => key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())) as Camel<T>;
}

export function fromCamel(input: unknown): unknown {
  return renameKeys(input, (key) => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
