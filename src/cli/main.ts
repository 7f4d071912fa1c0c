#!/usr/bin/env node
// The rlvr command: reads arguments, runs a command, turns its end into an exit status. Commands load on use.
import { createRequire } from "node:module";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type Benchmark, benchmarks } from "../data/benchmark-row.ts";
import { exitStatus, exitStatusOf, RlvrError } from "../errors.ts";
import { colored, makeConsole } from "./console.ts";
import type { EvaluateArguments } from "./evaluate.ts";
import type { RescoreArguments } from "./rescore.ts";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

const exitCodes = `
Exit status: 0 done, 1 failure, 2 wrong arguments or config, 3 environment, 4 out of memory, 5 data, model file or
network, 130 interrupted. With --json a command writes one object to stdout; its messages go to stderr.`;

const overridesHelp = "options of the config: key=value, such as sampling.temperature=1";

const traceHelp = "write where the time goes, by phase and op, as a file for ui.perfetto.dev, and print the totals";

function makeProgram(finish: (status: number) => void): Command {
  const program = new Command("rlvr")
    .description("Reinforcement learning with verified rewards: select questions, train with GRPO, evaluate, report")
    .version(version)
    .exitOverride()
    .showHelpAfterError("(rlvr --help lists the commands)")
    // A list to find a command in: its options are in its own help.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText("after", exitCodes);

  program
    .command("select")
    .description("choose training questions by how models answer them")
    .argument("<config>", "a YAML config, such as configs/open-medical-r1/select-phi-4.yaml")
    .argument("[overrides...]", "options of the config: key=value, such as strategy.hard=40")
    .option("--compose-only", "use the answers that are there, and fail where one is missing", false)
    .option("--show-config", "print every option with its value and its origin, and stop", false)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nAnswers are kept: an interrupted selection goes on, another strategy asks nothing again.")
    .action(
      async (
        config: string,
        overrides: string[],
        options: { composeOnly: boolean; showConfig: boolean; json: boolean },
      ) => {
        const { select } = await import("./select.ts");
        finish(await select({ config, overrides, ...options }, makeConsole(options.json)));
      },
    );

  program
    .command("train")
    .description("train the adapter that a config describes")
    .argument("<config>", "a YAML config, such as configs/quickstart.yaml")
    .argument("[overrides...]", overridesHelp)
    .option("--resume", "continue from the newest checkpoint of the run directory", false)
    .option("--show-config", "print every option with its value and its origin, and stop", false)
    .option("--trace <file>", traceHelp)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nExamples:\n  rlvr train configs/quickstart.yaml\n  rlvr train my.yaml batch.steps=20 --resume",
    )
    .action(
      async (
        config: string,
        overrides: string[],
        options: { resume: boolean; showConfig: boolean; trace?: string; json: boolean },
      ) => {
        const { train } = await import("./train.ts");
        finish(await train({ config, overrides, ...options }, makeConsole(options.json)));
      },
    );

  program
    .command("generate")
    .description("answer one prompt")
    .argument("<model>", 'a model folder, a .gguf file, a hub id, "embedded", or a config')
    .argument("<prompt>", "the user's text")
    .argument("[overrides...]", overridesHelp)
    .option("--system <text>", "a system text before the prompt")
    .option("--greedy", "take the most probable token each time", false)
    .option("--raw", "send the prompt without the chat template", false)
    .option("--count <n>", "how many answers", positiveInteger, 1)
    .option("--trace <file>", traceHelp)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      '\nExample:\n  rlvr generate model.gguf "What is anaemia?" --greedy sampling.max_new_tokens=64',
    )
    .action(async (model: string, prompt: string, overrides: string[], options: GenerateOptions) => {
      const { generate } = await import("./generate.ts");
      finish(await generate({ model, prompt, overrides, system: undefined, ...options }, makeConsole(options.json)));
    });

  program
    .command("plan")
    .description("show steps and memory of a run before anything is loaded")
    .argument("<config>", "a YAML config")
    .argument("[overrides...]", overridesHelp)
    .option("--json", "print the result as one JSON object", false)
    .action(async (config: string, overrides: string[], options: { json: boolean }) => {
      const { plan } = await import("./plan.ts");
      finish(await plan(config, overrides, makeConsole(options.json)));
    });

  program
    .command("reproduce")
    .description("run an experiment: evaluate the model, select, train, evaluate the adapters, compare, report")
    .argument("<config>", "an experiment, such as configs/open-medical-r1/experiment.yaml")
    .argument("[overrides...]", "options of the experiment: key=value, such as evaluation.limit=100")
    .option("--plan-only", "print questions, tokens, times and memory of every stage, and stop", false)
    .option("--no-plan", "start without planning")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nThe same command continues an experiment that was interrupted.")
    .action(
      async (config: string, overrides: string[], options: { planOnly: boolean; plan: boolean; json: boolean }) => {
        const { reproduce } = await import("./reproduce.ts");
        finish(await reproduce({ config, overrides, version, ...options }, makeConsole(options.json)));
      },
    );

  program
    .command("download")
    .description("bring a model or a data set from the hub into the cache that Python's hub library shares")
    .argument("<id>", "owner/name or owner/name@revision, such as google/gemma-3-12b-it")
    .option("--dataset", "a data set", false)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nReads HF_TOKEN or the token file, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE.")
    .action(async (repository: string, options: { dataset: boolean; json: boolean }) => {
      const { download } = await import("./download.ts");
      finish(await download({ repository, isDataset: options.dataset }, makeConsole(options.json)));
    });

  program
    .command("compare")
    .description("compare evaluations of the same questions: differences, intervals, exact tests")
    .argument("<runs...>", "evaluation folders; the first is the baseline")
    .option("--all-pairs", "compare every pair, not only each with the first", false)
    .option("--benchmarks <names>", "only these, such as mmlu,gsm8k", benchmarkList)
    .option("--categories <maps...>", "category maps, such as mmlu=lm-eval cmmlu=overlapping", [])
    .option("--subjects", "show every subject, not only the clearest", false)
    .option("--markdown", "print Markdown tables", false)
    .option("--resamples <n>", "resamples of the bootstrap", positiveInteger)
    .option("--seed <n>", "seed of the bootstrap", wholeNumber)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  rlvr compare runs/base runs/tuned --markdown > comparison.md")
    .action(async (folders: string[], options: CompareOptions) => {
      const { compare } = await import("./compare.ts");
      const optional = { benchmarks: undefined, resamples: undefined, seed: undefined };
      finish(await compare({ folders, ...optional, ...options }, makeConsole(options.json)));
    });

  program
    .command("report")
    .description("draw evaluations, trainings and selections: one page, pictures, tables")
    .argument("<runs...>", "run folders; the first evaluation is the baseline")
    .requiredOption("--out <folder>", "the folder to write")
    .option("--title <text>", "the page's title")
    .option("--all-pairs", "compare every pair, not only each with the first", false)
    .option("--benchmarks <names>", "only these, such as mmlu,gsm8k", benchmarkList)
    .option("--categories <maps...>", "category maps, such as mmlu=lm-eval cmmlu=overlapping", [])
    .option("--medical <lists...>", "subjects of the medical figures, such as mmlu=anatomy,virology", [])
    .option("--text-limit <n>", "longest completion in the page, in characters", positiveInteger)
    .addOption(new Option("--png <when>", "draw PNG pictures too").choices(["auto", "always", "never"]).default("auto"))
    .option("--font <files...>", "font files for PNG pictures")
    .option("--resamples <n>", "resamples of the bootstrap", positiveInteger)
    .option("--seed <n>", "seed of the bootstrap", wholeNumber)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  rlvr report runs/base runs/tuned runs/training --out runs/report")
    .action(async (folders: string[], { allPairs, categories, font, json, ...options }: ReportOptions) => {
      const { report } = await import("./report.ts");
      const pairs = allPairs ? "all" : "baseline";
      const args = { ...options, folders, pairs, categoryMaps: categories, fontFiles: font } as const;
      finish(await report(args, makeConsole(json)));
    });

  program
    .command("doctor")
    .description("check whether this machine can run the package")
    .option("--json", "print the result as one JSON object", false)
    .action(async (options: { json: boolean }) => {
      const { doctor } = await import("./doctor.ts");
      finish(await doctor(makeConsole(options.json)));
    });

  program
    .command("pretrain")
    .description("make the embedded model's weights again, from nothing")
    .argument("[overrides...]", "numbers of the recipe: key=value, such as mixture_steps=600")
    .option("--output <folder>", "the model folder to write (default: the packaged one)")
    .option("--json", "print the result as one JSON object", false)
    .action(async (overrides: string[], options: { output?: string; json: boolean }) => {
      const { pretrain } = await import("./pretrain.ts");
      finish(await pretrain(options.output, overrides, makeConsole(options.json)));
    });

  program
    .command("evaluate")
    .description("ask benchmarks of a model and of adapters on it; an interrupted evaluation goes on where it was")
    .requiredOption("--model <model>", 'a model folder, a .gguf file, a hub id, or "embedded"')
    .option("--adapter <folder>", 'a PEFT folder, or name=folder; repeat it; "base": none', collect, [])
    .option("--benchmarks <names>", "of mmlu, cmmlu, mmlu-pro, gsm8k, medqa", commas, ["mmlu"])
    .option("--protocol <name>", "official, lm-eval, paper, zero-shot-chat, or a .yaml file", "paper")
    .option("--shots <n>", "examples before each question, in place of the protocol's", wholeNumber)
    .option("--max-new-tokens <n>", "the longest answer, in place of the protocol's", positiveInteger)
    .option("--data <folder>", "where the benchmarks' files are (default: the hub)")
    .option("--subjects <names>", "only these subjects", commas, [])
    .option("--limit <n>", "at most so many questions of each benchmark, spread over its subjects", positiveInteger)
    .option("--on-bad-row <what>", "fail, or skip bad rows and count them", badRow, "fail")
    .option("--threads <n>", "0: the cores that this process may use", wholeNumber, 0)
    .option("--out <folder>", "where answers go; several adapters have folders below it")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nExample:\n  rlvr evaluate --model model.gguf --adapter base --adapter runs/my/adapter " +
        "--benchmarks mmlu,medqa --protocol lm-eval --limit 200",
    )
    .action(async ({ adapter, json, ...options }: EvaluateOptions) => {
      const { evaluate } = await import("./evaluate.ts");
      finish(await evaluate({ ...evaluateDefaults, ...options, adapters: adapter, version }, makeConsole(json)));
    });

  program
    .command("rescore")
    .description("read the answers of an evaluation again under another protocol, without the model")
    .argument("<run>", "the folder of an evaluation")
    .requiredOption("--protocol <name>", "a protocol that asks in the same way")
    .option("--shots <n>", "as the evaluation was asked", wholeNumber)
    .option("--max-new-tokens <n>", "as the evaluation was asked", positiveInteger)
    .option("--out <folder>", "where the answers go (default: RUN-PROTOCOL)")
    .option("--json", "print the result as one JSON object", false)
    .action(async (run: string, { json, ...options }: RescoreOptions) => {
      const { rescore } = await import("./rescore.ts");
      finish(await rescore({ ...rescoreDefaults, ...options, run, version }, makeConsole(json)));
    });

  program
    .command("schema")
    .description("print the JSON Schema of configs, for completion in editors")
    .option("--select", "of the configs of rlvr select", false)
    .action(async (options: { select: boolean }) => {
      const { configJsonSchema } = await import("../config/schema.ts");
      const { selectJsonSchema } = await import("../config/select-schema.ts");
      process.stdout.write(`${JSON.stringify(options.select ? selectJsonSchema() : configJsonSchema(), null, 2)}\n`);
      finish(exitStatus.ok);
    });

  return program;
}

