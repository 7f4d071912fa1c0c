// Where the two real checkpoints of CI lie. Tests that need them are skipped where they are absent, but not in CI.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const folder = process.env.RLVR_CACHE ?? join(homedir(), ".cache", "rlvr-node", "models");

export const realModels = {
  smollm: join(folder, "smollm2-135m-instruct-q4_1.gguf"),
  gemma: join(folder, "gemma-3-270m-q4_k_m.gguf"),
};

/** False only where the file is absent and this is not CI; in CI the test runs and fails. */
export function runsWithModel(path: string): boolean {
  return existsSync(path) || process.env.CI === "true" || process.env.CI === "1";
}
