// rlvr train: a config's run, shown while it goes.
import { loadConfig } from "../config/load.ts";
import { showConfig } from "../config/show.ts";
import { exitStatus } from "../errors.ts";
import { type TrainResult, trainGrpo } from "../recipes/grpo.ts";
import { writeRunReport } from "../recipes/report.ts";
import type { Console } from "./console.ts";
import { fetchModel } from "./download.ts";
import { interruptSignal } from "./interrupt.ts";
import { runFolderFor } from "./run-folder.ts";
import { openTrace } from "./trace-file.ts";
import { showTrainProgress } from "./train-progress.ts";

export interface TrainArguments {
  readonly config: string;
  readonly overrides: readonly string[];
  readonly resume: boolean;
  readonly showConfig: boolean;
  /** A file for the profile of the run. */
  readonly trace?: string;
}

/** Runs the command and gives its exit status. */
export async function train(args: TrainArguments, console: Console): Promise<number> {
  const loaded = await loadConfig(args.config, args.overrides);
  const { setBy } = loaded;
  let { config } = loaded;
  if (args.showConfig) {
    console.result(loaded.values, showConfig(config, setBy).trimEnd());
    return exitStatus.ok;
  }
  if (!setBy.has("output.dir") && config.output.dir !== null) {
    config = { ...config, output: { ...config.output, dir: await runFolderFor(config.output.dir, args.resume) } };
  }
  await fetchModel(config.model.path, console);
  console.log(`run directory: ${config.output.dir}`);

  const trace = await openTrace(args.trace);
  const progress = showTrainProgress(config, console);
  const { signal, release } = interruptSignal(() => {
    progress.stop();
    console.log("finishing the step, then saving; Ctrl-C again stops at once without saving");
  });
  let result: TrainResult;
  try {
    result = await trainGrpo(config, {
      resume: args.resume,
      signal,
      setBy,
      onEvent: progress.listener,
      tracer: trace.tracer,
    });
  } finally {
    progress.stop();
    release();
    await trace.finish(console);
  }
  const report = await writeRunReport(result.folder);
  const how = result.interrupted
    ? `stopped after step ${result.steps} of ${result.totalSteps}`
    : `${result.steps} steps done`;
  const lines = [how, `adapter: ${result.adapter}`, `report:  ${report}`];
  if (result.interrupted) lines.push(`continue: rlvr train ${[args.config, ...args.overrides].join(" ")} --resume`);
  console.result({ ...result, report }, lines.join("\n"));
  return result.interrupted ? exitStatus.interrupted : exitStatus.ok;
}
