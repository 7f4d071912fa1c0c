// The words and exit statuses of compare and report, as a shell sees them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeEvaluation } from "../report/evaluation-fixture.ts";
import { evaluationOf } from "../statistics/answers.ts";

const root = resolve(import.meta.dirname, "../../..");
let folder: string;
let base: string;
let tuned: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-compare-"));
  [base, tuned] = [join(folder, "base"), join(folder, "tuned")];
  writeEvaluation(base, { name: "base" }, evaluationOf({ anatomy: "1100000000", virology: "10" }).answers);
  writeEvaluation(tuned, { name: "tuned" }, evaluationOf({ anatomy: "1111111100", virology: "10" }).answers);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function rlvr(...args: string[]) {
  const program = resolve(root, "test/unit/run-with-vite.mjs");
  const { stdout, stderr, status } = spawnSync(process.execPath, [program, resolve(root, "src/cli/main.ts"), ...args], {
    encoding: "utf8",
    cwd: root,
  });
  return { stdout, stderr, status };
}

test("compare prints the differences and says which are clear", () => {
  const { stdout, status } = rlvr("compare", base, tuned, "--resamples", "200");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^tuned against base\n/);
  // Six questions won and none lost: 2 / 64.
  expect(stdout).toMatch(/MMLU +12 +0\.2500 +0\.7500 +\+50\.00 .* 0 +6 +0\.031/);
  expect(stdout).toContain("At the 5 % level tuned differs from base on mmlu; after Holm's adjustment 0 subjects do.");
});

test("compare gives JSON to programs and Markdown to documents", () => {
  const json = JSON.parse(rlvr("compare", base, tuned, "--json").stdout);
  expect(json).toMatchObject({ schema: 1, comparisons: [{ first: "base", second: "tuned" }] });
  expect(json.comparisons[0].benchmarks[0].total.p).toBeCloseTo(2 / 64, 12);
  expect(rlvr("compare", base, tuned, "--markdown").stdout).toContain("| MMLU | 12 | 0.2500 | 0.7500 | +50.00 |");
});

test("compare and report refuse what cannot be paired, with the status for data", () => {
  const other = join(folder, "other");
  writeEvaluation(
    other,
    { name: "other", protocol: "paper", protocol_hash: "9" },
    evaluationOf({ anatomy: "1" }).answers,
  );
  const { status, stderr } = rlvr("compare", base, other);
  expect(status).toBe(5);
  expect(stderr).toContain('the protocols differ: "lm-eval" and "paper"');
  expect(stderr).toContain("11 of 12 questions are not among those of");
  expect(rlvr("report", base, other, "--out", join(folder, "no"), "--png", "never").status).toBe(5);
});

test("arguments that make no sense are a matter of usage", () => {
  expect(rlvr("compare", base)).toMatchObject({ status: 2 });
  expect(rlvr("compare", base, tuned, "--benchmarks", "mmlu,mmlx").stderr).toContain('"mmlx"; expected some of mmlu,');
  expect(rlvr("report", base, "--out", join(folder, "no"), "--medical", "anatomy").status).toBe(2);
});

test("report says what it wrote", () => {
  const { stdout, status } = rlvr(
    "report",
    base,
    tuned,
    "--out",
    join(folder, "out"),
    "--png",
    "never",
    "--resamples",
    "100",
  );
  expect(status).toBe(0);
  expect(stdout).toContain(`page:    ${join(folder, "out", "report.html")}`);
  expect(stdout).toContain("lm-eval/base.json, lm-eval/tuned.json");
});