interface GenerateOptions {
  readonly system?: string;
  readonly greedy: boolean;
  readonly raw: boolean;
  readonly count: number;
  readonly trace?: string;
  readonly json: boolean;
}

interface ReportOptions {
  readonly out: string;
  readonly title?: string;
  readonly allPairs: boolean;
  readonly benchmarks?: readonly Benchmark[];
  readonly categories: readonly string[];
  readonly medical: readonly string[];
  readonly textLimit?: number;
  readonly png: "auto" | "always" | "never";
  readonly font?: readonly string[];
  readonly resamples?: number;
  readonly seed?: number;
  readonly json: boolean;
}

interface CompareOptions {
  readonly allPairs: boolean;
  readonly benchmarks?: readonly Benchmark[];
  readonly categories: readonly string[];
  readonly subjects: boolean;
  readonly markdown: boolean;
  readonly resamples?: number;
  readonly seed?: number;
  readonly json: boolean;
}

function benchmarkList(text: string): Benchmark[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !benchmarks.some((one) => one === name));
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`"${unknown.join(",")}"; expected some of ${benchmarks.join(",")}`);
  }
  return names as Benchmark[];
}

type EvaluateOptions = Omit<EvaluateArguments, "adapters" | "version"> & {
  readonly adapter: readonly string[];
  readonly json: boolean;
};
type RescoreOptions = Omit<RescoreArguments, "run" | "version"> & { readonly json: boolean };

