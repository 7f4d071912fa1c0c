// Group relative policy optimization with verified rewards, as the paper trains (section 3.1; DeepSeekMath, 2402.03300).
import type { ResolvedConfig } from "../config/resolve.ts";
import type { Config } from "../config/schema.ts";
import { batchCounts, showConfig } from "../config/show.ts";
import type { Question } from "../data/question.ts";
import type { Tracer } from "../engine/tracer.ts";
import { RlvrError } from "../errors.ts";
import { formOnly, formOnlyWindow, klAlarm } from "../grpo/guards.ts";
import { scheduleFactor, warmupSteps } from "../grpo/schedule.ts";
import { groupStatistics } from "../grpo/statistics.ts";
import type { WeightedReward } from "../rewards/reward.ts";
import { publishFolder } from "../run/files.ts";
import { RunDirectory } from "../run/run-directory.ts";
import { QuestionStream } from "./batches.ts";
import { evaluateQuestions, type QuestionsEvaluation } from "./evaluate-questions.ts";
import type { Phase, TrainListener } from "./events.ts";
import { trainingWorkload } from "./plan.ts";
import { preflight } from "./preflight.ts";
import { configuredRewards, trainingQuestions, usableQuestions } from "./prepare-training.ts";
import * as rollouts from "./rollouts.ts";
import { openSession, type Session, samplingOf } from "./session.ts";
import { completionRecords, type StepResult, stepMetrics } from "./step-records.ts";
import { checkResumedConfig, newState, restoreTraining, saveTraining } from "./training-state.ts";

export interface TrainOptions {
  /** In place of `data.train` and `data.eval`. */
  readonly questions?: readonly Question[];
  readonly evalQuestions?: readonly Question[];
  /** In place of `rewards`: functions of one's own. */
  readonly rewards?: readonly WeightedReward[];
  /** A model that is already loaded; it stays open. */
  readonly session?: Session;
  /** Continue from the newest intact checkpoint of the output folder. */
  readonly resume?: boolean;
  /** Once aborted, the running step is finished and saved, and the run ends; before the first step it ends at once. */
  readonly signal?: AbortSignal;
  readonly onEvent?: TrainListener;
  /** Records the phases of each step and what the engine does in them. */
  readonly tracer?: Tracer | undefined;
  /** Who set which option, for the comments of config.yaml. */
  readonly setBy?: ResolvedConfig["setBy"];
}

export interface TrainResult {
  readonly folder: string;
  readonly adapter: string;
  /** Steps taken since the run's beginning. */
  readonly steps: number;
  readonly totalSteps: number;
  readonly interrupted: boolean;
  readonly evaluation: {
    readonly before?: QuestionsEvaluation | undefined;
    readonly after?: QuestionsEvaluation | undefined;
  };
}

