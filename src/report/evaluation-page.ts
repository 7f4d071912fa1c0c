// The page of several evaluations: Table 1, comparisons, the paper's figures, curves, selections, every answer.
import type { Benchmark } from "../data/benchmark-row.ts";
import type { Comparison, EvaluationRun } from "../statistics/compare.ts";
import { packAnswers } from "./answer-blocks.ts";
import { answerBrowserScript } from "./answer-browser.ts";
import type { Figure } from "./evaluation-figures.ts";
import { assumptionsOf, benchmarksOf, type EvaluationReport, tableOne } from "./evaluation-report.ts";
import { evaluationStyle } from "./evaluation-style.ts";
import {
  benchmarkNames,
  comparisonTable,
  formatAccuracy,
  subjectTable,
  type TableOneCell,
  type TableOneRow,
  textColumns,
} from "./evaluation-tables.ts";
import { escapeHtml, page } from "./html.ts";
import { formatShare } from "./numbers.ts";
import { titleOf } from "./picture.ts";
import { selectionSection } from "./selection-section.ts";
import { scrollable, textTable } from "./tables.ts";
import { trainingSection } from "./training-section.ts";

/** One self-contained page. It loads nothing, and runs only the answers' browser. */
export function evaluationPage(report: EvaluationReport): string {
  const sections = [
    { id: "table-1", title: "Table 1", html: tableOneSection(report) },
    { id: "comparisons", title: "Comparisons", html: comparisonSection(report) },
    ...figureSections(report.figures),
    { id: "training", title: "Training", html: trainingSection(report) },
    { id: "selection", title: "Selection", html: selectionSection(report.selections) },
    { id: "answers", title: "Answers", html: answersSection(report.runs) },
    { id: "origin", title: "How it was made", html: originSection(report.runs) },
  ].filter(({ html }) => html !== "");
  const links = sections.map(({ id, title }) => `<li><a href="#${id}">${escapeHtml(title)}</a></li>`);
  const body = `<header>
<h1>${escapeHtml(report.title)}</h1>
<p class="note">${escapeHtml(summary(report))}</p>
<nav aria-label="Contents"><ul>${links.join("")}</ul></nav>
</header>
<main>
${sections.map(({ id, title, html }) => `<section id="${id}">\n<h2>${escapeHtml(title)}</h2>\n${html}\n</section>`).join("\n")}
</main>
${answerIslands(report.runs)}`;
  return page(report.title, evaluationStyle, body, answerBrowserScript());
}

function summary({ runs, scores }: EvaluationReport): string {
  const answers = runs.reduce((sum, run) => sum + run.answers.length, 0).toLocaleString("en-US");
  const names = benchmarksOf(scores).map((name) => benchmarkNames[name]);
  const evaluations = `${runs.length} ${runs.length === 1 ? "evaluation" : "evaluations"}`;
  return `${evaluations} on ${names.join(", ")}; ${answers} answers. By rlvr-node.`;
}

function tableOneSection({ scores, runs }: EvaluationReport): string {
  const present = benchmarksOf(scores);
  const { ours, paper } = tableOne(scores);
  const columns = present.map(
    (name) => `<th scope="col" class="n">${benchmarkNames[name]}${questionCount(scores, name)}</th>`,
  );
  const caption =
    "Accuracy over questions, with Wilson’s 95 % interval; below it the mean of subjects (macro), and the shares of answers " +
    "out of which nothing could be read or which the length limit cut.";
  const divider = `<tr class="group"><th colspan="${present.length + 1}"><span>As the paper prints it, with the intervals that its sample sizes imply</span></th></tr>`;
  const rows = [
    ...ours.map((row) => tableOneLine(row, present, false)),
    ...(paper.length === 0 ? [] : [divider]),
    ...paper.map((row) => tableOneLine(row, present, true)),
  ];
  const notes = assumptionsOf(runs).map((line) => `<p class="note">${escapeHtml(line)}</p>`);
  const table = `\n<thead><tr><th scope="col">Model</th>${columns.join("")}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody>`;
  return `<p class="note">${caption}</p>\n${notes.join("\n")}<div class="table-one">${scrollable("Table 1", table)}</div>`;
}

