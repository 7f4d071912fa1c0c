// The page's tables: before and after, sample completions, every number.

import { wilson } from "../statistics/proportion.ts";
import type { TextTable } from "./evaluation-tables.ts";
import { escapeHtml } from "./html.ts";
import { formatNumber, formatShare } from "./numbers.ts";
import { numberAt, type Row, rewardNames, textAt } from "./rows.ts";

export interface EvaluationScores {
  readonly accuracy: number;
  readonly format: number;
  readonly truncated: number;
  readonly completionLength: number;
}

/** One pass over the held-out questions, sampled as in training and greedily. */
export interface Evaluation {
  readonly questions: number;
  readonly sampled: EvaluationScores;
  readonly greedy: EvaluationScores;
}

export interface Evaluations {
  readonly before?: Evaluation | null | undefined;
  readonly after?: Evaluation | null | undefined;
}

const measures = [
  { field: "accuracy", name: "Right letter in its tags", isShare: true, better: 1 },
  { field: "format", name: "Strict form", isShare: true, better: 1 },
  { field: "truncated", name: "Cut off by the length limit", isShare: true, better: -1 },
  { field: "completionLength", name: "Tokens of a completion", isShare: false, better: 0 },
] as const;

/** A table inside a box that scrolls sideways, reachable by keyboard. */
export function scrollable(label: string, table: string): string {
  // biome-ignore format: one line of markup
  return `<div class="scroll" role="region" aria-label="${escapeHtml(label)}" tabindex="0">\n<table>${table}</table>\n</div>`;
}

/** A table of text; the first column heads its rows. */
export function textTable({ title, columns, rows }: TextTable): string {
  const kind = (at: number) => (columns[at]?.isNumber ? ' class="n"' : "");
  const head = columns.map(({ name }, at) => `<th scope="col"${kind(at)}>${escapeHtml(name)}</th>`);
  const body = rows.map(([first = "", ...rest]) => {
    const cells = rest.map((cell, at) => `<td${kind(at + 1)}>${escapeHtml(cell)}</td>`);
    return `<tr><th scope="row"><bdi>${escapeHtml(first)}</bdi></th>${cells.join("")}</tr>`;
  });
  const table = `\n<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>`;
  return `<div class="texts">${scrollable(title, table)}</div>`;
}

/** Scores before and after, with 95 % intervals for shares. */
export function evaluationTable({ before, after }: Evaluations): string {
  const questions = (after ?? before)?.questions;
  if (questions === undefined) return `<p class="note">The run has no evaluation on held-out questions.</p>`;
  const rows = (["sampled", "greedy"] as const).flatMap((mode) =>
    measures.map((measure) => {
      const [old, now] = [before?.[mode][measure.field], after?.[mode][measure.field]];
      const cells = [scoreCell(old, before?.questions, measure), scoreCell(now, after?.questions, measure)];
      return `<tr><th scope="row">${measure.name}</th><td>${mode}</td>${cells.join("")}${changeCell(old, now, measure)}</tr>`;
    }),
  );
  const caption = `${formatNumber(questions)} held-out questions, one answer each; shares with 95 % intervals (Wilson)`;
  const titles = `<th scope="col">Measure</th><th scope="col">Decoding</th>`;
  const numbers = ["Before", "After", "Change"].map((title) => `<th scope="col" class="n">${title}</th>`).join("");
  const head = `<caption>${caption}</caption>\n<thead><tr>${titles}${numbers}</tr></thead>`;
  return scrollable("Before and after training", `${head}\n<tbody>\n${rows.join("\n")}\n</tbody>`);
}

type Measure = (typeof measures)[number];

function scoreCell(value: number | undefined, count: number | undefined, { isShare }: Measure): string {
  if (value === undefined || count === undefined) return `<td class="n">–</td>`;
  if (!isShare) return `<td class="n">${formatNumber(value)}</td>`;
  const { low, high } = wilson(value, count);
  const interval = `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;
  const fill = `<rect class="fill" width="${formatNumber(100 * value)}" height="4"/>`;
  const bar = `<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4"/>${fill}</svg>`;
  return `<td class="n">${formatShare(value)} <span class="interval">(${interval})</span>${bar}</td>`;
}

function changeCell(old: number | undefined, now: number | undefined, { isShare, better }: Measure): string {
  if (old === undefined || now === undefined) return `<td class="n">–</td>`;
  const change = isShare ? 100 * (now - old) : now - old;
  const shown = change.toFixed(1);
  const text = `${Number(shown) > 0 ? "+" : ""}${shown.replace("-", "−")}${isShare ? " points" : ""}`;
  const judged = Math.sign(Number(shown)) * better;
  const kind = judged > 0 ? " better" : judged < 0 ? " worse" : "";
  return `<td class="n${kind}">${text}</td>`;
}

/** The completions with each reward; their text is the model's and stays text. */
export function completionsTable(rows: readonly Row[]): string {
  if (rows.length === 0) return `<p class="note">The run has no completions yet.</p>`;
  const names = rewardNames(rows);
  const numeric = ["Tokens", ...names, "Reward", "Advantage"];
  const head =
    `<tr><th scope="col" class="n">Step</th><th scope="col">Question</th><th scope="col">Completion</th>` +
    `<th scope="col">Ended by</th>${numeric.map((name) => `<th scope="col" class="n">${escapeHtml(name)}</th>`).join("")}</tr>`;
  const body = rows.map((row) => {
    const fields = ["tokens", ...names.map((name) => `rewards/${name}`), "reward", "advantage"];
    const numbers = fields.map((field) => `<td class="n">${formatNumber(numberAt(row, field))}</td>`).join("");
    const ending = textAt(row, "finish_reason") === "length" ? "length limit" : "itself";
    return (
      `<tr><td class="n">${formatNumber(numberAt(row, "step"))}</td><td>${escapeHtml(textAt(row, "question_id"))}</td>` +
      `<td class="completion"><pre>${escapeHtml(textAt(row, "text"))}</pre></td><td>${ending}</td>${numbers}</tr>`
    );
  });
  return scrollable("Sample completions", `\n<thead>${head}</thead>\n<tbody>\n${body.join("\n")}\n</tbody>`);
}

const mostRows = 200;

/** Every field of the metrics, of at most 200 evenly chosen steps. */
export function metricsTable(metrics: readonly Row[]): string {
  const fields = [...new Set(metrics.flatMap((row) => Object.keys(row)))];
  const stride = Math.max(1, Math.ceil(metrics.length / mostRows));
  const rows = metrics.filter((_, index) => index % stride === 0 || index === metrics.length - 1);
  const head = fields.map((field) => `<th scope="col" class="n">${escapeHtml(field)}</th>`).join("");
  const body = rows.map(
    (row) => `<tr>${fields.map((field) => `<td class="n">${formatNumber(numberAt(row, field))}</td>`).join("")}</tr>`,
  );
  return scrollable("Metrics of each step", `\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>`);
}
