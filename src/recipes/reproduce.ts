// The paper's experiment from end to end: the model before training, a selection and a training for each variant, the
// evaluation of every adapter, the comparison with the model before, the report. Every stage continues where it was, so
// the same call after an interruption goes on, and one after the end only draws the report again.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { experimentKind } from "../config/experiment-schema.ts";
import type { LoadedExperiment, LoadedVariant } from "../config/load-experiment.ts";
import { showAs } from "../config/show.ts";
import { RlvrError } from "../errors.ts";
import { loadProtocol } from "../evaluation/protocol.ts";
import { benchmarkFolder } from "../hub/hub-folder.ts";
import { localModel } from "../hub/hub-model.ts";
import { doing, makeFolder, writeFileWhole } from "../run/files.ts";
import { localFolder } from "../run/local-folder.ts";
import { holdsRun, runFiles } from "../run/run-directory.ts";
import { type EvaluationEvent, type EvaluationTarget, evaluate, type TargetResult } from "./evaluate.ts";
import { openEvaluationModel } from "./evaluation-model.ts";
import { writeEvaluationReport } from "./evaluation-report.ts";
import type { TrainEvent } from "./events.ts";
import { type TrainResult, trainGrpo } from "./grpo.ts";
import { type SelectEvent, selectQuestions } from "./select.ts";

export type Stage =
  | { readonly kind: "select" | "train"; readonly variant: LoadedVariant }
  | { readonly kind: "evaluate"; readonly targets: readonly EvaluationTarget[] }
  | { readonly kind: "report" };

export type ReproduceEvent =
  | { readonly kind: "stage"; readonly number: number; readonly of: number; readonly title: string }
  | { readonly kind: "select"; readonly event: SelectEvent }
  | { readonly kind: "train"; readonly variant: LoadedVariant; readonly event: TrainEvent }
  | { readonly kind: "evaluate"; readonly event: EvaluationEvent }
  | { readonly kind: "notice"; readonly message: string };

export interface ReproduceOptions {
  readonly version: string;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: ReproduceEvent) => void;
}

export interface ReproduceResult {
  readonly folder: string;
  readonly interrupted: boolean;
  readonly report: string | null;
  readonly evaluations: readonly TargetResult[];
}

/** The stages of an experiment in order. The model before training is evaluated first, the adapters together. */
export function stagesOf(experiment: LoadedExperiment): Stage[] {
  const { folder, variants, config } = experiment;
  const target = (name: string, adapter: string | null): EvaluationTarget => {
    return { name, adapter, folder: join(folder, "evaluations", name) };
  };
  const adapters = variants.map(({ name, train }) => target(name, join(trainingFolder(train), runFiles.adapter)));
  return [
    { kind: "evaluate", targets: [target(config.baseline, null)] },
    ...variants.map((variant) => ({ kind: "select", variant }) as const),
    ...variants.map((variant) => ({ kind: "train", variant }) as const),
    { kind: "evaluate", targets: adapters },
    { kind: "report" },
  ];
}

export function stageTitle(stage: Stage): string {
  if (stage.kind === "report") return "report";
  if (stage.kind === "evaluate") return `evaluate ${stage.targets.map(({ name }) => name).join(", ")}`;
  return `${stage.kind === "select" ? "select for" : "train on"} ${stage.variant.name}`;
}

/** Runs what is not done yet. Throws what the stages throw; an abort ends after what the running stage keeps. */
export async function reproduce(experiment: LoadedExperiment, options: ReproduceOptions): Promise<ReproduceResult> {
  const { folder, config } = experiment;
  const { signal, onEvent = () => {} } = options;
  await makeFolder(folder);
  await keepConfig(experiment);
  const stages = stagesOf(experiment);
  const evaluations: TargetResult[] = [];
  let report: string | null = null;
  for (const [index, stage] of stages.entries()) {
    onEvent({ kind: "stage", number: index + 1, of: stages.length, title: stageTitle(stage) });
    let isDone = true;
    if (stage.kind === "select") {
      const { config: select, setBy } = stage.variant.select;
      const onSelect = (event: SelectEvent) => onEvent({ kind: "select", event });
      await selectQuestions(select, { setBy, onEvent: onSelect, ...(signal === undefined ? {} : { signal }) });
    } else if (stage.kind === "train") {
      isDone = await trainVariant(stage.variant, options);
    } else if (stage.kind === "evaluate") {
      const results = await evaluateTargets(experiment, stage.targets, options);
      evaluations.push(...results);
      isDone = results.length === stage.targets.length && results.every(({ interrupted }) => !interrupted);
    } else {
      const names = [config.baseline, ...experiment.variants.map(({ name }) => name)];
      const trained = experiment.variants.flatMap(({ select, train }) => [
        select.config.output.dir ?? "",
        trainingFolder(train),
      ]);
      const folders = [...names.map((name) => join(folder, "evaluations", name)), ...trained];
      const onWarning = (message: string) => onEvent({ kind: "notice", message });
      ({ page: report } = await writeEvaluationReport(folders, {
        out: join(folder, "report"),
        title: `Experiment ${basename(resolve(folder))}`,
        onWarning,
      }));
    }
    if (!isDone || signal?.aborted) return { folder, interrupted: true, report, evaluations };
  }
  return { folder, interrupted: false, report, evaluations };
}

