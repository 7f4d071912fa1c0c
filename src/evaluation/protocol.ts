// How a benchmark is asked and read: a protocol is data, one YAML file with a part for each benchmark, and a hash of it.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { type Benchmark, benchmarks } from "../data/benchmark-row.ts";
import { categoryMapNames } from "../data/categories.ts";
import { RlvrError } from "../errors.ts";
import { comparisons, extractors } from "./extraction.ts";
import { placeholdersOf } from "./template.ts";

const names = <T extends object>(registry: T) => Object.keys(registry) as [keyof T & string, ...(keyof T & string)[]];

const shots = z.strictObject({
  /** Examples before the question. */
  count: z.int().min(0).default(0),
  /** "first": the first ones of the question's subject; "python-random": drawn anew for each question, as lm-eval does. */
  order: z.enum(["first", "python-random"]).default("first"),
  /** Of python-random. */
  seed: z.int().min(0).max(0xffffffff).default(1234),
});

/** What each text may name. */
const placeholders = {
  header: ["subject", "subject_zh"],
  shot: ["subject", "subject_zh", "question", "options", "answer", "solution"],
  query: ["subject", "subject_zh", "question", "options"],
  option: ["letter", "option"],
  choice: ["letter"],
} as const satisfies Record<string, readonly string[]>;

const benchmarkProtocol = z
  .strictObject({
    /** Where these texts come from. */
    source: z.string(),
    /**
     * "letter-logits": which option's letter is the most probable next token; "log-likelihood": which option's letter, as
     * a continuation of any length, is the most probable; "generate": an answer is sampled greedily and read.
     */
    mode: z.enum(["letter-logits", "log-likelihood", "generate"]),
    /** The prompt is one user message in the model's chat template; else it is sent as it is. */
    chat: z.boolean().default(false),
    system: z.string().nullable().default(null),
    /** Whether a prompt that is no chat starts with the model's BOS, if it has one. */
    bos: z.enum(["model", "never"]).default("model"),
    shots: shots.prefault({}),
    /** Once, before the examples. Placeholders: {subject}, {subject_zh}. */
    header: z.string().default(""),
    /** Each example. Placeholders: those of `header`, {question}, {options}, {answer}, {solution}. */
    shot: z.string().default(""),
    /** The question that is asked; placeholders as in `shot` without {answer} and {solution}. */
    query: z.string(),
    /** Takes white space off both ends of what follows the header. */
    trim: z.boolean().default(false),
    /** One option, and what stands between two. Placeholders: {letter}, {option}. */
    option: z.string().default("{letter}. {option}"),
    option_join: z.string().default("\n"),
    /** Which fields lose the white space at their ends first. */
    strip: z.array(z.enum(["question", "options"])).default([]),
    /** Leaves out options that read "N/A", with which MMLU-Pro's validation rows are padded. */
    drop_padding: z.boolean().default(false),
    /** A text replaced wherever it stands in a worked solution. */
    solution: z
      .strictObject({ replace: z.string().min(1), with: z.string() })
      .nullable()
      .default(null),
    /** Examples are left out, the last or the longest first, until the prompt has at most so many tokens. */
    fit: z
      .strictObject({ max_tokens: z.int().min(1), drop: z.enum(["last", "longest"]) })
      .nullable()
      .default(null),
    /** What is scored for an option. Placeholder: {letter}. */
    choice: z.string().default(""),
    max_new_tokens: z.int().min(0).default(0),
    /** Texts that end an answer; they are not part of it. */
    stop: z.array(z.string().min(1)).default([]),
    /** Tried in turn until one reads something. */
    extract: z.array(z.enum(names(extractors))).default([]),
    compare: z.enum(names(comparisons)).default("letter"),
    categories: z.string(),
    /** What a category's and the total accuracy are: of all questions, or the mean over subjects. */
    aggregate: z.enum(["micro", "macro"]),
  })
  .superRefine((protocol, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
    if (protocol.mode === "generate") {
      if (protocol.max_new_tokens === 0) refuse("max_new_tokens", 'mode "generate" needs at least 1');
      if (protocol.extract.length === 0) refuse("extract", 'mode "generate" needs at least one');
    } else if (!protocol.choice.includes("{letter}")) {
      refuse("choice", `mode "${protocol.mode}" needs a text with {letter}`);
    }
    for (const [key, known] of Object.entries(placeholders)) {
      const unknown = placeholdersOf(protocol[key as keyof typeof placeholders]).filter(
        (name) => !(known as readonly string[]).includes(name),
      );
      if (unknown.length > 0) refuse(key, `has {${unknown[0]}}; expected only {${known.join("}, {")}}`);
    }
  });

const protocolFile = z.strictObject({
  title: z.string().min(1),
  /** What is assumed where a source is silent; printed with every result. */
  assumption: z.string().default(""),
  benchmarks: z
    .partialRecord(z.enum(benchmarks), benchmarkProtocol)
    .refine((parts) => Object.keys(parts).length > 0, { error: "at least one benchmark is expected" }),
});

export type BenchmarkProtocol = z.output<typeof benchmarkProtocol>;

export interface Protocol {
  readonly name: string;
  readonly title: string;
  /** What is assumed where a source is silent, and what the run changed of the protocol. */
  readonly assumption: string;
  /** sha256 of everything that decides a prompt or a score, defaults included. */
  readonly hash: string;
  readonly benchmarks: Readonly<Partial<Record<Benchmark, BenchmarkProtocol>>>;
}

