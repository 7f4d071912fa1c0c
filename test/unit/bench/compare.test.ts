import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

// The benchmarks are plain JavaScript without declarations.
const bench = (file: string) => import(new URL(`../../../bench/${file}`, import.meta.url).href);
const { comparisons, MODELS, measureGoals } = await bench("compare/goals.mjs");
const { isMet, judge, publicGoals } = await bench("compare/judge.mjs");
const { cacheFolder, MissingPeer } = await bench("compare/peers.mjs");
const { textTable, withTable } = await bench("compare/table.mjs");
const { median } = await bench("meter.mjs");

type Comparison = { seconds: number; goals: { name: string; rests?: string[] }[] };
const limits = { foreignLimit: 0.02 };
const speed = { name: "speed", goal: 2, unit: "times", rests: ["answer"] };
const answer = { name: "answer", goal: 1e-4, atMost: true, unit: "nats" };
const metOf = (goals: { name: string; met: boolean | null }[], name: string) =>
  goals.find((goal) => goal.name === name)?.met;

describe("a goal of the comparison", () => {
  test("is met from its figure on, and up to it where small is good", () => {
    expect(isMet({ value: 2, goal: 2 }, limits)).toBe(true);
    expect(isMet({ value: 1.99, goal: 2 }, limits)).toBe(false);
    expect(isMet({ value: 1e-4, goal: 1e-4, atMost: true }, limits)).toBe(true);
    expect(isMet({ value: 2e-4, goal: 1e-4, atMost: true }, limits)).toBe(false);
  });

  test("is not met by a figure that is no number", () => {
    expect(isMet({ value: Number.NaN, goal: 2 }, limits)).toBe(false);
    expect(isMet({ value: Number.NaN, goal: 2, atMost: true }, limits)).toBe(false);
  });

  test("is unknown when it was not measured or others used the machine", () => {
    expect(isMet({ value: null, goal: 2 }, limits)).toBe(null);
    expect(isMet({ value: 9, goal: 2, foreignCpu: 0.03 }, limits)).toBe(null);
    expect(isMet({ value: 9, goal: 2, foreignCpu: 0.02 }, limits)).toBe(true);
  });

  test("is not met by a fast but wrong answer, and unknown while the answer was not compared", () => {
    const fast = { ...speed, value: 9 };
    expect(metOf(judge([fast, { ...answer, value: 1e-6 }], limits), "speed")).toBe(true);
    expect(metOf(judge([fast, { ...answer, value: 1e-2 }], limits), "speed")).toBe(false);
    expect(metOf(judge([fast, { ...answer, value: null }], limits), "speed")).toBe(null);
    expect(metOf(judge([fast], limits), "speed")).toBe(true);
  });

  test("of a missing peer is unknown and says why", async () => {
    const run = {};
    const missing = async () => {
      throw new MissingPeer("no compiler");
    };
    const [goal] = judge(await measureGoals({ goals: [speed], measure: missing, model: "smollm2" }, run), limits);
    expect(goal).toMatchObject({ name: "speed", value: null, goal: 2, met: null, note: "missing: no compiler" });
    const broken = async () => {
      throw new Error("a bug");
    };
    await expect(measureGoals({ goals: [speed], measure: broken, model: "smollm2" }, run)).rejects.toThrow("a bug");
  });

  test("is printed as name, value, goal and met, and nothing else", () => {
    const goals = judge([{ ...speed, value: 3, ours: "3 s", raw: {} }], limits);
    expect(publicGoals(goals)).toEqual({ goals: [{ name: "speed", value: 3, goal: 2, met: true }] });
  });
});

test("every goal has a name of its own, and rests on goals that there are", () => {
  const all: Comparison[] = comparisons(MODELS);
  const goals = all.flatMap((comparison) => comparison.goals);
  const names = goals.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { rests = [] } of goals) expect(names).toEqual(expect.arrayContaining(rests));
  expect(all.reduce((sum, { seconds }) => sum + seconds, 0)).toBeLessThan(25 * 60);
});

test("the table stands between its marks, and a text without marks is an error", () => {
  const readme = "before\n<!-- bench:compare -->\nold\n<!-- /bench:compare -->\nafter\n";
  expect(withTable(readme, "new")).toBe("before\n<!-- bench:compare -->\nnew\n<!-- /bench:compare -->\nafter\n");
  expect(() => withTable("before", "new")).toThrow("README.md has no <!-- bench:compare -->");
  expect(textTable(judge([{ ...speed, value: null }], limits))).toMatch(/speed\s+-\s+at least 2\s+unknown/);
});

test("bench/README.md has the marks", () => {
  const file = fileURLToPath(new URL("../../../bench/README.md", import.meta.url));
  expect(() => withTable(readFileSync(file, "utf8"), "")).not.toThrow();
});

test("the cache is RLVR_BENCH_CACHE, else a folder in the user's cache", () => {
  expect(cacheFolder({ RLVR_BENCH_CACHE: "/here" })).toBe("/here");
  expect(cacheFolder({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/rlvr-node/bench");
});

test("a median is the middle, or the mean of the two", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});
