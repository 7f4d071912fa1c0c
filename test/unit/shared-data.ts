// Where the real benchmark rows lie: RLVR_SHARED_DATA, or ../shared/data beside the repository.
import { existsSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
export const sharedData = resolve(process.env.RLVR_SHARED_DATA ?? resolve(root, "../shared/data"));
export const hasSharedData = existsSync(sharedData);

/** Tests that need the rows are skipped without them, which is said; with CI=true they fail instead. */
export const skipsSharedData = !hasSharedData && process.env.CI !== "true";
if (skipsSharedData)
  console.warn(`no real benchmark rows at ${sharedData}: their tests are skipped (RLVR_SHARED_DATA)`);
