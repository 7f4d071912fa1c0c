// A training run as a person follows it: one live line with ETA on a terminal, plain lines elsewhere.
import type { Config } from "../config/schema.ts";
import { describeCounts } from "../config/show.ts";
import type { EvaluationScores } from "../recipes/evaluate-questions.ts";
import type { Phase, TrainEvent, TrainListener } from "../recipes/events.ts";
import type { StepMetrics } from "../run/records.ts";
import { type Console, duration } from "./console.ts";
import { LiveLine } from "./live-line.ts";

// Steps over which the time of a step is averaged for the ETA: completions change in length while the model learns.
const etaWindow = 10;
// Off a terminal a long phase says at most this often how far it is.
const plainIntervalMs = 15_000;

const phaseNames: Readonly<Record<Phase, string>> = {
  load: "loading the model",
  evaluate: "answering held-out questions",
  filter: "filtering questions",
  "pre-flight": "pre-flight",
  rollout: "rollouts",
  reference: "reference",
  train: "training",
};

/** One step in a line: reward and its parts, KL, who learns, lengths, times. */
export function stepLine(metrics: StepMetrics, totalSteps: number, etaSeconds: number): string {
  const parts = Object.entries(metrics)
    .filter(([key]) => key.startsWith("rewards/"))
    .map(([key, value]) => `${key.slice("rewards/".length)} ${(value as number).toFixed(2)}`);
  const times = [metrics["time/rollout"], metrics["time/reference"], metrics["time/train"]];
  const seconds = times.reduce((sum, value) => sum + value, 0);
  return (
    `step ${String(metrics.step).padStart(String(totalSteps).length)}/${totalSteps}  reward ${metrics.reward.toFixed(2)} ` +
    `(${parts.join(", ")})  kl ${metrics.kl.toPrecision(2)}  informative ${Math.round(100 * metrics.informative_groups)} %  ` +
    `length ${metrics.completion_length.toFixed(0)}  ${seconds.toFixed(1)} s ` +
    `(${times.map((value) => value.toFixed(1)).join(" + ")})  ETA ${duration(etaSeconds)}`
  );
}

/** Seconds that the remaining steps will take, from the times of the last ones. */
export class Eta {
  readonly #recent: number[] = [];

  after(metrics: StepMetrics, totalSteps: number): number {
    this.#recent.push(metrics["time/rollout"] + metrics["time/reference"] + metrics["time/train"]);
    if (this.#recent.length > etaWindow) this.#recent.shift();
    const mean = this.#recent.reduce((sum, value) => sum + value, 0) / this.#recent.length;
    return mean * (totalSteps - metrics.step);
  }
}

export interface TrainProgress {
  readonly listener: TrainListener;
  /** Takes the live line away. */
  stop(): void;
}

/** Shows a run's events on stderr. */
export function showTrainProgress(config: Config, console: Console): TrainProgress {
  const eta = new Eta();
  const live = process.stderr.isTTY ? new LiveLine() : undefined;
  let lastPlain = performance.now();
  const say = (line: string, isWarning = false) => {
    live?.clear();
    if (isWarning) console.warn(line);
    else console.log(line);
  };
  const listener = (event: TrainEvent) => {
    switch (event.kind) {
      case "notice":
        return say(event.message, event.level === "warning");
      case "start":
        say(describeCounts(config, event.counts, event.questions));
        if (event.firstStep > 1) say(`continuing at step ${event.firstStep}`);
        return;
      case "filter": {
        const { hard, easy } = event.counts;
        return say(
          `filter: ${hard.taken} of ${hard.found} hard and ${easy.taken} of ${easy.found} easy questions chosen`,
        );
      }
      case "evaluation": {
        const { questions, sampled, greedy } = event.evaluation;
        say(`${event.when} training, over ${questions} held-out questions:`);
        say(`  sampled  ${scoreLine(sampled)}`);
        return say(`  greedy   ${scoreLine(greedy)}`);
      }
      case "step":
        lastPlain = performance.now();
        return say(stepLine(event.metrics, event.totalSteps, eta.after(event.metrics, event.totalSteps)));
      case "progress": {
        const what = `${event.step === undefined ? "" : `step ${event.step}: `}${phaseNames[event.phase]}`;
        if (live !== undefined) return live.show(what, event.done, event.total);
        if (performance.now() - lastPlain < plainIntervalMs) return;
        lastPlain = performance.now();
        return say(`${what} ${Math.floor((100 * event.done) / Math.max(1, event.total))} %`);
      }
      case "checkpoint":
        return;
    }
  };
  return { listener, stop: () => live?.clear() };
}

function scoreLine({ accuracy, format, truncated, completionLength }: EvaluationScores): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return (
    `accuracy ${percent(accuracy)}  format ${percent(format)}  cut off ${percent(truncated)}  ` +
    `length ${completionLength.toFixed(0)}`
  );
}