/** What a run may change of a protocol; the hash tells. */
export interface ProtocolOptions {
  /** Examples before each question in place of the protocol's count. */
  readonly shots?: number | undefined;
  /** The most tokens of an answer in place of the protocol's. */
  readonly maxNewTokens?: number | undefined;
}

// From src/evaluation and from dist/evaluation alike, the package's root is two levels up.
const protocolFolder = resolve(import.meta.dirname, "../../configs/protocols");

/** The names of the protocols in this package. */
export async function protocolNames(): Promise<string[]> {
  return (await readdir(protocolFolder))
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => basename(file, ".yaml"));
}

/**
 * A protocol by its name in this package, or from a YAML file of one's own.
 *
 * @throws RlvrError RLVR_BAD_CONFIG with every mistake of the file, or with the known names.
 */
export async function loadProtocol(nameOrFile: string, options: ProtocolOptions = {}): Promise<Protocol> {
  const isFile = /\.ya?ml$/.test(nameOrFile);
  const known = await protocolNames();
  if (!isFile && !known.includes(nameOrFile)) {
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[protocol] there is no protocol "${nameOrFile}"; expected one of ${known.join(", ")}, or a .yaml file`,
    );
  }
  const file = isFile ? nameOrFile : join(protocolFolder, `${nameOrFile}.yaml`);
  if (!existsSync(file)) throw new RlvrError("RLVR_NOT_FOUND", `[protocol] there is no file ${file}`);
  return parseProtocol(await readFile(file, "utf8"), basename(nameOrFile).replace(/\.ya?ml$/, ""), options);
}

/** A protocol from its YAML text. */
export function parseProtocol(text: string, name: string, options: ProtocolOptions = {}): Protocol {
  const bad = (why: string, cause?: unknown) =>
    new RlvrError("RLVR_BAD_CONFIG", `[protocol] ${name}: ${why}`, { cause });
  let value: unknown;
  try {
    value = parse(text, { merge: true });
  } catch (cause) {
    throw bad(cause instanceof YAMLParseError ? cause.message : String(cause), cause);
  }
  const parsed = protocolFile.safeParse(value);
  if (!parsed.success) throw bad(z.prettifyError(parsed.error), parsed.error);
  const { title } = parsed.data;
  const parts = Object.entries(parsed.data.benchmarks) as [Benchmark, BenchmarkProtocol][];
  for (const [benchmark, { categories }] of parts) {
    const maps = categoryMapNames(benchmark);
    if (!maps.includes(categories))
      throw bad(`benchmarks.${benchmark}.categories is "${categories}"; expected one of ${maps.join(", ")}`);
  }
  const asked = parts.map(([benchmark, part]) => [benchmark, withOptions(part, options)] as const);
  const deciding = asked.map(([benchmark, { source: _, ...part }]) => [benchmark, part]);
  const hash = createHash("sha256")
    .update(canonicalJson(Object.fromEntries(deciding)))
    .digest("hex");
  const assumption = [parsed.data.assumption, ...changesOf(parts, options)].filter((text) => text !== "").join(" ");
  return { name, title, assumption, hash, benchmarks: Object.fromEntries(asked) };
}

/** In words, what options make of a protocol: scores are not those of the protocol as it is published. */
function changesOf(parts: readonly (readonly [Benchmark, BenchmarkProtocol])[], options: ProtocolOptions): string[] {
  const old = (values: readonly number[], now: number | undefined) =>
    now === undefined ? [] : [...new Set(values)].filter((value) => value !== now).sort((a, b) => a - b);
  const generating = parts.filter(([, { mode }]) => mode === "generate").map(([, part]) => part.max_new_tokens);
  const withShots = parts.filter(([, { shot }]) => shot !== "").map(([, { shots }]) => shots.count);
  const tokens = old(generating, options.maxNewTokens);
  const shots = old(withShots, options.shots);
  return [
    tokens.length === 0
      ? ""
      : `Changed for this run: answers of at most ${options.maxNewTokens} tokens, not ${tokens.join(" or ")}.`,
    shots.length === 0
      ? ""
      : `Changed for this run: ${options.shots} examples before a question, not ${shots.join(" or ")}.`,
  ];
}

/** A benchmark that is asked without examples of its data stays so. */
function withOptions(part: BenchmarkProtocol, { shots: count, maxNewTokens }: ProtocolOptions): BenchmarkProtocol {
  const shots = count === undefined || part.shot === "" ? part.shots : { ...part.shots, count };
  const isCut = maxNewTokens !== undefined && part.mode === "generate";
  return { ...part, shots, max_new_tokens: isCut ? maxNewTokens : part.max_new_tokens };
}

/** A benchmark's part. Throws RLVR_BAD_ARGUMENT when the protocol does not say how it is asked. */
export function partOf({ name, benchmarks: parts }: Protocol, benchmark: Benchmark): BenchmarkProtocol {
  const part = parts[benchmark];
  if (part !== undefined) return part;
  throw new RlvrError(
    "RLVR_BAD_ARGUMENT",
    `[protocol] ${name} does not say how ${benchmark} is asked; it has ${Object.keys(parts).join(", ")}`,
  );
}

/** JSON with the keys of every object in order, so that equal data has equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
