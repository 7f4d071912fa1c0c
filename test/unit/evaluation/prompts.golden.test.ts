// The lm-eval protocol's prompts beside those of lm_eval 0.4.13 on real rows (test/golden/make_lm_eval.py).
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Benchmark } from "../../../src/data/benchmark-row.ts";
import { readBenchmark } from "../../../src/data/read-benchmark.ts";
import { askedRows, promptText } from "../../../src/evaluation/prompts.ts";
import { loadProtocol, partOf } from "../../../src/evaluation/protocol.ts";
import { localFolder } from "../../../src/run/local-folder.ts";
import { sharedData, skipsSharedData } from "../shared-data.ts";

/** [benchmark/shots][subject]: the first 16 hex digits of the sha256 of each prompt, in the order of the files. */
const golden = (
  JSON.parse(readFileSync(new URL("../../golden/data/lm-eval.json", import.meta.url), "utf8")) as {
    prompts: Record<string, Record<string, string[]>>;
  }
).prompts;

const cases: [golden: string, benchmark: Benchmark, shots: number][] = [
  ["mmlu/0", "mmlu", 0],
  ["mmlu/5", "mmlu", 5],
  ["cmmlu/0", "cmmlu", 0],
  ["cmmlu/5", "cmmlu", 5],
  ["mmlu_pro/5", "mmlu-pro", 5],
  ["gsm8k/5", "gsm8k", 5],
  ["medqa/0", "medqa", 0],
  ["medqa/5", "medqa", 5],
];

async function hashes(benchmark: Benchmark, shots: number, counts: ReadonlyMap<string, number>) {
  const part = partOf(await loadProtocol("lm-eval", { shots }), benchmark);
  const rows = await readBenchmark(benchmark, localFolder(sharedData));
  const bySubject: Record<string, string[]> = {};
  for (const asked of askedRows(rows.test, rows.shots, part)) {
    const subject = asked.row.subject.replaceAll(" ", "_");
    bySubject[subject] ??= [];
    const found = bySubject[subject];
    if (found.length >= (counts.get(subject) ?? 0)) continue;
    found.push(createHash("sha256").update(promptText(asked, part)).digest("hex").slice(0, 16));
  }
  return bySubject;
}

describe.skipIf(skipsSharedData)("prompts are lm_eval's, byte for byte", () => {
  test.each(cases)("%s", async (name, benchmark, shots) => {
    const expected = golden[name] ?? {};
    const counts = new Map(Object.entries(expected).map(([subject, hashes]) => [subject, hashes.length]));
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(500);
    expect(await hashes(benchmark, shots, counts)).toEqual(expected);
  });

  test("one example more or less is another prompt", async () => {
    const expected = golden["mmlu/5"] ?? {};
    const counts = new Map(Object.entries(expected).map(([subject, hashes]) => [subject, hashes.length]));
    const found = await hashes("mmlu", 4, counts);
    for (const [subject, own] of Object.entries(found))
      for (const hash of own) expect(expected[subject]).not.toContain(hash);
  });
});