/** Trains the adapter that a config describes and leaves a run directory. */
export async function trainGrpo(config: Config, options: TrainOptions = {}): Promise<TrainResult> {
  const { signal, onEvent = () => {} } = options;
  const notice = (message: string, level: "info" | "warning" = "info") => onEvent({ kind: "notice", level, message });
  const progress = (phase: Phase, step?: number) => ({
    onProgress: (done: number, total: number) => onEvent({ kind: "progress", phase, step, done, total }),
  });

  const rewards = options.rewards ?? (await configuredRewards(config));
  await using run = await RunDirectory.open(config.output.dir ?? "runs/grpo", {
    resume: options.resume ?? false,
    onMessage: notice,
  });
  const changed = run.resumedFrom ? await checkResumedConfig(run.path("config"), config) : undefined;
  if (changed) notice(changed, "warning");
  const session = options.session ?? (await openSession(config, "lora", { signal, ...progress("load") }));
  await using _ = { [Symbol.asyncDispose]: async () => (options.session ? undefined : await session.policy.close()) };
  const { policy } = session;
  using _trace = options.tracer?.record(policy);
  const prepared = stopwatch(options.tracer);

  const candidates = await usableQuestions(options.questions ?? config.data.train, session, config, onEvent);
  const heldOut = await heldOutQuestions(options, session, config, onEvent);
  // The longest case is taken before anything runs: a run that starts does not end for want of memory.
  await policy.reserve(trainingWorkload(config, session, candidates, heldOut));
  const state = run.resumedFrom ? await restoreTraining(run.resumedFrom, policy) : newState();
  await run.write("config", showConfig(config, options.setBy));
  const questions = await trainingQuestions(candidates, session, config, run, onEvent, signal);
  const stream = new QuestionStream(questions, config.seed, config.data.shuffle);
  const counts = batchCounts(config, questions.length);
  const { totalSteps } = counts;
  onEvent({ kind: "start", counts, questions: questions.length, firstStep: state.step + 1 });

  const evaluate = async (when: "before" | "after") => {
    if (heldOut.length === 0) return undefined;
    const evaluation = await evaluateQuestions(session, heldOut, config, { signal, ...progress("evaluate") });
    onEvent({ kind: "evaluation", when, evaluation });
    return evaluation;
  };
  if (run.resumedFrom === undefined) {
    await preflight(session, questions, rewards, config, onEvent, signal);
    state.before = await evaluate("before");
  }

  let savedStep = state.step;
  const save = async () => {
    const { folder } = await run.checkpoint(state.step, config.output.checkpointKeep, (temporary) =>
      saveTraining(temporary, policy, state, config.model.path),
    );
    savedStep = state.step;
    onEvent({ kind: "checkpoint", step: state.step, folder });
  };

  prepared("prepare");
  while (state.step < totalSteps && !signal?.aborted) {
    const step = state.step + 1;
    const watch = stopwatch(options.tracer);

    // Action sampling: G completions for each question from the current policy.
    const asked = stream.ofStep(state.step, counts.questionsPerStep);
    const sampled = await rollouts.sampleRollouts(session, asked, config, {
      rollouts: config.sampling.numGenerations,
      ...progress("rollout", step),
    });
    const samplingSeconds = watch("rollout");
    // Reward evaluation: text in, numbers out.
    const scores = await rollouts.scoreGroups(sampled.groups, rewards);
    const rolloutSeconds = samplingSeconds + watch("reward");
    // Relative advantage: each reward against its own group.
    const advantages = rollouts.advantagesOf(scores, config);
    // The frozen base, adapter off, for the KL term.
    const reference =
      config.loss.beta > 0
        ? await rollouts.referenceLogprobs(session, sampled.groups, config, progress("reference", step))
        : undefined;
    const referenceSeconds = watch("reference");
    // Policy update: the clipped objective; gradients add up in the adapter over the micro-batches.
    const results = [];
    for (const groups of rollouts.packMicroBatches(sampled.groups, advantages, reference, config)) {
      const request = { groups, sampling: samplingOf(config), loss: rollouts.policyLoss(config) };
      results.push(await policy.accumulate(request, progress("train", step)));
    }
    const accumulateSeconds = watch("accumulate");
    const learningRate = learningRateOf(config, state.step, totalSteps);
    const update = await policy.update(rollouts.adamW(config, learningRate));
    const trainSeconds = accumulateSeconds + watch("update");

    const loss = rollouts.mergeResults(results);
    const result: StepResult = {
      step,
      groups: sampled.groups,
      scores,
      advantages,
      statistics: groupStatistics(scores),
      loss,
      update,
      learningRate,
      tokensComputed: rollouts.addCounters(sampled.counters, reference?.counters, loss.counters).tokensComputed,
      seconds: { rollout: rolloutSeconds, reference: referenceSeconds, train: trainSeconds },
      peakBytes: policy.memory().peakBytes,
    };
    const metrics = stepMetrics(result);
    await run.log(metrics, completionRecords(result));
    watch("record");
    state.step = step;
    state.window = [...state.window, result.statistics].slice(-formOnlyWindow);
    state.skippedInRow = update.skipped ? state.skippedInRow + 1 : 0;
    onEvent({ kind: "step", metrics, totalSteps });
    watchOver(result, state, config, notice);
    if (step % config.output.checkpointEvery === 0) await save();
  }

  if (savedStep !== state.step) await save();
  const adapter = run.path("adapter");
  await publishFolder(adapter, (folder) => policy.saveAdapter(folder, { baseModel: config.model.path }));
  const interrupted = state.step < totalSteps;
  const after = interrupted ? undefined : await evaluate("after");
  const evaluation = { before: state.before, after };
  const summary = { folder: run.folder, adapter, steps: state.step, totalSteps, interrupted, evaluation };
  await run.write("summary", `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

async function heldOutQuestions(options: TrainOptions, session: Session, config: Config, onEvent: TrainListener) {
  const source = options.evalQuestions ?? config.data.eval;
  if (source === null || config.evaluation.questions === 0) return [];
  return (await usableQuestions(source, session, config, onEvent)).slice(0, config.evaluation.questions);
}

function learningRateOf({ optimizer }: Config, step: number, totalSteps: number): number {
  const warmup = warmupSteps(totalSteps, optimizer.warmupRatio);
  return optimizer.lr * scheduleFactor(optimizer.schedule, step, totalSteps, warmup);
}

/** Alarms of a step. Ends the run when the gradient was not finite several times in a row. */
function watchOver(
  { step, loss, update, learningRate }: StepResult,
  { window, skippedInRow }: { window: Parameters<typeof formOnly>[0]; skippedInRow: number },
  config: Config,
  notice: (message: string, level: "warning") => void,
): void {
  const kl = klAlarm(loss.kl);
  if (kl) notice(`step ${step}: ${kl}`, "warning");
  if (step % formOnlyWindow === 0) {
    const hacked = formOnly(window);
    if (hacked) notice(hacked, "warning");
  }
  if (!update.skipped) return;
  notice(
    `step ${step} was skipped: its gradient is not finite (norm ${update.gradNorm}, loss ${loss.loss})`,
    "warning",
  );
  if (skippedInRow < config.guards.maxSkippedSteps) return;
  throw new RlvrError(
    "RLVR_DIVERGED",
    `[train] ${skippedInRow} steps in a row had a gradient that is not finite, at learning rate ${learningRate}. ` +
      "Lower optimizer.lr, or resume from an earlier checkpoint.",
  );
}

/** A function that gives the seconds since its last call, and puts them in the trace under a name. */
function stopwatch(tracer: Tracer | undefined): (phase: string) => number {
  let last = performance.now();
  return (phase) => {
    const [start, end] = [last, performance.now()];
    last = end;
    tracer?.phase(phase, start, end);
    return (end - start) / 1000;
  };
}
