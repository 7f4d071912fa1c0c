// What a checkpoint holds beside the engine's state, and which options may change when a run is resumed.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromCamel } from "../config/option.ts";
import { resolveConfig } from "../config/resolve.ts";
import type { Config } from "../config/schema.ts";
import { RlvrError } from "../errors.ts";
import type { GroupStatistics } from "../grpo/statistics.ts";
import type { Checkpoint } from "../run/checkpoints.ts";
import { doing, writeFileWhole } from "../run/files.ts";
import type { QuestionsEvaluation } from "./evaluate-questions.ts";
import type { PolicyCalls } from "./session.ts";

/** The trainer's own memory. Question order and random numbers need none: they follow from seed and step. */
export interface TrainingState {
  /** Steps taken. */
  step: number;
  skippedInRow: number;
  /** The last steps' statistics, for the "format only" alarm. */
  window: GroupStatistics[];
  before: QuestionsEvaluation | undefined;
}

export const newState = (): TrainingState => ({ step: 0, skippedInRow: 0, window: [], before: undefined });

const stateFile = "trainer.json";
const engineFile = "state.safetensors";

/** Fills a checkpoint's folder: the engine's state bit for bit, the adapter for use, the trainer's state. */
export async function saveTraining(
  folder: string,
  policy: PolicyCalls,
  state: TrainingState,
  baseModel: string,
): Promise<void> {
  await policy.saveState(join(folder, engineFile));
  await policy.saveAdapter(join(folder, "adapter"), { baseModel });
  await writeFileWhole(join(folder, stateFile), `${JSON.stringify({ version: 1, ...state })}\n`);
}

/** Puts the engine back to a checkpoint and gives the trainer's state there. */
export async function restoreTraining(checkpoint: Checkpoint, policy: PolicyCalls): Promise<TrainingState> {
  await policy.loadState(join(checkpoint.folder, engineFile));
  const file = join(checkpoint.folder, stateFile);
  const text = await doing(`reading ${file}`, () => readFile(file, "utf8"));
  const { version, ...state } = JSON.parse(text) as TrainingState & { version: number };
  if (version !== 1 || state.step !== checkpoint.step) {
    throw new RlvrError(
      "RLVR_BAD_STATE",
      `[resume] ${file} has version ${version} and step ${state.step}; expected 1 and ${checkpoint.step}`,
    );
  }
  return { ...newState(), ...state };
}

// Options that change neither what is sampled nor what is learned.
const free = ["model.threads", "model.memory_limit", "model.device", "output", "guards", "evaluation"];
// Options that only change how long the run is, and with it the schedule from here on.
const length = ["batch.steps", "batch.epochs"];

/**
 * Compares the config of a resumed run with the one that it began with. Throws RLVR_BAD_STATE naming the options that
 * differ and would make it another run; gives a sentence when only its length changed.
 */
export async function checkResumedConfig(configFile: string, config: Config): Promise<string | undefined> {
  const text = await doing(`reading ${configFile}`, () => readFile(configFile, "utf8"));
  const before = leaves(resolveConfig(text, configFile).values);
  const now = leaves(fromCamel(config));
  const isUnder = (path: string, prefixes: readonly string[]) =>
    prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
  const differing = [...new Set([...before.keys(), ...now.keys()])]
    .filter((path) => before.get(path) !== now.get(path) && !isUnder(path, free))
    .map((path) => ({ path, text: `${path} was ${before.get(path)} and is ${now.get(path)}` }));
  const wrong = differing.filter(({ path }) => !isUnder(path, length));
  if (wrong.length > 0) {
    throw new RlvrError(
      "RLVR_BAD_STATE",
      `[resume] ${configFile} is of another run:\n${wrong.map((line) => `  ${line.text}\n`).join("")}` +
        "  Set them back to continue it, or start a new run in another folder (output.dir).",
    );
  }
  if (differing.length === 0) return undefined;
  return `${differing.map((line) => line.text).join(", ")}: the learning rate follows the new length from here on`;
}

function leaves(value: unknown, prefix = ""): Map<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return new Map([[prefix, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, item]) => [...leaves(item, prefix === "" ? key : `${prefix}.${key}`)]),
  );
}
