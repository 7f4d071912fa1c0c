import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type RunReport, runReport } from "../../../src/report/run-report.ts";

const step = (index: number) => ({
  step: index,
  loss: 0.001 * index,
  reward: 2 + 0.1 * index,
  reward_std: 0.5,
  "rewards/accuracy": 1,
  "rewards/format": 0.5,
  kl: 0.01,
  entropy: 0.8,
  sampler_gap: 0,
  learning_rate: 1e-5,
  grad_norm: 0.7,
  completion_length: 40,
  truncated_ratio: 0.25,
  informative_groups: 0.5,
  tokens_computed: 1000,
  "time/rollout": 1,
  "time/reference": 0,
  "time/train": 3,
  "memory/peak_bytes": 3 * 2 ** 20,
});
const completion = (index: number, text: string, reward = index) => ({
  step: index,
  question_id: `q${index}`,
  rollout: 0,
  text,
  finish_reason: "stop",
  tokens: 12,
  reward,
  "rewards/accuracy": 2,
  "rewards/format": 0,
  advantage: 1.155,
});
const scores = { accuracy: 0.4, format: 0.5, truncated: 0, completionLength: 41.25 };
const evaluation = { questions: 500, sampled: scores, greedy: { ...scores, accuracy: 0.9 } };
const run: RunReport = {
  title: "a run",
  config: "model: { path: embedded }\n",
  metrics: [1, 2, 3].map(step),
  completions: [1, 2, 3].map((index) => completion(index, `text of ${index}`)),
  evaluations: { before: evaluation, after: { ...evaluation, sampled: { ...scores, accuracy: 0.65 } } },
};

/** Markup outside of the data island. */
const markup = (html: string) => html.replace(/<script type="application\/json"[\s\S]*?<\/script>/, "");

