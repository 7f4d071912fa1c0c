import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RlvrError } from "../../../src/errors.ts";
import { categoryChooser, compareRuns } from "../../../src/recipes/compare.ts";
import { type EvaluationReportResult, writeEvaluationReport } from "../../../src/recipes/evaluation-report.ts";
import { writeEvaluations, writeTraining } from "../report/evaluation-fixture.ts";

let folder: string;
let folders: string[];
let result: EvaluationReportResult;
const read = (name: string) => readFileSync(join(result.folder, name), "utf8");

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rlvr-report-"));
  const models = [{ name: "base" }, { name: "=tuned|<b>", change: 0.5, gain: 0.2 }];
  folders = writeEvaluations(folder, models, { questions: { mmlu: 6, gsm8k: 20 }, words: 5 });
  const selection = join(folder, "selection");
  mkdirSync(selection);
  const model = {
    model: "a<b>",
    questions: 30,
    samples: 2,
    pass_rate: 0.25,
    easy: 5,
    hard: 25,
    causes: { no_box: 3 },
    unparsed: 0.1,
    truncated: 0,
  };
  const summary = {
    schema: 1,
    strategy: "filter",
    candidates: 30,
    chosen: 10,
    pools: [{ name: "hard", taken: 8, found: 25 }],
    causes: { wrong: 8 },
    models: [model],
    no_signal: { num_generations: 3, from_pass_rates: 0.7, smoothed: 0.6 },
    question_words: { median: 90 },
    decontamination: null,
  };
  writeFileSync(join(selection, "summary.json"), JSON.stringify(summary));
  const runs = [...folders, writeTraining(join(folder, "training"), 5), selection];
  result = await writeEvaluationReport(runs, {
    out: join(folder, "out"),
    title: "a <title>",
    resamples: 200,
    medical: { mmlu: ["virology", "anatomy", "nutrition"] },
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every form is written, pictures in both formats", () => {
  for (const file of result.files) expect(existsSync(join(result.folder, file))).toBe(true);
  expect(result.files).toEqual(
    expect.arrayContaining(["report.html", "report.json", "report.md", "scores.csv", "comparisons.csv"]),
  );
  expect(result.files).toEqual(
    expect.arrayContaining(["lm-eval/base.json", "figures/figure-03a.svg", "figures/figure-03a.png"]),
  );
  expect(result.files.filter((file) => file.endsWith(".svg"))).toHaveLength(7);
  expect(readFileSync(join(result.folder, "figures/figure-04.png")).subarray(1, 4).toString()).toBe("PNG");
});

test("an SVG picture is whole: concrete colours, its title, its key, nothing to load", () => {
  const svg = read("figures/figure-05.svg");
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(svg).toContain("Figure 5. MMLU: Humanities");
  expect(svg).toContain("=tuned|&lt;b&gt;");
  expect(svg).not.toMatch(/var\(--|href=|<style|<script/);
});

test("medical figures show the subjects that were listed, in their order", () => {
  const label = /aria-label="(Medical subjects of MMLU, accuracy[^"]*)"/.exec(read("report.html"))?.[1] ?? "";
  expect(label).toMatch(/base: virology [\d.]+, anatomy [\d.]+, nutrition [\d.]+;/);
});

test("report.json has a version, the scores and the comparisons", () => {
  const json = JSON.parse(read("report.json"));
  expect(json.schema).toBe(1);
  expect(json.evaluations[0].benchmarks[0]).toMatchObject({ benchmark: "mmlu", total: { questions: 342 } });
  expect(json.evaluations[0].manifest.protocol).toBe("lm-eval");
  expect(json.comparisons[0]).toMatchObject({ first: "base", second: "=tuned|<b>" });
  expect(json.paper).toHaveLength(5);
  expect(json.selections[0].summary.strategy).toBe("filter");
  expect(json.trainings).toMatchObject([{ name: "training", steps: 5 }]);
});

test("lm-eval's shape has tasks, groups and pooled errors", () => {
  const { results, groups, group_subtasks: members } = JSON.parse(read("lm-eval/base.json"));
  const { total, categories, subjects } = JSON.parse(read("report.json")).evaluations[0].benchmarks[0];
  expect(results.mmlu["acc,none"]).toBe(total.accuracy);
  expect(groups.mmlu_social_sciences["acc,none"]).toBe(categories[2].accuracy);
  const anatomy = subjects.find((one: { subject: string }) => one.subject === "anatomy");
  expect(results.mmlu_anatomy["acc,none"]).toBe(anatomy.accuracy);
  expect(results.mmlu_anatomy["acc_stderr,none"]).toBeCloseTo(
    Math.sqrt((anatomy.accuracy * (1 - anatomy.accuracy)) / 5),
    12,
  );
  expect(members.mmlu).toHaveLength(57);
  expect(results.gsm8k).toHaveProperty("exact_match,flexible-extract");
});

test("CSV has a line for each level, and a name that looks like a formula is defused", () => {
  const lines = read("scores.csv").split("\r\n");
  expect(lines).toHaveLength(1 + 2 * (1 + 4 + 57 + 1 + 1 + 1) + 1);
  expect(lines.filter((line) => line.startsWith("'=tuned"))).toHaveLength(65);
  expect(lines.some((line) => line.startsWith("=tuned"))).toBe(false);
});

