import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A crash in the addon ends one file's process, not the run.
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
