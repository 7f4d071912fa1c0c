// rlvr reproduce: a whole experiment, planned first, shown while it goes, continued where it was.
import { loadExperiment } from "../config/load-experiment.ts";
import { exitStatus } from "../errors.ts";
import { evaluatedModel, type ReproduceEvent, reproduce as runExperiment } from "../recipes/reproduce.ts";
import { type ExperimentPlan, planExperiment } from "../recipes/reproduce-plan.ts";
import { bytes, type Console, duration } from "./console.ts";
import { fetchModel } from "./download.ts";
import { showEvaluateProgress } from "./evaluate.ts";
import { interruptSignal } from "./interrupt.ts";
import { showSelectProgress } from "./select.ts";
import { showTrainProgress, type TrainProgress } from "./train-progress.ts";

export interface ReproduceArguments {
  readonly config: string;
  readonly overrides: readonly string[];
  /** Print the plan and stop. */
  readonly planOnly: boolean;
  /** false: no plan before the run. */
  readonly plan: boolean;
  readonly version: string;
}

/** Runs the command and gives its exit status. */
export async function reproduce(args: ReproduceArguments, console: Console): Promise<number> {
  const experiment = await loadExperiment(args.config, args.overrides);
  const models = new Set([
    evaluatedModel(experiment.variants).path,
    ...experiment.variants.flatMap(({ select }) => select.config.model.path ?? []),
  ]);
  for (const model of models) await fetchModel(model, console);
  if (args.plan || args.planOnly) {
    console.log("planning: each model is measured for some seconds");
    const plan = await planExperiment(experiment);
    const text = describePlan(plan);
    if (args.planOnly) {
      console.result(plan, text);
      return exitStatus.ok;
    }
    console.log(`${text}\n`);
  }
  console.log(`experiment: ${experiment.folder}`);
  const progress = showProgress(console);
  const { signal, release } = interruptSignal(() => {
    progress.stop();
    console.log("stopping; what is done is kept");
  });
  try {
    const result = await runExperiment(experiment, { version: args.version, signal, onEvent: progress.listener });
    progress.stop();
    const again = `continue: rlvr reproduce ${[args.config, ...args.overrides].join(" ")}`;
    console.result(result, result.interrupted ? `stopped\n${again}` : `report: ${result.report}`);
    return result.interrupted ? exitStatus.interrupted : exitStatus.ok;
  } finally {
    progress.stop();
    release();
  }
}

/** The plan as a table. */
export function describePlan({ stages, memory, speed }: ExperimentPlan): string {
  const header = ["stage", "questions", "prompt tokens", "new tokens", "trained tokens", "time"];
  const rows = stages.map(({ title, questions, promptTokens, newTokens, trainedTokens, seconds }) => [
    title,
    ...[questions, promptTokens, newTokens, trainedTokens].map((count) => count.toLocaleString("en")),
    seconds === null ? "?" : duration(seconds),
  ]);
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  const times = stages.map(({ seconds }) => seconds);
  const total = times.every((seconds) => seconds !== null)
    ? `At most ${duration(times.reduce((sum, seconds) => sum + (seconds ?? 0), 0))} in all, if every answer is as long as it may be.`
    : "No time could be estimated for some stages.";
  const measured =
    speed === null
      ? ""
      : ` Measured: ${Math.round(speed.prompt)} prompt, ${Math.round(speed.generation)} new, ${Math.round(speed.training)} trained tokens a second.`;
  return [...lines, "", total + measured, `Memory of a training: ${bytes(memory.totalBytes)}.`].join("\n");
}

function showProgress(console: Console): { listener: (event: ReproduceEvent) => void; stop: () => void } {
  const select = showSelectProgress(console);
  const evaluate = showEvaluateProgress(console);
  let training: { readonly name: string; readonly progress: TrainProgress } | undefined;
  const stop = () => {
    select.stop();
    training?.progress.stop();
  };
  const listener = (event: ReproduceEvent) => {
    switch (event.kind) {
      case "stage":
        stop();
        return console.log(`[${event.number}/${event.of}] ${event.title}`);
      case "notice":
        return console.warn(event.message);
      case "select":
        return select.listener(event.event);
      case "evaluate":
        return evaluate(event.event);
      case "train": {
        const { name, train } = event.variant;
        if (training?.name !== name) training = { name, progress: showTrainProgress(train.config, console) };
        return training.progress.listener(event.event);
      }
    }
  };
  return { listener, stop };
}
