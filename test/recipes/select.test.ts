// A selection by the packaged model through the engine and the command: killed, continued, composed again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSelectConfig } from "../../src/config/load-select.ts";
import type { SelectConfig } from "../../src/config/select-schema.ts";
import { selectQuestions } from "../../src/recipes/select.ts";

const root = resolve(import.meta.dirname, "../..");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-select-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The same selection as a config file and in code. */
const text = (name: string) => `candidates: { source: { generator: patient-cards, count: 24 } }
model: { path: embedded, threads: 1 }
prompt: { question: lines }
sampling: { samples: 2, max_new_tokens: 24, questions: 3 }
strategy: { hard: 6, easy: 0 }
output: { dir: ${join(folder, name)} }
`;

async function configFor(name: string, ...overrides: string[]): Promise<SelectConfig> {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, text(name));
  return (await loadSelectConfig(file, overrides)).config;
}

function start(name: string) {
  const main = [join(root, "test/unit/run-with-vite.mjs"), join(root, "src/cli/main.ts")];
  const child = spawn(process.execPath, [...main, "select", join(folder, `${name}.yaml`)], { stdio: "pipe" });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += chunk;
  });
  return { output, child, closed: once(child, "close") };
}
const lines = (name: string, file: string) =>
  readFileSync(join(folder, name, file), "utf8")
    .split("\n")
    .slice(0, -1);

test("killed while it answers, the same command goes on and ends as the uninterrupted one does", {
  timeout: 120_000,
}, async () => {
  const { summary } = await selectQuestions(await configFor("whole"));
  expect(summary).toMatchObject({ candidates: 24, chosen: 6, models: [{ questions: 24, samples: 2 }] });
  expect(lines("whole", "answers.jsonl")).toHaveLength(48);

  const config = await configFor("killed");
  const killed = start("killed");
  const journal = join(folder, "killed", "answers.jsonl");
  while (!existsSync(journal) || !readFileSync(journal).includes("\n"))
    await new Promise((done) => setTimeout(done, 5));
  killed.child.kill("SIGKILL");
  expect(await killed.closed).toEqual([null, "SIGKILL"]);
  const before = readFileSync(journal, "utf8");
  const kept = before.split("\n").length - 1;
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThan(48);

  const again = start("killed");
  expect(await again.closed, again.output.stderr).toEqual([0, null]);
  expect(again.output.stderr).toMatch(/24 candidates; \d+ are answered already; \d+ to answer/);
  expect(again.output.stdout).toContain("6 of 24 candidates chosen\n  hard: 6 of ");
  expect(readFileSync(journal, "utf8").startsWith(before.slice(0, before.lastIndexOf("\n") + 1))).toBe(true);
  for (const file of ["answers.jsonl", "questions.jsonl", "summary.json"]) {
    expect(lines("killed", file)).toEqual(lines("whole", file));
  }

  const other = await configFor("killed", "strategy.kind=percentile", "strategy.count=9", "strategy.to_percentile=50");
  expect((await selectQuestions(other, { composeOnly: true })).summary.chosen).toBe(9);
  expect(lines("killed", "answers.jsonl")).toEqual(lines("whole", "answers.jsonl"));
  const seeded = await selectQuestions({ ...config, seed: 1, output: { dir: join(folder, "seed") } });
  expect(seeded.summary.chosen).toBe(6);
  // Another seed samples other answers: the comparison above can fail.
  expect(lines("seed", "answers.jsonl").map((line) => JSON.parse(line).text)).not.toEqual(
    lines("whole", "answers.jsonl").map((line) => JSON.parse(line).text),
  );
});
