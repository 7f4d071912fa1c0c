// The page of one run: what it did, how it went, what it says, how to repeat it.

import { figuresOf } from "./figures.ts";
import { escapeHtml, jsonIsland, page } from "./html.ts";
import { formatBytes, formatNumber, formatSeconds } from "./numbers.ts";
import { numberAt, type Row } from "./rows.ts";
import { sampleCompletions } from "./sample-completions.ts";
import { reportStyle } from "./style.ts";
import { completionsTable, type Evaluations, evaluationTable, metricsTable } from "./tables.ts";

export type { Evaluation, EvaluationScores, Evaluations } from "./tables.ts";

export interface RunReport {
  readonly title: string;
  /** The text of config.yaml. */
  readonly config: string;
  /** Rows of metrics.jsonl. */
  readonly metrics: readonly object[];
  /** Rows of completions.jsonl. */
  readonly completions: readonly object[];
  readonly evaluations: Evaluations;
}

/** One self-contained HTML page. It loads nothing and runs no script; the same input gives the same bytes. */
export function runReport(run: RunReport): string {
  const metrics = run.metrics as readonly Row[];
  const completions = run.completions as readonly Row[];
  const body = `<header>
<h1>${escapeHtml(run.title)}</h1>
<p class="note">Reinforcement learning with verified rewards (GRPO), by rlvr-node.</p>
${facts(metrics, completions)}
</header>
<main>
<h2>Before and after</h2>
${evaluationTable(run.evaluations)}
<h2>Curves</h2>
${figuresOf(metrics, completions)}
<h2>Completions</h2>
<p class="note">The best and the worst of at most four steps, the first and the last among them.</p>
${completionsTable(sampleCompletions(completions))}
<h2>How it was made</h2>
<details><summary>Configuration</summary><pre>${escapeHtml(run.config)}</pre></details>
<details><summary>Metrics of each step</summary>${metricsTable(metrics)}</details>
</main>
${jsonIsland("run-data", { title: run.title, metrics, evaluations: run.evaluations })}`;
  return page(run.title, reportStyle, body);
}

function facts(metrics: readonly Row[], completions: readonly Row[]): string {
  const last = metrics.at(-1);
  if (last === undefined) return "";
  const total = (field: string) => metrics.reduce((sum, row) => sum + (numberAt(row, field) ?? 0), 0);
  const seconds = total("time/rollout") + total("time/reference") + total("time/train");
  const tenth = Math.max(1, Math.min(10, Math.floor(metrics.length / 2)));
  const steps = tenth === 1 ? "step" : `${tenth} steps`;
  const meanReward = (rows: readonly Row[]) =>
    formatNumber(rows.reduce((sum, row) => sum + (numberAt(row, "reward") ?? 0), 0) / rows.length);
  const gaps = metrics.map((row) => numberAt(row, "sampler_gap") ?? 0);
  const peaks = metrics.map((row) => numberAt(row, "memory/peak_bytes") ?? 0);
  const entries = [
    ["Steps", formatNumber(numberAt(last, "step"))],
    ["Completions", formatNumber(completions.length)],
    [`Reward, first ${steps}`, meanReward(metrics.slice(0, tenth))],
    [`Reward, last ${steps}`, meanReward(metrics.slice(-tenth))],
    ["Time in steps", formatSeconds(seconds)],
    ["Tokens computed", formatNumber(total("tokens_computed"))],
    ["Peak memory", formatBytes(Math.max(...peaks))],
    ["Largest sampler gap", formatNumber(Math.max(...gaps))],
  ];
  const items = entries.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return `<dl class="facts">\n${items.join("\n")}\n</dl>`;
}
