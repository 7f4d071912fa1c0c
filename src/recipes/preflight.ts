// A look before the first step: a few groups are sampled and scored, and whatever would make the run worthless is said.
import type { Config } from "../config/schema.ts";
import type { Question } from "../data/question.ts";
import { RlvrError } from "../errors.ts";
import { noSignal, tooShort } from "../grpo/guards.ts";
import { groupStatistics } from "../grpo/statistics.ts";
import type { WeightedReward } from "../rewards/reward.ts";
import { questionKey } from "./batches.ts";
import type { TrainListener } from "./events.ts";
import { sampleRollouts, scoreGroups } from "./rollouts.ts";
import type { Session } from "./session.ts";
import { truncatedRatio } from "./step-records.ts";

/**
 * Samples `guards.preflight_questions` groups. When no group has two different rewards, training would change nothing:
 * throws RLVR_NO_SIGNAL, or warns when `guards.on_no_signal` says so. Also warns of rollouts that are cut off.
 */
export async function preflight(
  session: Session,
  questions: readonly Question[],
  rewards: readonly WeightedReward[],
  config: Config,
  onEvent: TrainListener,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tried = questions.slice(0, config.guards.preflightQuestions);
  if (tried.length === 0) return;
  const rollouts = config.sampling.numGenerations;
  const asked = tried.map((question) => ({ question, key: questionKey("pre-flight", question) }));
  const { groups } = await sampleRollouts(session, asked, config, {
    rollouts,
    signal,
    onProgress: (done, total) => onEvent({ kind: "progress", phase: "pre-flight", done, total }),
  });
  const statistics = groupStatistics(await scoreGroups(groups, rewards));
  const cut = tooShort(truncatedRatio(groups), config.sampling.maxNewTokens);
  if (cut !== undefined) onEvent({ kind: "notice", level: "warning", message: `in the pre-flight ${cut}` });
  const dead = noSignal(statistics, groups.length, rollouts);
  if (dead === undefined) {
    const share = Math.round(statistics.informativeGroups * groups.length);
    const message = `pre-flight: ${share} of ${groups.length} groups have a spread of rewards; mean reward ${statistics.reward.toFixed(2)}`;
    onEvent({ kind: "notice", level: "info", message });
  } else if (config.guards.onNoSignal === "fail") {
    throw new RlvrError("RLVR_NO_SIGNAL", `[train] ${dead} To train nevertheless: guards.on_no_signal=warn`);
  } else {
    onEvent({ kind: "notice", level: "warning", message: dead });
  }
}
