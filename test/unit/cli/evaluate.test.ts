import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { targetsOf } from "../../../src/cli/evaluate.ts";

const root = resolve(import.meta.dirname, "../../..");
const rlvr = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "test/unit/run-with-vite.mjs"), join(root, "src/cli/main.ts"), ...args], {
    encoding: "utf8",
  });

test("one adapter lies in --out itself, several in folders of their names", () => {
  const targets = (adapters: string[], out?: string) => targetsOf({ model: "m/tiny.gguf", adapters, out }, "paper");
  expect(targets([])).toEqual([{ name: "tiny", adapter: null, folder: "runs/evaluate-tiny-paper" }]);
  expect(targets(["runs/hard/adapter"], "out")).toEqual([
    { name: "hard", adapter: "runs/hard/adapter", folder: "out" },
  ]);
  expect(targets(["base", "easy=runs/e/adapter"], "out")).toEqual([
    { name: "tiny", adapter: null, folder: "out/tiny" },
    { name: "easy", adapter: "runs/e/adapter", folder: "out/easy" },
  ]);
  expect(() => targets(["a/adapter", "b/a/adapter"])).toThrow(/two adapters are called a; give them names/);
});

test("rlvr evaluate answers, goes on for nothing, and rlvr rescore refuses what asks otherwise", () => {
  const folder = mkdtempSync(join(tmpdir(), "rlvr-evaluate-cli-"));
  try {
    for (const split of ["dev", "test"]) {
      mkdirSync(join(folder, "mmlu/data", split), { recursive: true });
      const rows = Array.from(
        { length: 6 },
        (_, index) => `What is ${index}?,one,two,three,four,${"ABCD"[index % 4]}\n`,
      );
      writeFileSync(join(folder, "mmlu/data", split, `anatomy_${split}.csv`), rows.join(""));
    }
    const out = join(folder, "out");
    const args = ["evaluate", "--model", "embedded", "--protocol", "lm-eval", "--data", folder, "--out", out, "--json"];
    const first = rlvr(...args);
    expect(first.stderr).toContain("6 questions");
    expect(first.status).toBe(0);
    const result = JSON.parse(first.stdout);
    expect(result).toMatchObject({
      protocol: "lm-eval",
      interrupted: false,
      results: [{ folder: out, scores: [{ benchmark: "mmlu", total: { questions: 6, unparsed: 0 } }] }],
    });
    const answers = readFileSync(join(out, "answers.jsonl"), "utf8");
    const second = rlvr(...args);
    expect(second.stderr).toContain("6 of them answered before");
    expect(JSON.parse(second.stdout).results).toEqual(result.results);
    expect(readFileSync(join(out, "answers.jsonl"), "utf8")).toBe(answers);

    const other = rlvr("rescore", out, "--protocol", "official");
    expect(other.status).toBe(2);
    expect(other.stderr).toContain("official asks mmlu otherwise than these answers were asked");
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);

test("rlvr evaluate says what it does not know", () => {
  const unknown = rlvr("evaluate", "--model", "embedded", "--benchmarks", "mmlu,arc", "--data", "x");
  expect(unknown.status).toBe(2);
  expect(unknown.stderr).toContain("there is no benchmark arc; expected some of mmlu, cmmlu, mmlu-pro, gsm8k, medqa");
  const protocol = rlvr("evaluate", "--model", "embedded", "--protocol", "papers", "--data", "x");
  expect(protocol.stderr).toContain('there is no protocol "papers"; expected one of lm-eval');
});
