// rlvr select: a config's selection, shown while it goes.
import { loadSelectConfig } from "../config/load-select.ts";
import { selectKind } from "../config/select-schema.ts";
import { showAs } from "../config/show.ts";
import { exitStatus } from "../errors.ts";
import { type SelectEvent, selectQuestions } from "../recipes/select.ts";
import { describeSelection } from "../selection/summary.ts";
import { type Console, duration } from "./console.ts";
import { fetchModel } from "./download.ts";
import { interruptSignal } from "./interrupt.ts";
import { LiveLine } from "./live-line.ts";

export interface SelectArguments {
  readonly config: string;
  readonly overrides: readonly string[];
  readonly composeOnly: boolean;
  readonly showConfig: boolean;
}

/** Runs the command and gives its exit status. */
export async function select(args: SelectArguments, console: Console): Promise<number> {
  const { config, values, setBy } = await loadSelectConfig(args.config, args.overrides);
  if (args.showConfig) {
    console.result(values, showAs(selectKind, config, setBy).trimEnd());
    return exitStatus.ok;
  }
  console.log(`selection: ${config.output.dir}`);
  if (config.model.path !== null && config.strategy.kind !== "random") await fetchModel(config.model.path, console);
  const progress = showSelectProgress(console);
  const { signal, release } = interruptSignal(() => {
    progress.stop();
    console.log("stopping; the answers so far are kept");
  });
  try {
    const { composeOnly } = args;
    const result = await selectQuestions(config, { composeOnly, signal, setBy, onEvent: progress.listener });
    progress.stop();
    console.result(result, [...describeSelection(result.summary), "", `questions: ${result.questions}`].join("\n"));
    return exitStatus.ok;
  } finally {
    progress.stop();
    release();
  }
}

// Off a terminal progress is said at most this often.
const plainIntervalMs = 15_000;

export function showSelectProgress(console: Console): { listener: (event: SelectEvent) => void; stop: () => void } {
  const live = process.stderr.isTTY ? new LiveLine() : undefined;
  let lastPlain = performance.now();
  let firstAnswer: number | undefined;
  const listener = (event: SelectEvent) => {
    switch (event.kind) {
      case "notice":
        live?.clear();
        return event.level === "warning" ? console.warn(event.message) : console.log(event.message);
      case "start": {
        const { candidates, missing } = event;
        const kept = missing < candidates ? `; ${candidates - missing} are answered already` : "";
        return console.log(`${candidates} candidates${kept}; ${missing} to answer`);
      }
      case "progress": {
        const { phase, done, total } = event;
        const now = performance.now();
        if (phase === "answer") firstAnswer ??= now;
        const seconds = firstAnswer === undefined ? 0 : (now - firstAnswer) / 1000;
        const eta = phase === "answer" && done > 0 ? `ETA ${duration((seconds * (total - done)) / done)}` : "";
        const what = phase === "load" ? "loading the model" : "answering candidates";
        if (live !== undefined) return live.show(what, done, total, eta);
        if (now - lastPlain < plainIntervalMs) return;
        lastPlain = now;
        return console.log(`${what} ${Math.floor((100 * done) / Math.max(1, total))} %  ${eta}`.trimEnd());
      }
    }
  };
  return { listener, stop: () => live?.clear() };
}
