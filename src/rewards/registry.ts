// Rewards by name: the ones of the package, and functions of the user given directly or by module path.
import { RlvrError } from "../errors.ts";
import { lenientAccuracy, lenientFormat } from "./lenient.ts";
import { accuracy, format, xmlcount } from "./paper.ts";
import type { Reward, WeightedReward } from "./reward.ts";

/** A reward's function, its largest score, and where it comes from. */
export interface RegisteredReward {
  readonly reward: Reward;
  readonly maximum: number;
  readonly source: string;
}

export const rewardRegistry: Readonly<Record<string, RegisteredReward>> = {
  accuracy: { reward: accuracy, maximum: 2, source: "paper, section 3.1; open_r1/rewards.py accuracy_reward" },
  format: { reward: format, maximum: 2, source: "paper, section 3.1; open_r1/rewards.py format_reward" },
  xmlcount: { reward: xmlcount, maximum: 1, source: "paper, section 3.1; open_r1/rewards.py xmlcount_reward_func" },
  lenient_accuracy: { reward: lenientAccuracy, maximum: 2, source: "ours: accuracy that reads common answer forms" },
  lenient_format: {
    reward: lenientFormat,
    maximum: 2,
    source: "ours: format that allows white space around the blocks",
  },
};

/** The names of the rewards that only judge form; when they alone have a spread, the run learns form only. */
export const formRewards: ReadonlySet<string> = new Set(["format", "xmlcount", "lenient_format"]);

/** One entry of `rewards` in a config: a registered name, or the path of a module with the function. */
export interface RewardEntry {
  readonly name: string;
  readonly weight: number;
  /** Path of a module whose export `export` (else `default`, else the reward's name) is a Reward. */
  readonly module?: string | undefined;
  readonly export?: string | undefined;
}

/**
 * The functions that a config's `rewards` name, in its order. `importModule` loads a module by the path in the config;
 * the caller decides what the path is relative to.
 */
export async function resolveRewards(
  entries: readonly RewardEntry[],
  importModule: (path: string) => Promise<Record<string, unknown>>,
): Promise<WeightedReward[]> {
  return await Promise.all(
    entries.map(async ({ name, weight, module, export: exported }) => {
      if (module === undefined) return { name, weight, reward: registeredReward(name) };
      const found = await importModule(module);
      const tried = exported === undefined ? [name, "default"] : [exported];
      const reward = tried.map((key) => found[key]).find((value) => value !== undefined);
      if (typeof reward !== "function") {
        throw new RlvrError(
          "RLVR_BAD_CONFIG",
          `[rewards] loading "${name}" from ${module}: no function under ${tried.join(" or ")}; ` +
            `the module exports ${Object.keys(found).join(", ") || "nothing"}. ` +
            "Export (completion, question, context) => number, or name the export with rewards[].export.",
        );
      }
      return { name, weight, reward: reward as Reward };
    }),
  );
}

function registeredReward(name: string): Reward {
  const entry = Object.hasOwn(rewardRegistry, name) ? rewardRegistry[name] : undefined;
  if (entry !== undefined) return entry.reward;
  throw new RlvrError(
    "RLVR_BAD_CONFIG",
    `[rewards] there is no reward "${name}"; known: ${Object.keys(rewardRegistry).join(", ")}. ` +
      "A function of your own is named by rewards[].module.",
  );
}