/** How many questions of a benchmark each evaluation has answered. */
function questionCount(scores: EvaluationReport["scores"], name: Benchmark): string {
  const counts = scores.flatMap(({ benchmarks }) =>
    benchmarks.filter(({ benchmark }) => benchmark === name).map(({ total }) => total.questions),
  );
  const [least, most] = [Math.min(...counts), Math.max(...counts)].map((count) => count.toLocaleString("en-US"));
  return `<small>${least === most ? least : `${least} to ${most}`} questions</small>`;
}

function tableOneLine({ name, cells }: TableOneRow, present: readonly Benchmark[], isPaper: boolean): string {
  const values = present.map((benchmark) => tableOneCell(cells[benchmark]));
  return `<tr${isPaper ? ' class="paper"' : ""}><th scope="row"><bdi>${escapeHtml(name)}</bdi></th>${values.join("")}</tr>`;
}

function tableOneCell(cell: TableOneCell | undefined): string {
  if (cell === undefined) return `<td class="n">–</td>`;
  const interval = `<span class="interval">(${formatAccuracy(cell.low)}–${formatAccuracy(cell.high)})</span>`;
  const macro = cell.macro === null ? "" : `<small>macro ${formatAccuracy(cell.macro)}</small>`;
  const lost =
    cell.unparsed === null || cell.truncated === null
      ? ""
      : `<small>unread ${formatShare(cell.unparsed)}, cut ${formatShare(cell.truncated)}</small>`;
  return `<td class="n">${formatAccuracy(cell.accuracy)} ${interval}${macro}${lost}</td>`;
}

function comparisonSection({ comparisons, resamples, seed }: EvaluationReport): string {
  if (comparisons.length === 0) return "";
  const note =
    "The same questions, paired. Points are second minus first in percentage points, with the 95 % interval of the paired " +
    `bootstrap over questions (${resamples.toLocaleString("en-US")} resamples, seed ${seed}); lost and won ` +
    "are questions that only the first or only the second has right; p is the exact test of McNemar, two-sided; Holm’s " +
    "adjustment is over the subjects of a benchmark. Categories and benchmarks are not adjusted for their number.";
  return `<p class="note">${note}</p>\n${comparisons.map(comparisonHtml).join("\n")}`;
}

function comparisonHtml(comparison: Comparison): string {
  const subjects = subjectTable(comparison);
  const details =
    subjects.rows.length === 0
      ? ""
      : `\n<details><summary>${subjects.rows.length} subjects</summary>${textTable(subjects)}</details>`;
  const title = `<h3><bdi>${escapeHtml(comparison.second)}</bdi> against <bdi>${escapeHtml(comparison.first)}</bdi></h3>`;
  return `${title}\n${textTable(comparisonTable(comparison))}${details}`;
}

interface Section {
  readonly id: string;
  readonly title: string;
  readonly html: string;
}

function figureSections(figures: readonly Figure[]): Section[] {
  return [...new Set(figures.map(({ section }) => section))].map((section) => {
    const own = figures.filter((figure) => figure.section === section);
    const title = section === "medical" ? "Medical subjects" : benchmarkNames[section as Benchmark];
    return { id: section, title, html: `<div class="pictures">\n${own.map(figureHtml).join("\n")}\n</div>` };
  });
}

function figureHtml({ number, title, note, svg, key }: Figure): string {
  const items = key.map(({ name, color }) => `<li class="s${color}"><bdi>${escapeHtml(name)}</bdi></li>`);
  return (
    `<figure id="${escapeHtml(`picture-${number}`)}">\n` +
    `<figcaption>${escapeHtml(titleOf(number) + title)} <small>${escapeHtml(note)}</small></figcaption>\n` +
    `<ul class="key">${items.join("")}</ul>\n${svg}\n</figure>`
  );
}