// Commander leaves out what was not given.
const rescoreDefaults = { shots: undefined, maxNewTokens: undefined, out: undefined };
const evaluateDefaults = { ...rescoreDefaults, data: undefined, limit: undefined };

function collect(text: string, before: readonly string[]): string[] {
  return [...before, text];
}

function commas(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError("expected names with a comma between them");
  return names;
}

function badRow(text: string): string {
  if (text !== "fail" && text !== "skip") throw new InvalidArgumentError("expected fail or skip");
  return text;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    throw new InvalidArgumentError("expected a whole number from 0 and below 2^32");
  }
  return value;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("expected a whole number from 1");
  return value;
}

/** Runs the command line and gives the exit status. */
async function main(args: readonly string[]): Promise<number> {
  let status: number = exitStatus.failure;
  try {
    await makeProgram((finished) => {
      status = finished;
    }).parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    // Commander has printed its own message; help and version end here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
    reportFailure(error, args.includes("--json"));
    return exitStatusOf(error);
  }
}

function reportFailure(error: unknown, isJson: boolean): void {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof RlvrError ? error.code : "RLVR_INTERNAL";
  process.stderr.write(`${colored("red", "error:")} ${message}\n       (${code})\n`);
  const isBug = !(error instanceof RlvrError) || error.code === "RLVR_INTERNAL";
  if (error instanceof Error && (isBug || process.env.RLVR_DEBUG !== undefined))
    process.stderr.write(`${error.stack}\n`);
  if (isJson) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
}

// A reader that has seen enough, such as `head`, ends neither a command nor a run of hours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}
process.exitCode = await main(process.argv.slice(2));