/** The config of the first call is kept; another one in the same folder would mix two experiments. */
async function keepConfig({ folder, config, setBy }: LoadedExperiment): Promise<void> {
  const file = join(folder, "experiment.yaml");
  const text = showAs(experimentKind, config, setBy);
  const bare = (yaml: string) => yaml.replaceAll(/ *#.*$/gm, "").trim();
  if (existsSync(file)) {
    const before = await doing(`reading ${file}`, () => readFile(file, "utf8"));
    if (bare(before) !== bare(text)) {
      throw new RlvrError(
        "RLVR_BAD_STATE",
        `[reproduce] ${folder} holds an experiment with another config (${file}); name another folder: output.dir=…`,
      );
    }
  }
  await writeFileWhole(file, text);
}

function trainingFolder({ config }: LoadedVariant["train"]): string {
  return config.output.dir ?? "";
}

/** Trains unless the run is done; true when it is. */
async function trainVariant(
  variant: LoadedVariant,
  { signal, onEvent = () => {} }: ReproduceOptions,
): Promise<boolean> {
  const { config, setBy } = variant.train;
  const folder = trainingFolder(variant.train);
  if (await isTrained(folder)) return true;
  const { interrupted } = await trainGrpo(config, {
    resume: await holdsRun(folder),
    setBy,
    onEvent: (event) => onEvent({ kind: "train", variant, event }),
    ...(signal === undefined ? {} : { signal }),
  });
  return !interrupted;
}

/** Whether a training has taken all its steps. */
export async function isTrained(folder: string): Promise<boolean> {
  const file = join(folder, runFiles.summary);
  if (!existsSync(file)) return false;
  const { interrupted } = JSON.parse(await doing(`reading ${file}`, () => readFile(file, "utf8"))) as TrainResult;
  return !interrupted;
}

async function evaluateTargets(
  { config, variants }: LoadedExperiment,
  targets: readonly EvaluationTarget[],
  { version, signal, onEvent = () => {} }: ReproduceOptions,
): Promise<TargetResult[]> {
  const { protocol: name, shots, maxNewTokens, benchmarks, data, limit } = config.evaluation;
  const protocol = await loadProtocol(name, { shots: shots ?? undefined, maxNewTokens: maxNewTokens ?? undefined });
  const { device, threads, path } = evaluatedModel(variants);
  const model = await localModel(path, { signal });
  return await evaluate({
    model,
    targets,
    protocol,
    benchmarks,
    data: async (benchmark) => (data === "hub" ? await benchmarkFolder(benchmark, { signal }) : localFolder(data)),
    limit,
    version,
    open: () => openEvaluationModel({ model, threads, ...(device === "auto" ? {} : { device }) }, { signal }),
    signal,
    onEvent: (event) => onEvent({ kind: "evaluate", event }),
  });
}

/** The model that every variant trains: one, or the comparison would be of two things at a time. */
export function evaluatedModel(variants: readonly LoadedVariant[]): LoadedVariant["train"]["config"]["model"] {
  const [first, ...others] = variants.map(({ train }) => train.config.model);
  const other = others.find(({ path }) => path !== first?.path);
  if (first === undefined || other !== undefined) {
    throw new RlvrError(
      "RLVR_BAD_CONFIG",
      `[reproduce] the variants train different models, ${first?.path} and ${other?.path}; give them the same model.path`,
    );
  }
  return first;
}