test("Markdown and the page keep names as text", () => {
  expect(read("report.md")).toContain("=tuned\\|&lt;b&gt;");
  expect(read("report.html")).toContain("<title>a &lt;title&gt;</title>");
  expect(read("report.html")).not.toContain("<b>");
});

test("selections stand side by side with the share of groups that carry no signal", () => {
  const html = read("report.html");
  expect(html).toContain(
    `<td>hard 8 of 25</td><td>wrong 8</td><td class="n">60.0 %</td><td class="n">90</td><td>not looked for</td>`,
  );
  expect(html).toContain(`<th scope="row"><bdi>pools › 1 › taken</bdi></th><td>8</td>`);
  expect(html).toContain(`<td>a&lt;b&gt;</td><td class="n">30</td><td class="n">2</td><td class="n">25.0 %</td>`);
});

test("Table 1 and the figures say how many questions they are of", () => {
  const html = read("report.html");
  expect(html).toContain(`<th scope="col" class="n">MMLU<small>342 questions</small></th>`);
  expect(html).toContain("A bar is of 6 questions; thin lines are 95 % intervals");
  expect(html).toContain("MMLU: Humanities");
});

test("the marks of an answer are named in their order, and what evaluations share stands once", () => {
  const html = read("report.html");
  expect(html).toMatch(
    /marks, from left to right:<\/p>\s*<ul class="key"><li class="s1"><bdi>base<.*<li class="s2"><bdi>=tuned/,
  );
  expect(html).toContain(`<th scope="row"><bdi>Protocol</bdi></th><td>lm-eval</td>`);
  expect(html).toMatch(/<th scope="row"><bdi>base<\/bdi><\/th><td>–<\/td><\/tr>/);
});

test("several trainings stand side by side in the colours of their evaluations, and unfold one by one", async () => {
  const small = writeEvaluations(join(folder, "few"), [{ name: "base" }, { name: "one" }, { name: "two" }], {
    questions: { mmlu: 1 },
  });
  const trainings = ["one", "two"].map((name, index) => writeTraining(join(folder, "trainings", name), 5 + index));
  const out = join(folder, "several");
  const { page, files } = await writeEvaluationReport([...small, ...trainings], { out, resamples: 100, png: "never" });
  const html = readFileSync(page, "utf8");
  const key = `<ul class="key"><li class="s2"><bdi>one</bdi></li><li class="s3"><bdi>two</bdi></li></ul>`;
  const [together = "", ...alone] = html.split("Every curve of ");
  expect(together.split(key).length - 1).toBeGreaterThanOrEqual(4);
  expect(together).toMatch(
    /aria-label="Reward\. Line chart over steps: one is [\d.]+ at step 1 and [\d.]+ at step 5; two is/,
  );
  expect(alone.map((text) => /^<bdi>(\w+)/.exec(text)?.[1])).toEqual(["one", "two"]);
  expect(alone[0]).not.toContain(key);
  // One question a subject: bars say so, and there is no radar, which has no intervals.
  expect(html).toContain("A bar is of 1 question;");
  expect(files.some((file) => file.includes("figure-03d"))).toBe(false);
  expect(result.files.some((file) => file.includes("figure-03d"))).toBe(true);
});

test("the same folders give the same bytes", async () => {
  const again = await writeEvaluationReport(folders, { out: join(folder, "again"), resamples: 100, png: "never" });
  const before = readFileSync(again.page, "utf8");
  await writeEvaluationReport(folders, { out: join(folder, "again"), resamples: 100, png: "never" });
  expect(readFileSync(again.page, "utf8")).toBe(before);
});

test("folders without a run, without an evaluation, and twice the same are refused", async () => {
  const refusal = async (paths: string[]) => {
    const error = await writeEvaluationReport(paths, { out: join(folder, "no") }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RlvrError);
    return (error as RlvrError).message;
  };
  expect(await refusal([join(folder, "nowhere")])).toContain("is not there; expected a folder with evaluation.json");
  expect(await refusal([folder])).toContain("holds no run: expected evaluation.json");
  expect(await refusal([join(folder, "training")])).toContain("no evaluation among the folders");
  expect(await refusal([folders[0] as string, folders[0] as string, folders[0] as string])).toContain("given twice");
  expect(await refusal(Array<string>(9).fill(folders[0] as string))).toContain("figures can tell 8 apart");
});

test("comparing needs two evaluations, and category maps that exist", async () => {
  await expect(compareRuns(folders.slice(1))).rejects.toThrow("1 evaluation given; expected two or more");
  expect(() => categoryChooser(["mmlu=nothing"])).toThrow(
    "expected one of mmlu=hendrycks, mmlu=lm-eval, cmmlu=disjoint",
  );
  expect(() => categoryChooser(["gsm8k=subjects"])).toThrow(RlvrError);
  expect(categoryChooser([], { mmlu: "lm-eval" })("mmlu").get("STEM")).toContain("anatomy");
  expect(categoryChooser(["mmlu=hendrycks"], { mmlu: "lm-eval" })("mmlu").get("STEM")).not.toContain("anatomy");
});