/** The browser's controls; the page's script fills them and the list. */
function answersSection(runs: readonly EvaluationRun[]): string {
  const select = (part: string, label: string, first: string, others = "") =>
    `<label>${label}<select data-part="${part}"><option value="${part === "kind" ? "all" : ""}">${first}</option>${others}</select></label>`;
  const kinds = [
    ["wrong", "wrong"],
    ["right", "right"],
    ["unparsed", "unparsed: nothing could be read"],
    ["truncated", "truncated by the length limit"],
    ["changed", "changed against the first evaluation"],
    ["gained", "gained against the first evaluation"],
    ["lost", "lost against the first evaluation"],
  ];
  const names = runs.map(({ manifest }, run) => `<li class="s${run + 1}"><bdi>${escapeHtml(manifest.name)}</bdi></li>`);
  const order =
    runs.length < 2
      ? ""
      : `<p class="note">A question’s marks, from left to right:</p>\n<ul class="key">${names.join("")}</ul>\n`;
  const options = kinds.map(([value, name]) => `<option value="${value}">${name}</option>`).join("");
  return `<noscript><p>The browser of answers needs JavaScript; everything above does not.</p></noscript>
<div id="browser">
<div class="filters">
${select("benchmark", "Benchmark", "all")}
${select("subject", "Subject", "all")}
${select("run", "Evaluation", "any")}
${select("kind", "Answers", "all", options)}
<label>Text<input type="search" data-part="search" placeholder="in question, options, answers" autocomplete="off"></label>
</div>
<div class="pager"><button type="button" data-part="previous" disabled>Previous</button><button type="button" data-part="next" disabled>Next</button><output data-part="status" aria-live="polite">Unpacking …</output></div>
${order}<div data-part="list"></div>
</div>`;
}

function answerIslands(runs: readonly EvaluationRun[]): string {
  const { index, questions, answers } = packAnswers(runs);
  const island = (id: string, text: string) => `<script type="text/plain" id="${id}">${text}</script>`;
  return [
    island("answers-index", index),
    ...questions.map((block, i) => island(`questions-${i}`, block)),
    ...answers.map((block, i) => island(`answers-${i}`, block)),
  ].join("\n");
}

/** What all evaluations have in common, once, and what tells them apart. */
function originSection(runs: readonly EvaluationRun[]): string {
  const fields = [
    ["model", "Model"],
    ["adapter", "Adapter"],
    ["protocol", "Protocol"],
    ["protocol_hash", "Protocol hash"],
    ["limit", "Limit"],
    ["seed", "Seed"],
    ["version", "Version"],
    ["started", "Started"],
    ["finished", "Finished"],
  ] as const;
  const lines = fields.map(([field, name]) => ({
    name,
    values: runs.map(({ manifest }) => String(manifest[field] ?? "–")),
  }));
  const isShared = ({ values }: { readonly values: readonly string[] }) => new Set(values).size === 1;
  const shared = lines.filter(isShared).map(({ name, values }) => [name, values[0] ?? ""]);
  const own = lines.filter((line) => !isShared(line));
  const rows = runs.map(({ manifest }, run) => [manifest.name, ...own.map(({ values }) => values[run] ?? "")]);
  const tables = [
    {
      title: "Every evaluation",
      columns: textColumns("Field", runs.length === 1 ? "Value" : "Every evaluation"),
      rows: shared,
    },
    {
      title: "Each evaluation",
      columns: textColumns("Evaluation", ...own.map(({ name }) => name)),
      rows: own.length === 0 ? [] : rows,
    },
  ];
  return tables
    .filter((table) => table.rows.length > 0)
    .map(textTable)
    .join("\n");
}