test("the page loads nothing and runs nothing, and its policy says so", () => {
  const html = runReport(run);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html)?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  expect(html).toContain(`content="default-src 'none'; style-src 'sha256-${hash}';`);
  expect(html.match(/<style>/g)).toHaveLength(1);
  expect(html).not.toMatch(/(?:src|href|srcset)=|url\((?!#)|@import| style="| on\w+="/);
  expect([...html.matchAll(/<script ([^>]*)>/g)].map((match) => match[1])).toEqual([
    'type="application/json" id="run-data"',
  ]);
});

test("what the model, the data set or the user wrote is text, never markup", () => {
  const attack = `</script></pre><script>alert(1)</script><img src=x onerror=alert(2)>"' & \u0000`;
  const html = runReport({
    title: attack,
    config: attack,
    metrics: [{ ...step(1), [`rewards/${attack}`]: 1 }],
    completions: [{ ...completion(1, attack), question_id: attack, [`rewards/${attack}`]: 1 }],
    evaluations: {},
  });
  expect(html).not.toContain("<script>alert");
  expect(html).not.toContain("<img");
  expect(html.match(/<\/script>/g)).toHaveLength(1);
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).not.toContain("\u0000");
  expect(html).toContain("\u2400");
});

test("the data island gives the numbers back", () => {
  const title = "</script><!-- \u2028";
  const html = runReport({ ...run, title });
  const island = /<script type="application\/json" id="run-data">([^<]*)<\/script>/.exec(html)?.[1] ?? "";
  expect(JSON.parse(island)).toEqual({ title, metrics: run.metrics, evaluations: run.evaluations });
});

test("before and after stand side by side with the change", () => {
  const html = runReport(run);
  expect(html).toContain("500 held-out questions");
  expect(html).toMatch(/Right letter in its tags<\/th><td>sampled<\/td><td class="n">40\.0 %.*65\.0 %.*\+25\.0 points/);
  expect(html).toMatch(
    /Tokens of a completion<\/th><td>greedy<\/td><td class="n">41\.25<\/td><td class="n">41\.25<\/td>/,
  );
  expect(html).toContain(`<td class="n better">+25.0 points</td>`);
});

test("a fall is marked as worse, and more cut-off answers are no improvement", () => {
  const after = { ...evaluation, sampled: { ...scores, accuracy: 0.3, truncated: 0.1 } };
  const html = runReport({ ...run, evaluations: { before: evaluation, after } });
  expect(html).toContain(`<td class="n worse">−10.0 points</td>`);
  expect(html).toContain(`<td class="n worse">+10.0 points</td>`);
});

test("every figure has a title and a description in words", () => {
  const html = runReport(run);
  const figures = [...html.matchAll(/<figcaption>([^<]+) <small>/g)].map((match) => match[1]);
  expect(figures).toEqual([
    "Reward",
    "Each reward",
    "Accuracy and format",
    "KL to the base model",
    "Entropy",
    "Completion length",
    "Learning rate",
    "Gradient norm",
    "Loss",
    "Groups with a signal",
    "Time of a step",
  ]);
  expect(html.match(/<svg viewBox="0 0 460 240" role="img" aria-label="/g)).toHaveLength(figures.length);
  expect(html).toContain(`aria-label="Reward. Line chart over steps: Reward is 2.1 at step 1 and 2.3 at step 3."`);
  expect(html).toContain("right letter in its tags is 100.0 % at step 1");
  expect(html).toContain("Sampler gap: 0 at every step. Largest difference of a token&#39;s logprob");
  expect(html).toContain("Seconds, stacked. In all: rollout 25.0 %, train 75.0 %.");
});

test("the summary counts and sums the steps", () => {
  const html = runReport(run);
  for (const [name, value] of [
    ["Steps", "3"],
    ["Completions", "3"],
    ["Reward, first step", "2.1"],
    ["Reward, last step", "2.3"],
    ["Time in steps", "12 s"],
    ["Tokens computed", "3,000"],
    ["Peak memory", "3 MiB"],
  ]) {
    expect(html).toContain(`<dt>${name}</dt><dd>${value}</dd>`);
  }
});

test("the sample shows the best and the worst of evenly spaced steps with each reward", () => {
  const completions = [1, 2, 3, 4, 5, 6, 7].flatMap((index) => [
    completion(index, `good ${index}`, 5),
    completion(index, `middling ${index}`, 3),
    completion(index, `bad ${index}`, 0),
  ]);
  const html = markup(runReport({ ...run, completions }));
  const shown = [...html.matchAll(/<pre>((?:good|bad|middling) \d)/g)].map((match) => match[1]);
  expect(shown).toEqual(["good 1", "bad 1", "good 3", "bad 3", "good 5", "bad 5", "good 7", "bad 7"]);
  expect(html).toContain(`<th scope="col" class="n">accuracy</th><th scope="col" class="n">format</th>`);
});

test("the same input gives the same bytes, and charts do not share ids", () => {
  const html = runReport(run);
  expect(runReport(run)).toBe(html);
  const ids = [...html.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, id] of html.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id);
});

test("a run without steps, completions or evaluation still has a page", () => {
  const html = runReport({ title: "empty", config: "", metrics: [], completions: [], evaluations: {} });
  expect(html).toContain("no finished step yet");
  expect(html).toContain("no completions yet");
  expect(html).toContain("no evaluation on held-out questions");
});

test("one step, missing fields and numbers that are not finite leave gaps, not errors", () => {
  const holes = JSON.parse(
    JSON.stringify([{ ...step(1), kl: Number.NaN, loss: Number.POSITIVE_INFINITY }]),
  ) as object[];
  const html = runReport({
    ...run,
    metrics: holes,
    completions: [{ text: "only text" }],
    evaluations: { before: evaluation },
  });
  expect(markup(html)).not.toMatch(/NaN|Infinity|undefined|null/);
  expect(html).not.toContain("KL to the base model");
  expect(runReport({ ...run, metrics: [{}] })).toContain("<!doctype html>");
});

test("a long run is drawn and listed with bounded size", () => {
  const long = Array.from({ length: 5000 }, (_, index) => step(index + 1));
  const html = markup(runReport({ ...run, metrics: long }));
  expect(html.length).toBeLessThan(2_000_000);
  expect(html).toContain(`<td class="n">5,000</td>`);
});
